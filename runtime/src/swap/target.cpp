#include "swap/target.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "plugin/manifest_reader.hpp"
#include "plugin/plugin_directories.hpp"
#include "schema/plugin_name.hpp"
#include "swap/candidate.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

std::string in_quotes(std::string_view text) {
  return "'" + printable(text, 512) + "'";
}

bool is_there(const fs::path& file) {
  std::error_code failed;
  return !file.empty() && fs::exists(file, failed);
}

Result<SwapTarget> find_path(const fs::path& given) {
  std::error_code failed;
  fs::path file = fs::absolute(given, failed).lexically_normal();
  const std::string name = plugin_name_of(file);
  if (failed || !is_there(file)) {
    return fail(ErrorCode::kNotFound, "there is no file " + in_quotes(given.string()));
  }
  if (file.extension() != kPluginExtension || !is_plugin_name(name)) {
    return fail(ErrorCode::kInvalidArgument, in_quotes(given.string()) +
                                                 " is no plugin file: those are called <plugin>" + kPluginExtension +
                                                 ", the plugin's name in small letters, digits and underscores");
  }
  return SwapTarget{name, file, file, {}, true};
}

/// An existing version, and where it is.
struct Found {
  std::string version;
  fs::path file;
  fs::path source;
  bool in_store = false;
};

std::vector<Found> versions_of(const std::string& name, const KnownPlugin* known, const TargetPlaces& places) {
  std::vector<fs::path> files;
  for (const fs::path& directory : places.directories) {
    files.push_back(directory / (name + kPluginExtension));
  }
  if (known != nullptr && std::find(files.begin(), files.end(), known->source) == files.end()) {
    files.push_back(known->source);
  }
  std::vector<Found> versions;
  for (const fs::path& file : files) {
    // A file that cannot be read has no version; a request for its path reports why.
    if (const auto manifest = is_there(file) ? read_manifest(file) : fail(ErrorCode::kNotFound, "")) {
      versions.push_back({manifest->version, file, file});
    }
  }
  for (const StoredVersion& stored : places.stored(name)) {
    if (!stored.version.empty() && is_there(stored.file)) {
      versions.push_back({stored.version, stored.file, stored.source, true});
    }
  }
  return versions;
}

Result<SwapTarget> find_version(const std::string& name, const std::string& version, const KnownPlugin* known,
                                const TargetPlaces& places) {
  const std::vector<Found> versions = versions_of(name, known, places);
  std::string there_are;
  std::vector<std::string> told;
  for (const Found& found : versions) {
    if (found.version == version) {
      return SwapTarget{name, found.file, found.source, version, false};
    }
    if (std::find(told.begin(), told.end(), found.version) == told.end()) {
      told.push_back(found.version);
      there_are += (there_are.empty() ? "" : ", ") + found.version + " (" +
                   (found.in_store ? "an earlier generation" : found.file.string()) + ")";
    }
  }
  if (versions.empty()) {
    return fail(ErrorCode::kNotFound, "there is no version " + in_quotes(version) + " of " + in_quotes(name) +
                                          ", nor any other: name the path of its file");
  }
  return fail(ErrorCode::kNotFound,
              "there is no version " + in_quotes(version) + " of " + in_quotes(name) + "; there is " + there_are);
}

}  // namespace

fs::path first_plugin_file(const std::vector<fs::path>& directories, const std::string& name) {
  for (const fs::path& directory : directories) {
    fs::path file = directory / (name + kPluginExtension);
    if (is_there(file)) {
      return file;
    }
  }
  return {};
}

Result<SwapTarget> find_swap_target(std::string_view what, const TargetPlaces& places) {
  if (what.find('/') != std::string_view::npos || fs::path(what).extension() == kPluginExtension) {
    return find_path(fs::path(what));
  }
  const std::size_t at = what.find('@');
  const std::string name(what.substr(0, at));
  if (!is_plugin_name(name) || (at != std::string_view::npos && at + 1 == what.size())) {
    return fail(ErrorCode::kInvalidArgument,
                in_quotes(what) + " names no plugin; write 'image', 'image@1.3.0' or the path of a file");
  }
  const auto known = std::find_if(places.known.begin(), places.known.end(),
                                  [&](const KnownPlugin& plugin) { return plugin.name == name; });
  const KnownPlugin* plugin = known == places.known.end() ? nullptr : &*known;
  fs::path file = first_plugin_file(places.directories, name);
  if (plugin == nullptr && file.empty()) {
    std::vector<std::string> names;
    for (const KnownPlugin& other : places.known) {
      names.push_back(other.name);
    }
    const std::string question = did_you_mean(name, names);
    return fail(ErrorCode::kNotFound, "there is no plugin " + in_quotes(name) + "; " +
                                          (question.empty() ? "'tenon list' shows those there are" : question));
  }
  if (at != std::string_view::npos) {
    return find_version(name, std::string(what.substr(at + 1)), plugin, places);
  }
  if (file.empty()) {
    if (!is_there(plugin->source)) {
      return fail(ErrorCode::kNotFound, "the file of plugin " + in_quotes(name) + ", " +
                                            in_quotes(plugin->source.string()) +
                                            ", is gone; put it back, or name the path of another");
    }
    file = plugin->source;
  }
  return SwapTarget{name, file, file, {}, false};
}

}  // namespace tenon::internal

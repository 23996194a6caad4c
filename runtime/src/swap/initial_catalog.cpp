#include "swap/initial_catalog.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "swap/difference.hpp"
#include "swap/event_log.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

std::string in_quotes(const fs::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

std::string described(const std::string& plugin, const ServedVersion& version) {
  return describe_version(plugin, version.version, version.sha256);
}

/// Prepares one plugin for the start. A plugin that cannot be used gets a `problem`.
class Starter {
 public:
  /// `file` is the plugin's file in the plugin directories.
  Starter(const Candidates& candidates, std::string name, const fs::path& file)
      : candidates_(candidates), name_(std::move(name)), record_(candidates.host().find(name_, file)) {
    if (record_ && !record_->file.empty() && record_->file != file) {
      record_.reset();  // The host now gets its plugins from elsewhere.
    }
    initial.file = file;
    initial.source = file;
  }
  Starter(const Candidates& candidates, ServiceRecord record)
      : Starter(candidates, record.plugin, record.file.empty() ? record.current.source : record.file) {}

  /// For a plugin that the catalog found and could use.
  PluginInfo start(const PluginInfo& found) {
    // Taken before the copy, so that the first scan finds a change in between.
    initial.seen = fingerprint_of(found.file);
    auto staged = candidates_.store().stage(found.file);
    if (!staged) {
      initial.seen.reset();
      return restored_or_refused(found, std::move(staged.error()));
    }
    initial.file_sha256 = staged->sha256;
    initial.decided_sha256 = staged->sha256;
    const bool is_current = record_ && record_->current.sha256 == staged->sha256;
    const auto objection = candidates_.objection(staged->sha256, found.file);
    if (objection && !(is_current && record_->forced)) {
      return restored_or_refused(found, *objection);
    }
    const bool new_content = record_ && staged->sha256 != record_->file_sha256;
    const bool watch_takes_it = new_content && candidates_.host().watches();
    if (record_ && !is_current && candidates_.host().restores() && !watch_takes_it) {
      if (auto earlier = recorded()) {
        initial.decided_sha256 = record_->file_sha256;
        initial.note =
            difference_text(candidates_, name_, initial.file, initial.file_sha256, record_->current, record_->why, {});
        return std::move(*earlier);
      }
      initial.note = described(name_, record_->current) + " was current, but is not in the store any more; what " +
                     in_quotes(found.file) + " holds is served";
    }
    return serve_file(found, std::move(*staged), is_current);
  }

  /// For a plugin without a usable file. nullopt if no version of it is available.
  std::optional<PluginInfo> start_without_file(const std::string& problem) {
    if (!record_ || !candidates_.host().restores()) {
      return std::nullopt;
    }
    auto earlier = recorded();
    initial.note =
        earlier ? problem + "; " + described(name_, record_->current) + " is served: " + record_->why
                : described(name_, record_->current) + " was current, but is not in the store any more, and " + problem;
    return earlier;
  }

  InitialPlugin initial;

 private:
  /// The version that was current before the restart, if it is still available.
  std::optional<PluginInfo> recorded() {
    const ServedVersion& version = record_->current;
    const Store& store = candidates_.store();
    if (!record_->forced && candidates_.objection(version.sha256, initial.file)) {
      return std::nullopt;
    }
    auto stored = store.find(version.sha256, version.source.filename());
    if (!stored) {
      stored = store.stage(version.source);
      if (!stored || stored->sha256 != version.sha256) {
        return std::nullopt;
      }
    }
    PluginInfo plugin;
    plugin.name = name_;
    plugin.file = stored->file;
    plugin.sha256 = stored->sha256;
    plugin.libraries = stored->library_infos();
    plugin.state = file_state(stored->identity);
    candidates_.examiner().examine(plugin);
    if (!plugin.usable()) {
      return std::nullopt;
    }
    if (initial.decided_sha256.empty()) {
      initial.decided_sha256 = record_->file_sha256;  // The file is missing, or cannot be read.
    }
    initial.source = version.source;
    initial.served = ServedFile::stored(store, std::move(*stored), version.source);
    initial.why = record_->why;
    initial.forced = record_->forced;
    initial.past = record_->past;
    return plugin;
  }

  PluginInfo restored_or_refused(const PluginInfo& found, Error problem) {
    if (record_) {
      if (auto earlier = recorded()) {
        initial.note =
            not_loaded(found, problem) + "; " + described(name_, record_->current) + ", served before, is served again";
        return std::move(*earlier);
      }
    }
    return refused(found, std::move(problem));
  }

  [[nodiscard]] std::string not_loaded(const PluginInfo& found, const Error& problem) const {
    return describe_version(name_, found.version, initial.file_sha256) + " of " + in_quotes(found.file) +
           " is not loaded: " + problem.message;
  }

  PluginInfo refused(PluginInfo plugin, Error problem) {
    initial.note = not_loaded(plugin, problem);
    initial.refused_version = plugin.version;
    plugin.schema.reset();
    plugin.problem = std::move(problem);
    plugin.problem->context.plugin = describe_version(plugin.name, plugin.version, plugin.sha256);
    return plugin;
  }

  PluginInfo serve_file(const PluginInfo& found, StagedPlugin staged, bool is_current) {
    PluginInfo plugin = found;
    plugin.file = staged.file;
    plugin.libraries = staged.library_infos();
    plugin.state = file_state(staged.identity);
    plugin.size_bytes = staged.size_bytes;
    if (staged.sha256 != found.sha256) {
      // The file changed after the scan: the content to load is not the one that was inspected.
      plugin.sha256 = staged.sha256;
      candidates_.examiner().examine(plugin);
    }
    if (!plugin.usable()) {
      if (auto earlier = start_without_file(in_quotes(found.file) + " cannot be used: " + plugin.problem->message)) {
        return std::move(*earlier);
      }
      return plugin;
    }
    initial.served = ServedFile::stored(candidates_.store(), std::move(staged), found.file);
    initial.why = is_current ? record_->why : "its file held it when the host started";
    if (record_) {
      initial.past = record_->past;
      initial.forced = is_current && record_->forced;
      if (!is_current && candidates_.host().restores()) {
        initial.past.push_back(record_->current);
      }
    }
    return plugin;
  }

  const Candidates& candidates_;
  const std::string name_;
  std::optional<ServiceRecord> record_;
};

}  // namespace

bool lies_in(const std::vector<fs::path>& directories, const fs::path& file) {
  // The name of a directory may end with a slash.
  return std::any_of(directories.begin(), directories.end(),
                     [&](const fs::path& directory) { return directory / file.filename() == file; });
}

StagedCatalog stage_catalog(const Candidates& candidates, const Catalog& catalog, std::vector<fs::path> directories) {
  StagedCatalog result{catalog, {}, std::move(directories)};
  const bool derive = result.directories.empty();
  const auto add = [&result](PluginInfo plugin, InitialPlugin initial) {
    result.plugins[plugin.name] = std::move(initial);
    result.catalog = result.catalog.with(std::make_shared<const PluginInfo>(std::move(plugin)));
  };
  for (const auto& found : catalog.plugins()) {
    const fs::path directory = found->file.parent_path();
    if (derive &&
        std::find(result.directories.begin(), result.directories.end(), directory) == result.directories.end()) {
      result.directories.push_back(directory);
    }
    if (found->usable()) {
      Starter starter(candidates, found->name, found->file);
      PluginInfo plugin = starter.start(*found);
      add(std::move(plugin), std::move(starter.initial));
    } else if (!result.plugins.contains(found->name) && catalog.find_plugin(found->name) == nullptr) {
      Starter starter(candidates, found->name, found->file);
      auto& seen = starter.initial.seen;
      seen = fingerprint_of(found->file);
      if (seen && (!found->state || seen->file != *found->state)) {
        seen.reset();
      }
      auto earlier = starter.start_without_file(in_quotes(found->file) + " cannot be used: " + found->problem->message);
      if (earlier) {
        add(std::move(*earlier), std::move(starter.initial));
      } else {
        result.plugins[found->name] = std::move(starter.initial);
      }
    }
  }
  // It is from a plugin directory that the host no longer uses.
  const auto is_of_others = [&result](const ServiceRecord& record) {
    return !record.file.empty() && !lies_in(result.directories, record.file);
  };
  for (const ServiceRecord& record : candidates.host().all()) {
    if (result.plugins.contains(record.plugin) || is_of_others(record)) {
      continue;
    }
    Starter starter(candidates, record);
    std::error_code failed;
    const bool there = fs::exists(starter.initial.file, failed);
    auto plugin = starter.start_without_file(in_quotes(starter.initial.file) +
                                             (there ? " lies outside the plugin directories" : " is gone"));
    if (plugin) {
      add(std::move(*plugin), std::move(starter.initial));
    } else {
      result.plugins[record.plugin] = std::move(starter.initial);
    }
  }
  return result;
}

}  // namespace tenon::internal

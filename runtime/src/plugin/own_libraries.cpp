#include "plugin/own_libraries.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "platform/elf_dynamic.hpp"
#include "platform/environment.hpp"
#include "platform/file_source.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// Limits how many libraries a hostile plugin can make us search.
constexpr std::size_t kMaxNames = 256;
constexpr std::size_t kMaxDirectories = 256;

/// A path as the loader reads it: `$ORIGIN` is replaced, and a relative path is relative to the working directory.
/// Empty if it has another token, which only the loader knows.
fs::path expand(std::string_view path, const fs::path& origin) {
  std::string text(path);
  for (const std::string_view token : {std::string_view("${ORIGIN}"), std::string_view("$ORIGIN")}) {
    for (std::size_t at = text.find(token); at != std::string::npos; at = text.find(token, at)) {
      text.replace(at, token.size(), origin.native());
      at += origin.native().size();
    }
  }
  if (text.find('$') != std::string::npos) {
    return {};
  }
  std::error_code failed;
  fs::path absolute = text.empty() ? fs::current_path(failed) : fs::absolute(text, failed);
  return failed ? fs::path() : absolute;
}

/// The directories of a search path. An empty part of a path that is not itself empty stands for the working directory.
std::vector<fs::path> directories_of(std::string_view path, const fs::path& origin, std::string_view separators) {
  std::vector<fs::path> directories;
  for (bool more = !path.empty(); more && directories.size() < kMaxDirectories;) {
    const std::size_t length = std::min(path.find_first_of(separators), path.size());
    if (auto directory = expand(path.substr(0, length), origin); !directory.empty()) {
      directories.push_back(std::move(directory));
    }
    more = length < path.size();
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return directories;
}

/// Whether the loader searches this directory by default: libraries in it belong to the system.
bool is_system_directory(const fs::path& directory) {
  std::error_code failed;
  const fs::path real = fs::canonical(directory, failed);
  if (failed) {
    return false;
  }
  static constexpr std::array<std::string_view, 4> kRoots{"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
  const std::string_view text = real.native();
  return std::any_of(kRoots.begin(), kRoots.end(), [text](std::string_view root) {
    // Debian and its derivatives have a directory for each architecture, as in /usr/lib/x86_64-linux-gnu.
    return text == root || (text.starts_with(root) && text[root.size()] == '/' && text.ends_with("-linux-gnu") &&
                            text.find('/', root.size() + 1) == std::string_view::npos);
  });
}

/// One search for the libraries of one plugin, breadth-first like the loader's: the first library found under a name is
/// used wherever that name is needed.
class Search {
 public:
  explicit Search(std::vector<fs::path> environment) : environment_(std::move(environment)) {}

  OwnLibraries run(const ElfDynamic& plugin, const fs::path& origin) {
    add_needs(plugin, origin, {});
    for (std::size_t at = 0; at < found_.size(); ++at) {
      const ElfDynamic object = std::move(found_[at].dynamic);
      found_[at].needed = object.needed;
      add_needs(object, fs::path(found_[at].library.file).parent_path(), found_[at].inherited);
    }
    for (Found& found : found_) {
      put_in_order(found);
    }
    return std::move(result_);
  }

 private:
  struct Found {
    OwnLibrary library;
    ElfDynamic dynamic;
    std::vector<fs::path> inherited;
    std::vector<std::string> needed = {};
    bool ordered = false;
  };

  /// `inherited`: the DT_RPATH directories of the objects that need this one, which the loader searches too.
  void add_needs(const ElfDynamic& object, const fs::path& origin, std::vector<fs::path> inherited) {
    std::vector<fs::path> places;
    if (object.run_path.empty()) {
      const std::vector<fs::path> own = directories_of(object.search_path, origin, ":");
      inherited.insert(inherited.begin(), own.begin(), own.end());
      places = inherited;
    }
    places.insert(places.end(), environment_.begin(), environment_.end());
    const std::vector<fs::path> last = directories_of(object.run_path, origin, ":");
    places.insert(places.end(), last.begin(), last.end());
    note_directories(places);
    for (const std::string& name : object.needed) {
      add(name, origin, places, inherited);
    }
  }

  void add(const std::string& name, const fs::path& origin, const std::vector<fs::path>& places,
           const std::vector<fs::path>& inherited) {
    // A list of libraries has one line for each, so names with line breaks are not possible.
    const bool is_text = name.find_first_of("\n\r") == std::string::npos;
    if (name.empty() || !is_text || seen_.size() >= kMaxNames || !seen_.insert(name).second) {
      return;
    }
    const bool is_path = name.find('/') != std::string::npos;
    fs::path file;
    std::error_code ignored;
    if (is_path) {
      file = expand(name, origin);
      note_directories({file.parent_path()});
      file = fs::is_regular_file(file, ignored) ? file : fs::path();
    } else {
      const auto place = std::find_if(places.begin(), places.end(), [&](const fs::path& directory) {
        return fs::is_regular_file(directory / name, ignored);
      });
      file = place == places.end() ? fs::path() : *place / name;
    }
    if (file.empty() || is_system_directory(file.parent_path())) {
      return;
    }
    file = file.lexically_normal();
    const auto source = FileSource::open(file);
    if (!source || source->size_bytes() > kMaxPluginBytes) {
      return;
    }
    if (auto dynamic = read_elf_dynamic(*source)) {
      found_.push_back(
          {{fs::path(name).filename().string(), std::move(file), is_path}, std::move(*dynamic), inherited});
    }
  }

  void note_directories(const std::vector<fs::path>& places) {
    for (const fs::path& place : places) {
      fs::path directory = place.lexically_normal();
      if (!directory.empty() && noted_.insert(directory).second && !is_system_directory(directory)) {
        result_.directories.push_back(std::move(directory));
      }
    }
  }

  /// Puts a library after those that it needs. Recursion is bounded by kMaxNames.
  void put_in_order(Found& found) {
    if (std::exchange(found.ordered, true)) {
      return;
    }
    for (const std::string& name : found.needed) {
      const auto other = std::find_if(found_.begin(), found_.end(), [&name](const Found& candidate) {
        return candidate.library.name == fs::path(name).filename().string();
      });
      if (other != found_.end()) {
        put_in_order(*other);
      }
    }
    result_.libraries.push_back(std::move(found.library));
  }

  const std::vector<fs::path> environment_;
  std::set<std::string> seen_;
  std::set<fs::path> noted_;
  std::deque<Found> found_;  // A deque, because elements must not move.
  OwnLibraries result_;
};

}  // namespace

OwnLibraries own_libraries(const ByteSource& plugin, const fs::path& origin) {
  const auto dynamic = read_elf_dynamic(plugin);
  if (!dynamic) {
    return {};
  }
  const std::string environment = get_environment("LD_LIBRARY_PATH").value_or("");
  return Search(directories_of(environment, origin, ":;")).run(*dynamic, origin);
}

OwnLibraries own_libraries(const fs::path& plugin) {
  const auto source = FileSource::open(plugin);
  std::error_code failed;
  return source ? own_libraries(*source, fs::absolute(plugin, failed).parent_path()) : OwnLibraries();
}

}  // namespace tenon::internal

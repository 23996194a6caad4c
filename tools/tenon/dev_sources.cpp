#include "tools/tenon/dev_sources.hpp"

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDirectories = 4096;

/// Returns whether a file with this name may be a source that the build does not know yet.
bool is_source_name(const fs::path& file) {
  static const std::set<std::string> kExtensions = {".c",   ".cc",  ".cpp", ".cxx", ".h",   ".hh",    ".hpp",
                                                    ".hxx", ".inc", ".inl", ".ipp", ".fbs", ".cmake", ".in"};
  const std::string name = file.filename().string();
  return kExtensions.contains(file.extension().string()) || name == "CMakeLists.txt" || name == "CMakePresets.json";
}

/// Returns whether a directory is a build directory of the author's, which changes without a save.
bool is_build(const fs::path& directory) {
  std::error_code failed;
  return fs::exists(directory / "CMakeCache.txt", failed);
}

}  // namespace

DevSources::DevSources(fs::path root, fs::path without, fs::path also, internal::FileWatch watch)
    : root_(std::move(root)), without_(std::move(without)), also_(std::move(also)), watch_(std::move(watch)) {
  for (const char* stream : {"/dev/stdout", "/dev/stderr"}) {
    std::error_code failed;
    if (auto file = fs::canonical(stream, failed); !failed) {
      own_output_.insert(std::move(file));
    }
  }
  seen_ = look();
}

std::vector<fs::path> DevSources::changed() {
  static_cast<void>(watch_.drain());
  Times now = look();
  std::vector<fs::path> files;
  for (const auto& [file, time] : now) {
    const auto known = seen_.find(file);
    if (known == seen_.end() || known->second != time) {
      files.push_back(file);
    }
  }
  for (const auto& [file, time] : seen_) {
    if (!now.contains(file)) {
      files.push_back(file);
    }
  }
  seen_ = std::move(now);
  // No build runs, so a file that changes now was saved by a person, even if earlier builds wrote
  // it.
  for (const fs::path& file : files) {
    written_.erase(file);
  }
  return files;
}

void DevSources::begin_build() {
  before_build_ = look();
}

std::vector<fs::path> DevSources::end_build(BuildFiles files) {
  build_ = std::move(files);
  // Only now is it known which files count; a file that did not count before is not new.
  std::erase_if(seen_, [this](const auto& known) { return !counts(known.first); });
  const Times now = look();
  for (const auto& [file, time] : now) {
    if (!before_build_.contains(file) && !is_source_name(file)) {
      seen_.emplace(file, time);
    }
  }
  std::vector<fs::path> found;
  std::set<fs::path> suspects;
  for (const auto& [file, time] : now) {
    const auto before = before_build_.find(file);
    if (before != before_build_.end() && before->second == time) {
      continue;
    }
    if (!suspects_.contains(file) && !written_.contains(file)) {
      suspects.insert(file);  // It may have been saved meanwhile: `changed` returns it.
      continue;
    }
    seen_[file] = time;
    if (written_.insert(file).second) {
      found.push_back(file);
    }
  }
  suspects_ = std::move(suspects);
  return found;
}

DevSources::Times DevSources::look() {
  Times times;
  std::size_t directories = 0;
  std::error_code failed;
  static_cast<void>(watch_.add(root_));
  if (!also_.empty()) {
    static_cast<void>(watch_.add(also_.parent_path()));
    note(also_, times);
  }
  for (fs::recursive_directory_iterator it(root_, fs::directory_options::skip_permission_denied, failed), end;
       !failed && it != end; it.increment(failed)) {
    const bool hidden = it->path().filename().string().starts_with('.');
    if (it->is_directory(failed)) {
      if (hidden || it->path() == without_ || is_build(it->path()) || ++directories > kMaxDirectories) {
        it.disable_recursion_pending();
      } else if (watched_.insert(it->path()).second) {
        // Without a watch, the next rescan finds the change.
        static_cast<void>(watch_.add(it->path()));
      }
    } else if (!hidden && counts(it->path())) {
      note(it->path(), times);
    }
    failed.clear();
  }
  return times;
}

bool DevSources::counts(const fs::path& file) const {
  return file == also_ || ((is_source_name(file) || build_.read.contains(file)) && !build_.written.contains(file) &&
                           !own_output_.contains(file));
}

void DevSources::note(const fs::path& file, Times& times) const {
  std::error_code failed;
  const auto time = fs::last_write_time(file, failed);
  if (!failed) {
    times.emplace(file, time.time_since_epoch().count());
  }
}

}  // namespace tenon::cli

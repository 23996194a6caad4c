#include "platform/file_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

namespace fs = std::filesystem;

/// Changes of files, and removal of the directory itself. IN_CREATE is for links, which are never
/// written.
constexpr std::uint32_t kContent = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CREATE;
/// The entry of the next directory or of a link appears, disappears or is replaced.
constexpr std::uint32_t kNames = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr int kMaxReadsPerDrain = 16;
/// Above this number of changed names a rescan is cheaper than a list.
constexpr std::size_t kMaxListed = 4096;

std::string quoted(const fs::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

/// " (now 128)"; empty if the system does not report it.
std::string current_value(const char* setting) {
  std::ifstream file(std::string("/proc/sys/") + setting);
  std::string value;
  return file >> value ? " (now " + value + ")" : std::string();
}

constexpr const char* kStillFound = "; until then changes are found by periodic rescans";

Error no_instances_left() {
  return {ErrorCode::kUnavailable,
          "cannot watch directories: this user has reached the limit of inotify instances; stop some programs, or "
          "raise sysctl "
          "fs.inotify.max_user_instances" +
              current_value("fs/inotify/max_user_instances") + kStillFound,
          {}};
}

Error no_watches_left(const fs::path& directory) {
  return {
      ErrorCode::kUnavailable,
      "cannot watch directory " + quoted(directory) +
          ": this user has reached the limit of watched files and directories; stop programs that watch many (editors, "
          "synchronisers), or raise sysctl fs.inotify.max_user_watches" +
          current_value("fs/inotify/max_user_watches") + kStillFound,
      {}};
}

/// Whether a newly created name is complete immediately: a link. Other files are reported when
/// their writer closes them.
bool is_link(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 &&
         (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

}  // namespace

struct FileWatch::State {
  /// The purposes of one kernel watch. A directory may be watched for its files and for a name in
  /// it.
  struct Use {
    std::vector<fs::path> contents;  ///< Directories, as passed to add(), whose files are watched.
    std::vector<std::string> names;  ///< Names on the path to a watched directory.
  };

  FileDescriptor descriptor;
  std::vector<fs::path> directories;
  std::map<int, Use> uses;

  enum class Added { kYes, kNotThere };

  /// Watches one directory of the file system for `mask`, and for its own removal.
  Result<std::pair<int, Added>> watch_one(const fs::path& place, std::uint32_t mask) {
    // IN_MASK_ADD: the directory may already be watched for another purpose.
    const int number =
        ::inotify_add_watch(descriptor.get(), place.c_str(), mask | kSelf | IN_ONLYDIR | IN_MASK_ADD | IN_EXCL_UNLINK);
    if (number >= 0) {
      return std::pair(number, Added::kYes);
    }
    // A file in place of the directory may be replaced by a directory again.
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::pair(-1, Added::kNotThere);
    }
    if (errno == ENOSPC) {
      return fail(no_watches_left(place));
    }
    return fail(os_error(errno, "cannot watch directory " + quoted(place)));
  }

  /// Watches the directory, each link on the path to it, and the parent in which it would reappear.
  /// If it does not exist, watches the place where the first missing directory would appear.
  Result<void> arm(const fs::path& directory) {
    fs::path place = directory.root_path();
    const fs::path rest = directory.relative_path();
    for (auto part = rest.begin(); part != rest.end(); ++part) {
      const fs::path next = place / *part;
      const bool last = std::next(part) == rest.end();
      std::error_code failed;
      const fs::file_type type = fs::symlink_status(next, failed).type();
      const bool present = type != fs::file_type::not_found && type != fs::file_type::none;
      if (last || !present || type == fs::file_type::symlink) {
        TENON_ASSIGN(const auto added, watch_one(place, kNames));
        if (added.second == Added::kNotThere) {
          // It disappeared since the check, or is a dangling link: the path to it is watched, so an
          // event will follow.
          return {};
        }
        uses[added.first].names.push_back(part->string());
        // Checked again now that its creation would be noticed.
        if (!present && fs::symlink_status(next, failed).type() == fs::file_type::not_found) {
          return {};
        }
      }
      place = next;
    }
    TENON_ASSIGN(const auto added, watch_one(directory, kContent));
    if (added.second == Added::kYes) {
      uses[added.first].contents.push_back(directory);
    }
    return {};
  }

  /// Recreates all watches. A directory that cannot be watched is dropped; returns the first such
  /// error.
  Result<void> rearm() {
    for (const auto& [number, use] : uses) {
      ::inotify_rm_watch(descriptor.get(), number);  // The kernel does not reuse its number.
    }
    uses.clear();
    Result<void> result;
    std::vector<fs::path> kept;
    for (fs::path& directory : directories) {
      auto armed = arm(directory);
      if (armed) {
        kept.push_back(std::move(directory));
      } else if (result) {
        result = std::move(armed);
      }
    }
    directories = std::move(kept);
    return result;
  }
};

FileWatch::FileWatch(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
FileWatch::FileWatch(FileWatch&&) noexcept = default;
FileWatch& FileWatch::operator=(FileWatch&&) noexcept = default;
FileWatch::~FileWatch() = default;

Result<FileWatch> FileWatch::create() {
  auto state = std::make_unique<State>();
  state->descriptor = FileDescriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!state->descriptor.valid()) {
    const int os_code = errno;
    // EMFILE stands for two limits: if another descriptor can be opened, it is the limit of inotify
    // instances.
    if (os_code == EMFILE && FileDescriptor(::open("/", O_PATH | O_CLOEXEC)).valid()) {
      return fail(no_instances_left());
    }
    return fail(limit_error(os_code, "cannot watch directories"));
  }
  return FileWatch(std::move(state));
}

Result<void> FileWatch::add(const fs::path& directory) {
  std::error_code failed;
  // Links are not resolved: a link that is redirected must be followed again.
  fs::path wanted = fs::absolute(directory, failed).lexically_normal();
  if (failed || directory.empty()) {
    return fail(ErrorCode::kInvalidArgument, "cannot watch " + quoted(directory) + ": it is not a path of a directory");
  }
  if (!wanted.has_filename() && wanted.has_relative_path()) {
    wanted = wanted.parent_path();
  }
  const fs::file_type type = fs::status(wanted, failed).type();
  if (type != fs::file_type::directory && type != fs::file_type::not_found && type != fs::file_type::none) {
    return fail(ErrorCode::kInvalidArgument, "cannot watch " + quoted(directory) + ": it is not a directory");
  }
  auto& directories = state_->directories;
  if (std::find(directories.begin(), directories.end(), wanted) != directories.end()) {
    return {};
  }
  if (auto armed = state_->arm(wanted); !armed) {
    // Removes the watches of the failed attempt. A directory that this drops could no longer be
    // watched anyway.
    static_cast<void>(state_->rearm());
    return armed;
  }
  directories.push_back(std::move(wanted));
  return {};
}

const FileDescriptor& FileWatch::descriptor() const noexcept {
  return state_->descriptor;
}

Result<FileChanges> FileWatch::drain() {
  FileChanges changes;
  std::unordered_set<std::string> seen;
  bool moved = false;  // A directory, or the path to one, has changed.
  alignas(inotify_event) std::uint8_t buffer[kReadBytes];
  for (int reads = 0; reads < kMaxReadsPerDrain; ++reads) {
    auto count = read_some(state_->descriptor, buffer);
    if (!count) {
      if (count.error().context.os_code == EAGAIN) {
        break;
      }
      return fail(std::move(count.error()));
    }
    for (std::size_t at = 0; at + sizeof(inotify_event) <= *count;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      // Padded with zeros.
      const char* const name = event.len == 0 ? "" : reinterpret_cast<const char*>(buffer + at + sizeof event);
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        changes.rescan = true;
        continue;
      }
      const auto found = state_->uses.find(event.wd);
      if (found == state_->uses.end()) {
        continue;  // The watch was removed.
      }
      const State::Use& use = found->second;
      if ((event.mask & (kSelf | IN_IGNORED | IN_UNMOUNT)) != 0) {
        moved = true;
        continue;
      }
      if ((event.mask & kNames) != 0 && std::find(use.names.begin(), use.names.end(), name) != use.names.end()) {
        moved = true;
      }
      if (event.len == 0) {
        // The permissions of the directory itself have changed.
        changes.rescan = changes.rescan || !use.contents.empty();
        continue;
      }
      if ((event.mask & IN_ISDIR) != 0) {
        continue;
      }
      for (const fs::path& directory : use.contents) {
        fs::path file = directory / name;
        if ((event.mask & kContent) == IN_CREATE && !is_link(file)) {
          continue;
        }
        if (seen.size() < kMaxListed && seen.insert(file.string()).second) {
          changes.files.push_back(std::move(file));
        } else if (seen.size() >= kMaxListed) {
          changes.rescan = true;
        }
      }
    }
  }
  if (moved) {
    changes.rescan = true;
    TENON_TRY(state_->rearm());
  }
  return changes;
}

}  // namespace tenon::internal

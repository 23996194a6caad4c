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
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

namespace fs = std::filesystem;

/// Changes of files, and the end of the directory itself. IN_CREATE is for links, which are never written.
constexpr std::uint32_t kContent = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CREATE;
/// The name of the next directory, or of a link, comes, goes or changes what it stands for.
constexpr std::uint32_t kNames = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr int kMaxReadsPerDrain = 16;
/// More changed names than this are not worth a list.
constexpr std::size_t kMaxListed = 4096;

std::string quoted(const fs::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

/// " (now 128)", or nothing where the system does not tell.
std::string current_value(const char* setting) {
  std::ifstream file(std::string("/proc/sys/") + setting);
  std::string value;
  return file >> value ? " (now " + value + ")" : std::string();
}

constexpr const char* kStillFound = "; until then changes are found by looking again from time to time";

Error no_instances_left() {
  return {ErrorCode::kUnavailable,
          "cannot watch directories: this user has as many watching programs as allowed; end some, or raise sysctl "
          "fs.inotify.max_user_instances" +
              current_value("fs/inotify/max_user_instances") + kStillFound,
          {}};
}

Error no_watches_left(const fs::path& directory) {
  return {ErrorCode::kUnavailable,
          "cannot watch directory " + quoted(directory) +
              ": this user watches as many files and directories as allowed; end programs that watch many (editors, "
              "synchronisers), or raise sysctl fs.inotify.max_user_watches" +
              current_value("fs/inotify/max_user_watches") + kStillFound,
          {}};
}

/// Whether a name that was created is complete at once: a link. Any other file is told when its writer closes it.
bool is_link(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 &&
         (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

}  // namespace

struct FileWatch::State {
  /// What one watch of the kernel stands for. The same directory may be watched for its files and for a name in it.
  struct Use {
    std::vector<fs::path> contents;  ///< Directories, as they were added, whose files count.
    std::vector<std::string> names;  ///< Names that lead on to a watched directory.
  };

  FileDescriptor descriptor;
  std::vector<fs::path> directories;
  std::map<int, Use> uses;

  enum class Added { kYes, kNotThere };

  /// Watches one directory of the file system for `mask`, and for its own end.
  Result<std::pair<int, Added>> watch_one(const fs::path& place, std::uint32_t mask) {
    // IN_MASK_ADD: the same directory may be watched already, for something else.
    const int number =
        ::inotify_add_watch(descriptor.get(), place.c_str(), mask | kSelf | IN_ONLYDIR | IN_MASK_ADD | IN_EXCL_UNLINK);
    if (number >= 0) {
      return std::pair(number, Added::kYes);
    }
    // A file in the place of a directory may give way to one again.
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::pair(-1, Added::kNotThere);
    }
    if (errno == ENOSPC) {
      return fail(no_watches_left(place));
    }
    return fail(os_error(errno, "cannot watch directory " + quoted(place)));
  }

  /// Watches the directory, each link on the way to it, and the place where it would come back; where it is not there,
  /// the place where the first missing directory would appear.
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
        auto added = watch_one(place, kNames);
        if (!added) {
          return fail(std::move(added.error()));
        }
        if (added->second == Added::kNotThere) {
          // Gone since it was looked at, or a link to nowhere: what leads here is watched, and a sign is coming.
          return {};
        }
        uses[added->first].names.push_back(part->string());
        // Looked at again now that its coming would be seen.
        if (!present && fs::symlink_status(next, failed).type() == fs::file_type::not_found) {
          return {};
        }
      }
      place = next;
    }
    auto added = watch_one(directory, kContent);
    if (!added) {
      return fail(std::move(added.error()));
    }
    if (added->second == Added::kYes) {
      uses[added->first].contents.push_back(directory);
    }
    return {};
  }

  /// Builds all watches anew. A directory that cannot be watched is forgotten; the first such error is given.
  Result<void> rearm() {
    for (const auto& [number, use] : uses) {
      ::inotify_rm_watch(descriptor.get(), number);  // Its number is not given again.
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
    // One errno for two limits: a descriptor that can be had tells which it is.
    if (os_code == EMFILE && FileDescriptor(::open("/", O_PATH | O_CLOEXEC)).valid()) {
      return fail(no_instances_left());
    }
    return fail(limit_error(os_code, "cannot watch directories"));
  }
  return FileWatch(std::move(state));
}

Result<void> FileWatch::add(const fs::path& directory) {
  std::error_code failed;
  // Not resolved: a link that is turned elsewhere must be followed again.
  fs::path wanted = fs::absolute(directory, failed).lexically_normal();
  if (failed || directory.empty()) {
    return fail(ErrorCode::kInvalidArgument, "cannot watch " + quoted(directory) + ": it is no path of a directory");
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
    // Watches of the half way are taken back. What this forgets could not be watched any more.
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
  bool moved = false;  // A directory, or the way to one, is another now.
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
        continue;  // Of a watch that was given up.
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
        changes.rescan = changes.rescan || !use.contents.empty();  // Who may use the directory itself has changed.
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
    if (auto armed = state_->rearm(); !armed) {
      return fail(std::move(armed.error()));
    }
  }
  return changes;
}

}  // namespace tenon::internal

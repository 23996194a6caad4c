#include "common/new_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string_view>
#include <utility>

namespace tenon::plugins {
namespace {

constexpr std::string_view kPrefix = ".tenon-";
constexpr std::string_view kKeptPrefix = ".tenon-kept-";
constexpr std::string_view kSuffix = ".part";
constexpr int kMaxAttempts = 1000;
/// A kept file of a host in another container or machine, which cannot be asked, counts as abandoned
/// after this time without a write.
constexpr time_t kForeignHostSeconds = 24 * 60 * 60;

/// Workers and their calls share a directory. Process id, time and counter distinguish their files;
/// exclusive creation resolves the rest.
std::string new_part_name(std::string_view prefix = kPrefix) {
  static std::atomic<unsigned> count{0};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::array<char, 192> name{};
  std::snprintf(name.data(), name.size(), "%.*s%d-%lld%09ld-%u%.*s", static_cast<int>(prefix.size()), prefix.data(),
                static_cast<int>(::getpid()), static_cast<long long>(now.tv_sec), now.tv_nsec, count.fetch_add(1),
                static_cast<int>(kSuffix.size()), kSuffix.data());
  return name.data();
}

/// When a process was started, in clock ticks since the start of the system; 0 if it is unknown.
/// Distinguishes it from later processes with the same number.
std::uint64_t start_of(std::int64_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
  std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  // "pid (name) state ...": the name may contain any character.
  const std::size_t name_end = rest.rfind(')');
  rest.remove_prefix(name_end == std::string_view::npos ? rest.size() : name_end + 1);
  constexpr int kFieldsBefore = 20;
  for (int i = 0; i < kFieldsBefore; ++i) {
    const std::size_t space = rest.find(' ');
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  }
  std::uint64_t ticks = 0;
  for (std::size_t i = 0; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i) {
    ticks = ticks * 10 + static_cast<std::uint64_t>(rest[i] - '0');
  }
  return ticks;
}

/// Identifies the numbering of processes: each container has its own.
std::uint64_t process_space() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

/// A name that says for which host the file is kept.
std::string new_kept_name() {
  const std::int64_t host = ::getppid();
  std::array<char, 96> prefix{};
  std::snprintf(prefix.data(), prefix.size(), "%.*s%" PRIu64 "-%" PRId64 "-%" PRIu64 "-",
                static_cast<int>(kKeptPrefix.size()), kKeptPrefix.data(), process_space(), host, start_of(host));
  return new_part_name(prefix.data());
}

/// Whether the file is kept for a host that may still continue it.
bool is_kept(const char* name, const struct stat& file) {
  if (!std::string_view(name).starts_with(kKeptPrefix)) {
    return false;
  }
  std::uint64_t space = 0;
  std::int64_t host = 0;
  std::uint64_t start = 0;
  if (std::sscanf(name + kKeptPrefix.size(), "%" SCNu64 "-%" SCNd64 "-%" SCNu64 "-", &space, &host, &start) != 3) {
    return false;
  }
  if (space != process_space()) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - file.st_mtim.tv_sec < kForeignHostSeconds;
  }
  if (::kill(static_cast<pid_t>(host), 0) != 0 && errno == ESRCH) {
    return false;
  }
  const std::uint64_t now = start_of(host);
  return now == 0 || start == 0 || now == start;
}

/// The path through which an open file without a name is linked.
std::string name_of_open_file(int file) {
  return "/proc/self/fd/" + std::to_string(file);
}

/// A file without a name; invalid if the file system does not support such files or they could not
/// be named later.
FileDescriptor create_unnamed(int directory) {
  FileDescriptor file(::openat(directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  struct stat opened {};
  struct stat named {};
  const bool can_be_named = file && ::fstat(file.get(), &opened) == 0 &&
                            ::stat(name_of_open_file(file.get()).c_str(), &named) == 0 &&
                            opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
  return can_be_named ? std::move(file) : FileDescriptor();
}

/// Whether the name refers to exactly this file.
bool leads_to(int directory, const char* name, const struct stat& file) {
  struct stat found {};
  return ::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_ino == file.st_ino &&
         found.st_dev == file.st_dev;
}

bool leads_to(int directory, const std::string& name, std::uint64_t device, std::uint64_t inode) {
  struct stat found {};
  return !name.empty() && ::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(found.st_mode) && found.st_ino == inode && found.st_dev == device;
}

/// Calls `visit` with the name of each hidden file of a writer in an open directory.
void for_each_part(int directory, const std::function<void(const char* name)>& visit) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const entries = copy < 0 ? nullptr : ::fdopendir(copy);
  if (entries == nullptr) {
    if (copy >= 0) {
      ::close(copy);
    }
    return;
  }
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) {
      visit(entry->d_name);
    }
  }
  ::closedir(entries);
}

/// The hidden name of a file; empty if it has none.
std::string find_part(int directory, std::uint64_t device, std::uint64_t inode) {
  std::string found;
  for_each_part(directory, [&](const char* name) {
    if (leads_to(directory, name, device, inode)) {
      found = name;
    }
  });
  return found;
}

/// Whether this is the only lock on the file. On a file system without locks this is unknown; the
/// creator then treats it as yes, the sweep as no.
enum class Locked { kYes, kNo, kCannotTell };
Locked try_lock(int file) {
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) {
    return Locked::kYes;
  }
  return errno == EWOULDBLOCK ? Locked::kNo : Locked::kCannotTell;
}

}  // namespace

int NewFile::create(Names names) {
  if (names == Names::kAvoid) {
    file_ = create_unnamed(directory_);
  }
  return file_ ? 0 : create_part();
}

NewFile::~NewFile() {
  if (!part_.empty()) {
    ::unlinkat(directory_, part_.c_str(), 0);
  }
}

int NewFile::create_part() {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::string name = new_part_name();
    FileDescriptor file(::openat(directory_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file && errno != EEXIST) {
      return errno;
    }
    struct stat made {};
    // A sweep may have run in between and have taken the file for an abandoned one.
    if (file && try_lock(file.get()) != Locked::kNo && ::fstat(file.get(), &made) == 0 && made.st_nlink > 0) {
      file_ = std::move(file);
      part_ = name;
      return 0;
    }
  }
  return EEXIST;
}

int NewFile::link_as(const char* name) const {
  const std::string from = name_of_open_file(file_.get());
  return ::linkat(AT_FDCWD, from.c_str(), directory_, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int NewFile::keep_as_new(const std::string& name) {
  if (part_.empty()) {
    return link_as(name.c_str());
  }
  if (::renameat2(directory_, part_.c_str(), directory_, name.c_str(), RENAME_NOREPLACE) == 0) {
    part_.clear();
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return errno;
  }
  // File systems without that flag use links instead. The hidden name is removed with this object.
  return ::linkat(directory_, part_.c_str(), directory_, name.c_str(), 0) == 0 ? 0 : errno;
}

int NewFile::keep_as(const std::string& name) {
  if (part_.empty()) {
    // A link never replaces a name, so only a file that replaces another needs a name first.
    if (const int code = link_as(name.c_str()); code != EEXIST) {
      return code;
    }
    static_cast<void>(try_lock(file_.get()));
    int code = EEXIST;
    for (int attempt = 0; code == EEXIST && attempt < kMaxAttempts; ++attempt) {
      part_ = new_part_name();
      code = link_as(part_.c_str());
    }
    if (code != 0) {
      part_.clear();
      return code;
    }
  }
  if (::renameat(directory_, part_.c_str(), directory_, name.c_str()) != 0) {
    return errno;
  }
  part_.clear();
  return 0;
}

int NewFile::keep_for_later() {
  if (kept_) {
    return 0;
  }
  static_cast<void>(try_lock(file_.get()));
  const std::string name = new_kept_name();
  const int code = part_.empty()                                                          ? link_as(name.c_str())
                   : ::renameat(directory_, part_.c_str(), directory_, name.c_str()) == 0 ? 0
                                                                                          : errno;
  if (code == 0) {
    part_ = name;
    kept_ = true;
  }
  return code;
}

int NewFile::take_over(const std::string& name, std::uint64_t device, std::uint64_t inode) {
  const std::string found = leads_to(directory_, name, device, inode) ? name : find_part(directory_, device, inode);
  if (found.empty()) {
    return ENOENT;
  }
  const std::string own = new_kept_name();
  if (::renameat(directory_, found.c_str(), directory_, own.c_str()) != 0) {
    return errno;
  }
  FileDescriptor file(::openat(directory_, own.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    return errno;
  }
  // A session that is being moved to this process holds its lock a little longer; the host lives.
  static_cast<void>(try_lock(file.get()));
  file_ = std::move(file);
  part_ = own;
  kept_ = true;
  return 0;
}

void remove_kept(int directory, std::uint64_t device, std::uint64_t inode) {
  if (const std::string name = find_part(directory, device, inode); !name.empty()) {
    ::unlinkat(directory, name.c_str(), 0);
  }
}

void sweep_parts(int directory) {
  for_each_part(directory, [directory](const char* name) {
    const FileDescriptor file(::openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
    struct stat found {};
    if (file && ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode) && !is_kept(name, found) &&
        try_lock(file.get()) == Locked::kYes && leads_to(directory, name, found)) {
      ::unlinkat(directory, name, 0);
    }
  });
}

}  // namespace tenon::plugins

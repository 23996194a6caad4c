#include "files/new_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>

namespace files {
namespace {

using tenon::plugins::FileDescriptor;

constexpr std::string_view kPrefix = ".tenon-";
constexpr std::string_view kSuffix = ".part";
constexpr int kMaxAttempts = 1000;

/// Workers and their calls share a directory. Process id, time and counter distinguish their files;
/// exclusive creation resolves the rest.
std::string new_part_name() {
  static std::atomic<unsigned> count{0};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::array<char, 96> name{};
  std::snprintf(name.data(), name.size(), "%.*s%d-%lld%09ld-%u%.*s", static_cast<int>(kPrefix.size()), kPrefix.data(),
                static_cast<int>(::getpid()), static_cast<long long>(now.tv_sec), now.tv_nsec, count.fetch_add(1),
                static_cast<int>(kSuffix.size()), kSuffix.data());
  return name.data();
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

void sweep_parts(int directory) {
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
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) {
      continue;
    }
    const FileDescriptor file(
        ::openat(directory, entry->d_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
    struct stat found {};
    if (file && ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode) && try_lock(file.get()) == Locked::kYes &&
        leads_to(directory, entry->d_name, found)) {
      ::unlinkat(directory, entry->d_name, 0);
    }
  }
  ::closedir(entries);
}

}  // namespace files

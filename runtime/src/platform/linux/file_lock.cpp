#include "platform/file_lock.hpp"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

// Open file description locks: unlike POSIX locks they survive closing another descriptor of the
// same file, and they exclude two holders within one process.
int apply(const FileDescriptor& descriptor, std::uint64_t number, short type) noexcept {
  struct flock place {};
  place.l_type = type;
  place.l_whence = SEEK_SET;
  place.l_start = static_cast<off_t>(number);
  place.l_len = 1;
  place.l_pid = 0;  // F_OFD_SETLK requires 0.
  int result = 0;
  do {
    result = ::fcntl(descriptor.get(), F_OFD_SETLK, &place);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

Result<FileLock> FileLock::open(const std::filesystem::path& file) {
  FileDescriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot open the lock file '" + printable(file.string(), 1024) + "'"));
  }
  return FileLock(std::move(descriptor));
}

bool FileLock::is_at(const std::filesystem::path& file) const noexcept {
  struct stat named {};
  struct stat opened {};
  return ::lstat(file.c_str(), &named) == 0 && ::fstat(descriptor_.get(), &opened) == 0 &&
         named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

Result<bool> FileLock::try_lock(std::uint64_t number, LockMode mode) const {
  if (number >= kLockCount) {
    return fail(ErrorCode::kInternal, "a file lock number is out of range");
  }
  if (apply(descriptor_, number, mode == LockMode::kShared ? F_RDLCK : F_WRLCK) == 0) {
    return true;
  }
  if (errno == EAGAIN || errno == EACCES) {
    return false;
  }
  Error error = os_error(errno, "cannot lock a file");
  if (errno == ENOLCK) {
    error.code = ErrorCode::kUnavailable;
    error.message += "; the system has no locks left, or a network file system provides none: use a local directory";
  } else if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
    error.code = ErrorCode::kUnsupported;
    error.message += "; this file system has no locks: use a local directory";
  }
  return fail(std::move(error));
}

void FileLock::unlock(std::uint64_t number) const noexcept {
  apply(descriptor_, number, F_UNLCK);
}

}  // namespace tenon::internal

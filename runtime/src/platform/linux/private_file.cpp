#include "platform/private_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kStepBytes = std::size_t{64} << 20;
constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

std::string quoted(const std::filesystem::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

/// Copies through this process, starting at `done`.
Result<std::uint64_t> copy_by_hand(const FileDescriptor& from, const FileDescriptor& to, std::uint64_t done,
                                   std::uint64_t size_bytes) {
  std::array<std::uint8_t, kBufferBytes> buffer;
  while (done < size_bytes) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_bytes - done));
    TENON_ASSIGN(const auto count, read_some_at(from, done, std::span(buffer).first(wanted)));
    if (count == 0) {
      break;
    }
    for (std::size_t written = 0; written < count;) {
      const ssize_t now = ::pwrite(to.get(), buffer.data() + written, count - written, static_cast<off_t>(done));
      if (now < 0 && errno != EINTR) {
        return fail(limit_error(errno, "cannot write " + format_size(size_bytes)));
      }
      written += static_cast<std::size_t>(std::max<ssize_t>(now, 0));
      done += static_cast<std::uint64_t>(std::max<ssize_t>(now, 0));
    }
  }
  return done;
}

}  // namespace

Result<void> create_private_directory(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return fail(os_error(errno, "cannot create the directory " + quoted(directory)));
  }
  return {};
}

Result<void> check_private_directory(const std::filesystem::path& directory) {
  struct stat status {};
  const std::string what = "directory " + quoted(directory);
  if (::lstat(directory.c_str(), &status) != 0) {
    return fail(os_error(errno, "cannot read the status of the " + what));
  }
  if (!S_ISDIR(status.st_mode)) {
    return fail(ErrorCode::kRejected,
                what + (S_ISLNK(status.st_mode) ? " is a link; name what it leads to" : " is not a directory"));
  }
  if (status.st_uid != ::geteuid()) {
    return fail(ErrorCode::kRejected, what + " belongs to user " + std::to_string(status.st_uid) + " and not to user " +
                                          std::to_string(::geteuid()) +
                                          ", who runs this; change its owner (chown) or name another one");
  }
  if ((status.st_mode & kOthers) != 0) {
    return fail(ErrorCode::kRejected, what + " is open to other users; close it to them (chmod 700)");
  }
  return {};
}

bool allows_programs(const std::filesystem::path& directory) noexcept {
  struct statvfs system {};
  return ::statvfs(directory.c_str(), &system) != 0 || (system.f_flag & ST_NOEXEC) == 0;
}

Result<FileDescriptor> create_private_file(const std::filesystem::path& file) {
  FileDescriptor descriptor(
      ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot create the file " + quoted(file)));
  }
  return descriptor;
}

Result<std::uint64_t> copy_content(const FileDescriptor& from, const FileDescriptor& to, std::uint64_t size_bytes) {
  const FileSizeErrors no_signal;
  std::uint64_t done = 0;
  while (done < size_bytes) {
    auto read_at = static_cast<off_t>(done);
    auto write_at = static_cast<off_t>(done);
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kStepBytes, size_bytes - done));
    const ssize_t count = ::copy_file_range(from.get(), &read_at, to.get(), &write_at, wanted, 0);
    if (count > 0) {
      done += static_cast<std::uint64_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
      return fail(limit_error(errno, "cannot write " + format_size(size_bytes)));
    } else {
      // Another file system, one that does not support it (reported in many ways, including an
      // early end of file), or an error that reading will meet again.
      return copy_by_hand(from, to, done, size_bytes);
    }
  }
  return done;
}

Result<void> write_at(const FileDescriptor& to, std::uint64_t offset_bytes, BytesView bytes) {
  const FileSizeErrors no_signal;
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(to.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(limit_error(errno, "cannot write " + format_size(bytes.size())));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset_bytes += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> make_read_only(const FileDescriptor& file) {
  if (::fchmod(file.get(), S_IRUSR) != 0) {
    return fail(os_error(errno, "cannot make a file read-only"));
  }
  return {};
}

Result<void> close_written(FileDescriptor file) {
  if (::close(file.release()) != 0 && errno != EINTR) {
    return fail(os_error(errno, "cannot write"));
  }
  return {};
}

Result<bool> rename_if_free(const std::filesystem::path& from, const std::filesystem::path& to) {
  int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    result = ::rename(from.c_str(), to.c_str());
  }
  if (result == 0) {
    return true;
  }
  if (errno == EEXIST) {
    return false;
  }
  return fail(os_error(errno, "cannot put " + quoted(to) + " into place"));
}

}  // namespace tenon::internal

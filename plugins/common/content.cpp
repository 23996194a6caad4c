#include "common/content.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace tenon::plugins {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;
/// Below this size, a call to advise the kernel costs more than it gains.
constexpr std::uint64_t kLargeBytes = 1u << 20;

std::string_view kind_name(mode_t mode) {
  return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a fifo" : S_ISSOCK(mode) ? "a socket" : "a device";
}

void require_regular(const std::string& path, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(path) + ": is " + std::string(kind_name(status.st_mode)) +
                                                ", not a regular file; pass the path of a regular file");
  }
}

/// Returns the status and, for a process that is short of something, what to do.
std::pair<tenon_status_t, std::string_view> status_of(int os_code) noexcept {
  switch (os_code) {
    case ENOENT:
      return {TENON_NOT_FOUND, {}};
    case EMFILE:
      return {TENON_UNAVAILABLE, "the worker has as many files open as it may; raise 'ulimit -n'"};
    case ENFILE:
      return {TENON_UNAVAILABLE, "the system has as many files open as it may; raise fs.file-max"};
    case ENOMEM:
      return {TENON_OUT_OF_MEMORY, {}};
    default:
      return {TENON_IO, {}};
  }
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (value_ >= 0) {
    ::close(value_);
  }
}

void throw_os_error(std::string_view path, std::string_view what, int os_code, std::string_view advice) {
  std::string message = quote(path) + ": " + std::string(what) + ": " + std::generic_category().message(os_code);
  const auto [status, remedy] = status_of(os_code);
  if (const std::string_view said = remedy.empty() ? advice : remedy; !said.empty()) {
    message += "; " + std::string(said);
  }
  throw TaskError(status, message);
}

FileDescriptor open_regular(const std::string& path, struct stat& status) {
  require_whole_path(path);
  // Checked before it is opened, because opening alone can make a device act, and again afterwards:
  // it may have been replaced.
  if (::stat(path.c_str(), &status) != 0) {
    throw_os_error(path, "cannot be opened", errno);
  }
  require_regular(path, status);
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    throw_os_error(path, "cannot be opened", errno, errno == EACCES ? "check its permissions" : "");
  }
  if (::fstat(file.get(), &status) != 0) {
    throw_os_error(path, "cannot be examined", errno);
  }
  require_regular(path, status);
  return file;
}

Content::Content(const tenon::File& file) : path_(view(file.path())) {
  if (file.data() != nullptr) {
    data_ = {file.data()->data(), file.data()->size()};
    return;
  }
  if (path_.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, "the file has neither a path nor data; set its `path`");
  }
  open();
}

Content::Content(std::string path) : path_(std::move(path)) {
  open();
}

void Content::open() {
  file_ = open_regular(path_, status_);
  if (size_bytes() >= kLargeBytes) {
    // Doubles the kernel's read-ahead. It is advice: what fails or changes nothing does no harm.
    ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
}

Content::Content(std::string path, std::span<const std::uint8_t> data) : path_(std::move(path)), data_(data) {}

std::size_t Content::read(std::span<std::uint8_t> buffer) {
  if (!file_) {
    const std::size_t count = std::min(buffer.size(), data_.size() - position_);
    if (count != 0) {
      std::memcpy(buffer.data(), data_.data() + position_, count);
    }
    position_ += count;
    return count;
  }
  for (;;) {
    const ssize_t count = ::read(file_.get(), buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      throw_os_error(path_, "cannot be read", errno);
    }
  }
}

void Content::seek(std::uint64_t offset_bytes) {
  if (!file_) {
    position_ = static_cast<std::size_t>(std::min<std::uint64_t>(offset_bytes, data_.size()));
  } else if (::lseek(file_.get(), static_cast<off_t>(offset_bytes), SEEK_SET) < 0) {
    throw_os_error(path_, "cannot be read from offset " + std::to_string(offset_bytes), errno);
  }
}

std::uint64_t Content::size_bytes() const noexcept {
  return file_ ? static_cast<std::uint64_t>(status_.st_size) : data_.size();
}

bool Content::has_changed() const {
  if (!file_) {
    return false;
  }
  struct stat now {};
  if (::fstat(file_.get(), &now) != 0) {
    throw_os_error(path_, "cannot be examined", errno);
  }
  return now.st_size != status_.st_size || now.st_mtim.tv_sec != status_.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != status_.st_mtim.tv_nsec;
}

std::int64_t nanoseconds_of(const timespec& time) noexcept {
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(time.tv_sec), std::int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, static_cast<std::int64_t>(time.tv_nsec), &ns)) {
    return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
  }
  return ns;
}

void require_whole_path(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) {
    throw TaskError(
        TENON_INVALID_ARGUMENT,
        quote(path) + ": the path contains a zero byte, where the system would cut it; no file has such a name");
  }
}

void describe(const struct stat& status, tenon::FileT& file) {
  file.size_bytes = static_cast<std::uint64_t>(status.st_size);
  file.mtime_ns = nanoseconds_of(status.st_mtim);
  file.mode = status.st_mode & 07777;
  file.kind = S_ISREG(status.st_mode)   ? tenon::FileKind::Regular
              : S_ISDIR(status.st_mode) ? tenon::FileKind::Directory
              : S_ISLNK(status.st_mode) ? tenon::FileKind::Link
                                        : tenon::FileKind::Other;
}

void throw_too_large(std::string_view path, std::uint64_t size_bytes, std::uint64_t max_size_bytes,
                     std::string_view limit) {
  throw TaskError(TENON_TOO_LARGE, quote(path) + ": has " + std::to_string(size_bytes) +
                                       " bytes or more; the limit is " + std::to_string(max_size_bytes) + "; raise `" +
                                       std::string(limit) + "`");
}

std::string read_all(Content& content, std::uint64_t max_size_bytes, const Poll& poll) {
  if (content.size_bytes() > max_size_bytes) {
    throw_too_large(content.path(), content.size_bytes(), max_size_bytes, "max_size_bytes");
  }
  std::string all;
  std::size_t size = 0;
  // One byte more than the file's size, so that its end is detected without growing.
  all.resize(static_cast<std::size_t>(content.size_bytes()) + 1);
  for (;;) {
    poll();
    if (size == all.size()) {
      all.resize(size + std::max(size / 2, kChunkBytes));
    }
    const std::size_t room = std::min(all.size() - size, kChunkBytes);
    const std::size_t count = content.read({reinterpret_cast<std::uint8_t*>(all.data()) + size, room});
    if (count == 0) {
      break;
    }
    size += count;
    if (size > max_size_bytes) {
      throw_too_large(content.path(), size, max_size_bytes, "max_size_bytes");
    }
  }
  all.resize(size);
  return all;
}

}  // namespace tenon::plugins

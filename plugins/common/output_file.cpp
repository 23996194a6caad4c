#include "common/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/file_writing.hpp"
#include "common/utf8.hpp"

namespace tenon::plugins {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;
constexpr std::size_t kCopyBytes = 64u << 20;
constexpr std::string_view kParam = "path";

/// The path without links in its last part, as the file must replace what the link leads to.
std::string resolved(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) {
    return path;
  }
  const std::unique_ptr<char, void (*)(void*)> target(::realpath(path.c_str(), nullptr), &std::free);
  if (!target) {
    throw_os_error(path, "the link cannot be followed", errno, "remove it, or choose another `path`");
  }
  return target.get();
}

void require_name(const std::string& path) {
  if (path.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, "`path` is missing; set it to the file to write");
  }
  require_whole_path(path);
  const auto name = base_name(path);
  if (name.empty() || name == "." || name == "..") {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(path) + ": the path names a directory; add the name of a file");
  }
}

bool same_file(const struct stat& status, const OutputPosition& position) {
  return status.st_ino == position.inode && status.st_dev == position.device;
}

}  // namespace

OutputFile::OutputFile(OutputOptions options) : options_(std::move(options)) {
  require_name(options_.path);
  const std::string path = resolved(options_.path);
  name_ = base_name(path);
  std::string directory = path.substr(0, path.size() - name_.size());
  while (directory.size() > 1 && directory.back() == '/') {
    directory.pop_back();
  }
  if (directory.empty()) {
    directory = ".";
  }
  make_directories(directory, kParam);
  directory_ = FileDescriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) {
    throw_os_error(directory, "the directory cannot be opened", errno, advice_on_writing(errno, kParam));
  }
  if (const auto status = existing(); status && !S_ISREG(status->st_mode)) {
    throw TaskError(TENON_INVALID_ARGUMENT,
                    quote(options_.path) + (S_ISDIR(status->st_mode) ? ": is a directory; add the name of a file"
                                                                     : ": is not a regular file; choose another "
                                                                       "`path`"));
  }
}

void OutputFile::fail(std::string_view what, int os_code) const {
  throw_os_error(options_.path, what, os_code, advice_on_writing(os_code, kParam));
}

std::optional<struct stat> OutputFile::existing() const {
  struct stat status {};
  if (::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) {
      fail("cannot be examined", errno);
    }
    return std::nullopt;
  }
  return status;
}

void OutputFile::start(const Poll& poll) {
  const auto status = existing();
  if (status && options_.existing == OutputExisting::kRefuse) {
    throw TaskError(TENON_IO,
                    quote(options_.path) + ": exists already; remove it, or set `existing` to replace or append");
  }
  sweep_parts(directory_.get());
  position_ = {};
  file_.emplace(directory_.get());
  if (const int code = file_->create(); code != 0) {
    fail("cannot be written", code);
  }
  struct stat made {};
  if (::fstat(file_->get(), &made) != 0) {
    fail("cannot be examined", errno);
  }
  position_.device = made.st_dev;
  position_.inode = made.st_ino;
  if (status && options_.existing == OutputExisting::kAppend) {
    copy_existing(*status, poll);
  }
  start_bytes_ = position_.size_bytes;
}

void OutputFile::copy_existing(const struct stat& status, const Poll& poll) {
  const FileDescriptor from(::openat(directory_.get(), name_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!from) {
    fail("cannot be opened", errno);
  }
  position_.base_inode = status.st_ino;
  position_.base_size_bytes = static_cast<std::uint64_t>(status.st_size);
  position_.base_mtime_ns = nanoseconds_of(status.st_mtim);
  const std::uint64_t size = position_.base_size_bytes;
  std::vector<std::uint8_t> buffer;
  while (position_.size_bytes < size) {
    poll();
    ssize_t count = 0;
    if (buffer.empty()) {
      // The kernel copies, and file systems that can share blocks do not even do that.
      off_t source = static_cast<off_t>(position_.size_bytes);
      off_t target = source;
      count = ::copy_file_range(
          from.get(), &source, file_->get(), &target,
          static_cast<std::size_t>(std::min<std::uint64_t>(size - position_.size_bytes, kCopyBytes)), 0);
      if (count < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
        buffer.resize(kChunkBytes);
        continue;
      }
      if (count < 0 && errno != EINTR) {
        fail("cannot be copied, to append to the copy", errno);
      }
      position_.size_bytes += static_cast<std::uint64_t>(std::max<ssize_t>(count, 0));
    } else {
      count = ::pread(from.get(), buffer.data(),
                      static_cast<std::size_t>(std::min<std::uint64_t>(size - position_.size_bytes, buffer.size())),
                      static_cast<off_t>(position_.size_bytes));
      if (count < 0 && errno != EINTR) {
        fail("cannot be read", errno);
      }
      if (count > 0) {
        write(std::span(buffer).first(static_cast<std::size_t>(count)), poll);
      }
    }
    if (count == 0) {
      break;  // It has become shorter.
    }
  }
  require_unchanged();
}

void OutputFile::require_unchanged() const {
  const auto now = existing();
  if (now && now->st_ino == position_.base_inode && now->st_dev == position_.device &&
      static_cast<std::uint64_t>(now->st_size) == position_.base_size_bytes &&
      nanoseconds_of(now->st_mtim) == position_.base_mtime_ns) {
    return;
  }
  throw TaskError(TENON_FAILED, quote(options_.path) +
                                    ": was changed by another program while rows were appended to a copy of it, so "
                                    "nothing was appended; run again");
}

bool OutputFile::resume(const OutputPosition& position) {
  position_ = position;
  start_bytes_ = 0;
  if (const auto status = existing(); status && same_file(*status, position)) {
    complete_ = FileDescriptor(::openat(directory_.get(), name_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!complete_) {
      fail("cannot be opened", errno);
    }
    return true;
  }
  if (position.part.empty()) {
    // A worker that died before its checkpoint arrived may have named the file.
    remove_kept(directory_.get(), position.device, position.inode);
    return false;
  }
  file_.emplace(directory_.get());
  if (const int code = file_->take_over(position.part, position.device, position.inode); code != 0) {
    if (code == ENOENT) {
      throw TaskError(TENON_FAILED, quote(options_.path) + ": its unfinished rows, in " + quote(position.part) +
                                        ", were removed by another program; run again");
    }
    fail("its unfinished rows cannot be opened", code);
  }
  struct stat status {};
  if (::fstat(file_->get(), &status) != 0) {
    fail("its unfinished rows cannot be examined", errno);
  }
  if (static_cast<std::uint64_t>(status.st_size) < position.size_bytes) {
    throw TaskError(TENON_FAILED, quote(options_.path) + ": its unfinished rows, in " + quote(position.part) +
                                      ", were truncated by another program; run again");
  }
  if (::ftruncate(file_->get(), static_cast<off_t>(position.size_bytes)) != 0) {
    fail("cannot be written", errno);
  }
  return true;
}

void OutputFile::write(std::span<const std::uint8_t> data, const Poll& poll) {
  while (!data.empty()) {
    poll();
    const auto part = data.first(std::min(data.size(), kChunkBytes));
    if (complete_) {
      compare(part);
    }
    const ssize_t count =
        complete_ ? static_cast<ssize_t>(part.size())
                  : ::pwrite(file_->get(), part.data(), part.size(), static_cast<off_t>(position_.size_bytes));
    if (count >= 0) {
      position_.size_bytes += static_cast<std::uint64_t>(count);
      data = data.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      fail("cannot be written", errno);
    }
  }
}

void OutputFile::compare(std::span<const std::uint8_t> data) const {
  std::vector<std::uint8_t> found(data.size());
  std::size_t size = 0;
  while (size < found.size()) {
    const ssize_t count = ::pread(complete_.get(), found.data() + size, found.size() - size,
                                  static_cast<off_t>(position_.size_bytes + size));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail("cannot be read", errno);
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  if (size != data.size() || std::memcmp(found.data(), data.data(), size) != 0) {
    throw TaskError(TENON_FAILED, quote(options_.path) +
                                      ": was complete, and was changed by another program before that was reported; "
                                      "run again");
  }
}

OutputPosition OutputFile::position() {
  if (!complete_ && position_.size_bytes > start_bytes_) {
    if (const int code = file_->keep_for_later(); code != 0) {
      fail("cannot get a hidden name until it is complete", code);
    }
    position_.part = file_->hidden_name();
  }
  return position_;
}

tenon::FileT OutputFile::finish(const Poll& poll) {
  poll();
  if (complete_) {
    struct stat status {};
    if (::fstat(complete_.get(), &status) != 0) {
      fail("cannot be examined", errno);
    }
    if (static_cast<std::uint64_t>(status.st_size) != position_.size_bytes) {
      throw TaskError(TENON_FAILED, quote(options_.path) +
                                        ": was complete, and was changed by another program before that was "
                                        "reported; run again");
    }
  } else {
    publish();
  }
  if (options_.sync && ::fsync(directory_.get()) != 0) {
    fail("its directory cannot be flushed to the disk", errno);
  }
  return description();
}

void OutputFile::publish() {
  const auto before = existing();
  if (before && appends() && ::fchown(file_->get(), before->st_uid, before->st_gid) != 0 && errno != EPERM) {
    fail("cannot get the owner of the file that it replaces", errno);
  }
  const std::uint32_t mode = options_.mode != 0 ? options_.mode : before ? before->st_mode : 0644;
  if (::fchmod(file_->get(), static_cast<mode_t>(mode & 07777)) != 0) {
    fail("cannot get its permission bits", errno);
  }
  if (options_.sync && ::fsync(file_->get()) != 0) {
    fail("cannot be flushed to the disk", errno);
  }
  if (appends()) {
    require_unchanged();
  }
  const bool replaces = options_.existing == OutputExisting::kReplace || appends();
  if (const int code = replaces ? file_->keep_as(name_) : file_->keep_as_new(name_); code != 0) {
    if (code == EEXIST && !replaces) {
      throw TaskError(TENON_IO, quote(options_.path) +
                                    ": was created by another program meanwhile, so it was not written; remove it, or "
                                    "run again");
    }
    fail("cannot be written", code);
  }
}

tenon::FileT OutputFile::description() const {
  const auto status = existing();
  if (!status) {
    throw_os_error(options_.path, "was written but is gone", ENOENT, "another program removes files there");
  }
  tenon::FileT file;
  describe(*status, file);
  file.path = options_.path;
  file.extension = extension_of(options_.path);
  return file;
}

}  // namespace tenon::plugins

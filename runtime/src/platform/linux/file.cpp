#include "platform/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope_guard.hpp"
#include "base/text.hpp"
#include "base/unique_id.hpp"

namespace tenon::internal {

namespace {

FileIdentity identity_of(const struct stat& status) noexcept {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size_bytes = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0)),
          .mtime_ns = status.st_mtim.tv_sec * kNsPerSecond + status.st_mtim.tv_nsec,
          .ctime_ns = status.st_ctim.tv_sec * kNsPerSecond + status.st_ctim.tv_nsec,
          .mode = status.st_mode & 07777u,
          .owner = status.st_uid,
          .regular = S_ISREG(status.st_mode)};
}

std::string quoted(const std::filesystem::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

}  // namespace

Result<FileIdentity> file_identity(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(os_error(errno, "cannot look at " + quoted(path)));
  }
  return identity_of(status);
}

Result<FileIdentity> file_identity(const FileDescriptor& descriptor) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) {
    return fail(os_error(errno, "cannot look at an open file"));
  }
  return identity_of(status);
}

Result<FileDescriptor> open_for_reading(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a fifo that nobody writes would wait for ever.
  FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor.valid()) {
    return fail(os_error(errno, "cannot open " + quoted(path)));
  }
  auto identity = file_identity(descriptor);
  if (!identity) {
    return fail(std::move(identity.error()));
  }
  if (!identity->regular) {
    return fail(ErrorCode::kInvalidArgument, "cannot read " + quoted(path) + ": it is not a regular file");
  }
  if (auto set = set_non_blocking(descriptor, false); !set) {
    return fail(std::move(set.error()));
  }
  return descriptor;
}

Result<Buffer> read_file(const FileDescriptor& descriptor, std::uint64_t max_bytes) {
  auto identity = file_identity(descriptor);
  if (!identity) {
    return fail(std::move(identity.error()));
  }
  const auto too_large = [max_bytes](std::uint64_t size_bytes) {
    return fail(ErrorCode::kTooLarge,
                "a file of " + format_size(size_bytes) + " or more is over the limit of " + format_size(max_bytes));
  };
  if (identity->size_bytes > max_bytes) {
    return too_large(identity->size_bytes);
  }
  // The size is a first guess: a file may grow or shrink while it is read, and those of /proc say 0.
  constexpr std::uint64_t kStep = 64 * 1024;
  Buffer content;
  std::size_t filled = 0;
  std::uint64_t room = identity->size_bytes + 1;
  for (;;) {
    content.resize(static_cast<std::size_t>(std::min(room, max_bytes + 1)));
    if (filled == content.size()) {
      return too_large(filled);
    }
    auto count = read_some(descriptor, std::span(content).subspan(filled));
    if (!count) {
      return fail(std::move(count.error()));
    }
    if (*count == 0) {
      content.resize(filled);
      return content;
    }
    filled += *count;
    if (filled == content.size()) {
      room = filled + std::max<std::uint64_t>(kStep, filled);
    }
  }
}

Result<Buffer> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  auto descriptor = open_for_reading(path);
  if (!descriptor) {
    return fail(std::move(descriptor.error()));
  }
  auto content = read_file(*descriptor, max_bytes);
  if (!content) {
    content.error().message = "cannot read " + quoted(path) + ": " + content.error().message;
  }
  return content;
}

Result<void> write_file(const std::filesystem::path& path, BytesView content, const WriteOptions& options) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  // A name of its own length, so that a file name near the limit still has a temporary neighbour.
  const std::filesystem::path temporary = directory / (".tenon-" + random_name() + ".tmp");
  const std::string what = "cannot write " + quoted(path);

  FileDescriptor descriptor(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, options.mode));
  if (!descriptor.valid()) {
    return fail(os_error(errno, what));
  }
  ScopeGuard remove_temporary([&temporary] { ::unlink(temporary.c_str()); });
  if (auto written = write_all(descriptor, content); !written) {
    Error error = os_error(written.error().context.os_code, what);
    return fail(std::move(error));
  }
  if (options.sync && ::fsync(descriptor.get()) != 0) {
    return fail(os_error(errno, what));
  }
  // close tells of a full disk or quota on network file systems.
  if (::close(descriptor.release()) != 0 && errno != EINTR) {
    return fail(os_error(errno, what));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(os_error(errno, what));
  }
  remove_temporary.dismiss();
  if (options.sync) {
    // The content is on the disk; this puts its name there. A file system that cannot do so keeps names in its own way.
    const FileDescriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent.valid()) {
      ::fsync(parent.get());
    }
  }
  return {};
}

}  // namespace tenon::internal

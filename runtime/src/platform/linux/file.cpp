#include "platform/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope_guard.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "base/unique_id.hpp"
#include "platform/resource_limits.hpp"

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

Error interrupted(const std::string& what) {
  return Error{ErrorCode::kCancelled, what + ": interrupted", {}};
}

/// Opens a file whose open() may block; a signal ends the wait.
Result<FileDescriptor> open_waiting(const std::filesystem::path& path, int flags, const std::string& what) {
  FileDescriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
  if (!descriptor.valid()) {
    return fail(errno == EINTR ? interrupted(what) : os_error(errno, what));
  }
  return descriptor;
}

/// Opens a file named by a user: a regular file, a FIFO or a character device.
Result<FileDescriptor> open_stream(const std::filesystem::path& path) {
  const std::string what = "cannot read " + quoted(path);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(os_error(errno, "cannot open " + quoted(path)));
  }
  if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) {
    return open_for_reading(path);
  }
  return open_waiting(path, O_RDONLY, what);
}

/// Like read_some, but a signal ends the wait for a FIFO or a terminal.
Result<std::size_t> read_waiting(const FileDescriptor& descriptor, std::span<std::uint8_t> buffer) {
  const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
  if (count < 0) {
    return fail(errno == EINTR ? Error{ErrorCode::kCancelled, "interrupted", {}} : os_error(errno, "cannot read"));
  }
  return static_cast<std::size_t>(count);
}

/// New content that replaces a file at the end. It has no name until then if the file system
/// supports that.
class Replacement {
 public:
  static Result<Replacement> begin(const std::filesystem::path& path, const WriteOptions& options) {
    Replacement made;
    made.path_ = path;
    made.sync_ = options.sync;
    made.directory_ = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    // A name of fixed length, so that a target name near the length limit still gets a temporary
    // neighbour.
    made.temporary_ = made.directory_ / (".tenon-" + random_name() + ".tmp");
    made.descriptor_ = open_unnamed(made.directory_, options.mode);
    if (!made.descriptor_.valid()) {
      made.descriptor_ = FileDescriptor(
          ::open(made.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, options.mode));
      made.named_ = made.descriptor_.valid();
    }
    if (!made.descriptor_.valid()) {
      return fail(os_error(errno, "cannot write " + quoted(path)));
    }
    return made;
  }
  Replacement() = default;
  Replacement(Replacement&& other) noexcept = default;
  Replacement& operator=(Replacement&& other) = delete;
  ~Replacement() {
    if (descriptor_.valid() && named_) {
      ::unlink(temporary_.c_str());
    }
  }

  Result<void> write(BytesView content) {
    if (auto written = write_all(descriptor_, content); !written) {
      return fail(limit_error(written.error().context.os_code, what()));
    }
    return {};
  }

  Result<void> finish() {
    ScopeGuard remove_temporary([this] { ::unlink(temporary_.c_str()); });
    if (sync_ && ::fsync(descriptor_.get()) != 0) {
      const int os_code = errno;
      descriptor_.reset();
      return fail(os_error(os_code, what()));
    }
    if (!named_ &&
        ::linkat(AT_FDCWD, name_of(descriptor_).c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      const int os_code = errno;
      descriptor_.reset();
      return fail(os_error(os_code, what()));
    }
    // close() reports a full disk or quota on network file systems.
    if (::close(descriptor_.release()) != 0 && errno != EINTR) {
      return fail(os_error(errno, what()));
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return fail(os_error(errno, what()));
    }
    remove_temporary.dismiss();
    if (sync_) {
      // The content is on disk; this writes the directory entry. A file system that does not
      // support it stores names in its own way.
      const FileDescriptor parent(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (parent.valid()) {
        ::fsync(parent.get());
      }
    }
    return {};
  }

 private:
  std::string what() const { return "cannot write " + quoted(path_); }

  /// The path through which an open file is linked.
  static std::string name_of(const FileDescriptor& file) { return "/proc/self/fd/" + std::to_string(file.get()); }

  /// Opens a file that has no name until its content is complete, so that a process that dies
  /// leaves nothing behind. Returns no descriptor if the file system does not support such files or
  /// /proc is not available to name it.
  static FileDescriptor open_unnamed(const std::filesystem::path& directory, std::uint32_t mode) {
    FileDescriptor file(::open(directory.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode));
    struct stat opened {};
    struct stat named {};
    const bool can_be_named = file.valid() && ::fstat(file.get(), &opened) == 0 &&
                              ::stat(name_of(file).c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
                              opened.st_dev == named.st_dev;
    return can_be_named ? std::move(file) : FileDescriptor();
  }

  std::filesystem::path path_;
  std::filesystem::path directory_;
  std::filesystem::path temporary_;
  FileDescriptor descriptor_;  // Valid until it is finished.
  bool named_ = false;         // Whether the temporary file has its name before finish().
  bool sync_ = true;
};

/// The end of the chain of links from `path`, whether it exists or not.
Result<std::filesystem::path> link_target(std::filesystem::path path) {
  constexpr int kMaxLinks = 40;  // The limit of the kernel.
  const std::string what = "cannot write " + quoted(path);
  for (int links = 0; links < kMaxLinks; ++links) {
    std::error_code problem;
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, problem))) {
      return path;
    }
    const std::filesystem::path target = std::filesystem::read_symlink(path, problem);
    if (problem) {
      return fail(os_error(problem.value(), what));
    }
    path = path.parent_path() / target;  // An absolute target replaces the whole path.
  }
  return fail(os_error(ELOOP, what));
}

}  // namespace

Result<FileIdentity> file_identity(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(os_error(errno, "cannot read the status of " + quoted(path)));
  }
  return identity_of(status);
}

Result<FileIdentity> file_identity(const FileDescriptor& descriptor) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) {
    return fail(os_error(errno, "cannot read the status of an open file"));
  }
  return identity_of(status);
}

Result<FileDescriptor> open_for_reading(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO without a writer would otherwise wait forever.
  FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot open " + quoted(path)));
  }
  TENON_ASSIGN(const auto identity, file_identity(descriptor));
  if (!identity.regular) {
    return fail(ErrorCode::kInvalidArgument, "cannot read " + quoted(path) + ": it is not a regular file");
  }
  TENON_TRY(set_non_blocking(descriptor, false));
  return descriptor;
}

Result<Buffer> read_file(const FileDescriptor& descriptor, std::uint64_t max_bytes) {
  TENON_ASSIGN(const auto identity, file_identity(descriptor));
  const auto too_large = [max_bytes](std::uint64_t size_bytes) {
    return fail(ErrorCode::kTooLarge,
                "a file of " + format_size(size_bytes) + " or more is over the limit of " + format_size(max_bytes));
  };
  if (identity.size_bytes > max_bytes) {
    return too_large(identity.size_bytes);
  }
  // The size is only a hint: a file may grow or shrink while it is read, and files in /proc report
  // 0.
  constexpr std::uint64_t kStep = 64 * 1024;
  Buffer content;
  std::size_t filled = 0;
  std::uint64_t room = identity.size_bytes + 1;
  for (;;) {
    content.resize(static_cast<std::size_t>(std::min(room, max_bytes + 1)));
    if (filled == content.size()) {
      return too_large(filled);
    }
    const auto rest = std::span(content).subspan(filled);
    TENON_ASSIGN(const auto count, identity.regular ? read_some(descriptor, rest) : read_waiting(descriptor, rest));
    if (count == 0) {
      content.resize(filled);
      return content;
    }
    filled += count;
    if (filled == content.size()) {
      room = filled + std::max<std::uint64_t>(kStep, filled);
    }
  }
}

Result<Buffer> read_file(const std::filesystem::path& path, std::uint64_t max_bytes, ReadFrom from) {
  TENON_ASSIGN(auto descriptor, from == ReadFrom::kStream ? open_stream(path) : open_for_reading(path));
  auto content = read_file(descriptor, max_bytes);
  if (!content) {
    content.error().message = "cannot read " + quoted(path) + ": " + content.error().message;
  }
  return content;
}

Result<void> write_file(const std::filesystem::path& path, BytesView content, const WriteOptions& options) {
  TENON_ASSIGN(auto replacement, Replacement::begin(path, options));
  TENON_TRY(replacement.write(content));
  return replacement.finish();
}

struct NamedOutput::State {
  std::string what;
  std::optional<Replacement> replacement;
  FileDescriptor descriptor;  // For output that is written directly.
};

NamedOutput::NamedOutput(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
NamedOutput::NamedOutput(NamedOutput&&) noexcept = default;
NamedOutput& NamedOutput::operator=(NamedOutput&&) noexcept = default;
NamedOutput::~NamedOutput() = default;

Result<NamedOutput> NamedOutput::open(const std::filesystem::path& path, const WriteOptions& options) {
  auto state = std::make_unique<State>();
  state->what = "cannot write " + quoted(path);
  struct stat named {};
  const bool missing = ::stat(path.c_str(), &named) != 0;
  if (missing && errno != ENOENT) {
    return fail(os_error(errno, state->what));
  }
  if (!missing && S_ISDIR(named.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, state->what + ": it is a directory");
  }
  if (missing || S_ISREG(named.st_mode)) {
    TENON_ASSIGN(const auto target, link_target(path));
    // Links in /proc lead to open files whose name may be gone or may belong to another file by
    // now.
    struct stat there {};
    const bool same =
        ::stat(target.c_str(), &there) == 0 && there.st_dev == named.st_dev && there.st_ino == named.st_ino;
    if (missing || same) {
      TENON_ASSIGN(auto replacement, Replacement::begin(target, options));
      state->replacement.emplace(std::move(replacement));
      return NamedOutput(std::move(state));
    }
  }
  TENON_ASSIGN(state->descriptor, open_waiting(path, O_WRONLY, state->what));
  return NamedOutput(std::move(state));
}

Result<void> NamedOutput::write(BytesView bytes) {
  if (state_->replacement) {
    return state_->replacement->write(bytes);
  }
  const FileSizeErrors no_signal;
  while (!bytes.empty()) {
    const ssize_t count = ::write(state_->descriptor.get(), bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EPIPE) {
        return fail(ErrorCode::kUnavailable, state_->what + ": it has no reader any more");
      }
      return fail(errno == EINTR ? interrupted(state_->what) : limit_error(errno, state_->what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> NamedOutput::finish() {
  if (state_->replacement) {
    return state_->replacement->finish();
  }
  if (::close(state_->descriptor.release()) != 0 && errno != EINTR) {
    return fail(os_error(errno, state_->what));
  }
  return {};
}

bool NamedOutput::direct() const noexcept {
  return !state_->replacement;
}

}  // namespace tenon::internal

#include "platform/unix_socket.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {
namespace fs = std::filesystem;

namespace {

constexpr int kBacklog = 128;
// How long a socket whose lock is held may stay silent: its process is just starting or exiting.
constexpr std::chrono::milliseconds kStartingOrEnding(2000);
constexpr std::chrono::milliseconds kLookAgain(20);

static_assert(sizeof(sockaddr_un::sun_path) == kMaxSocketPathBytes + 1);

std::string quoted(const fs::path& path) {
  return "'" + printable(path.string(), 400) + "'";
}

Result<sockaddr_un> address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& name = path.native();
  if (name.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the socket's path is empty");
  }
  if (name.size() > kMaxSocketPathBytes) {
    return fail(ErrorCode::kTooLarge, "the socket's path " + quoted(path) + " has " + std::to_string(name.size()) +
                                          " bytes; the system takes at most " + std::to_string(kMaxSocketPathBytes) +
                                          ": choose a shorter one");
  }
  if (name.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "the socket's path " + quoted(path) + " contains a zero byte");
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  return address;
}

Result<FileDescriptor> make_socket() {
  FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot create a socket"));
  }
  return descriptor;
}

int try_connect(const FileDescriptor& descriptor, const sockaddr_un& address) noexcept {
  int result = 0;
  do {
    result = ::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

/// Whether a file can be a lock left behind by tenon: it contains the number of a process, or is
/// still empty.
bool is_ours(const FileDescriptor& file, const struct stat& status) {
  constexpr mode_t kForOthers = 0177;
  if (!S_ISREG(status.st_mode) || (status.st_mode & kForOthers) != 0) {
    return false;
  }
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size <= 0) {
    return size == 0;
  }
  std::int64_t number = 0;
  const char* const end = text.data() + size;
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && number > 0 && parsed.ptr + 1 == end && *parsed.ptr == '\n';
}

/// The lock file beside a socket. It contains the number of the process that holds the lock.
class SocketLock {
 public:
  explicit SocketLock(fs::path path) : path_(std::move(path)) {}
  SocketLock(const SocketLock&) = delete;
  SocketLock& operator=(const SocketLock&) = delete;
  ~SocketLock() {
    if (descriptor_.valid()) {
      // A process that opened it meanwhile notices, once it has the lock, that the name refers to
      // another file.
      ::unlink(path_.c_str());
    }
  }

  /// Returns false if another process holds it.
  Result<bool> try_take() {
    for (;;) {
      FileDescriptor opened(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
      if (!opened.valid()) {
        return fail(limit_error(errno, "cannot open the lock file " + quoted(path_)));
      }
      if (::flock(opened.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
          return false;
        }
        if (errno == EINTR) {
          continue;
        }
        return fail(os_error(errno, "cannot lock " + quoted(path_)));
      }
      struct stat locked {};
      struct stat named {};
      if (::fstat(opened.get(), &locked) != 0) {
        return fail(os_error(errno, "cannot read the status of the lock file " + quoted(path_)));
      }
      if (::lstat(path_.c_str(), &named) != 0 || locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) {
        continue;  // The previous holder removed it between our open and our lock.
      }
      if (!is_ours(opened, locked)) {
        return fail(ErrorCode::kInvalidArgument,
                    quoted(path_) +
                        " exists and is not a lock file of tenon; it was left unchanged: move "
                        "it away or choose another path for the socket");
      }
      const std::string number = std::to_string(::getpid()) + '\n';
      const FileSizeErrors no_signal;
      const bool written = ::ftruncate(opened.get(), 0) == 0 && ::pwrite(opened.get(), number.data(), number.size(),
                                                                         0) == static_cast<ssize_t>(number.size());
      // Only the messages of other processes about this one depend on it.
      static_cast<void>(written);
      descriptor_ = std::move(opened);
      return true;
    }
  }

  /// The holder recorded in the file; nullopt if there is none.
  [[nodiscard]] std::optional<std::int64_t> holder() const {
    const FileDescriptor opened(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    std::array<char, 32> text{};
    const ssize_t size = opened.valid() ? ::read(opened.get(), text.data(), text.size()) : -1;
    std::int64_t number = 0;
    if (size <= 0 || std::from_chars(text.data(), text.data() + size, number).ec != std::errc() || number <= 0) {
      return std::nullopt;
    }
    return number;
  }

 private:
  fs::path path_;
  FileDescriptor descriptor_;
};

Error taken(const fs::path& path, std::optional<std::int64_t> process_id) {
  std::string who = "a process";
  if (process_id) {
    who = "process " + std::to_string(*process_id);
  }
  return Error{ErrorCode::kRejected,
               "the socket " + quoted(path) + " is taken: " + who + " listens there; stop it ('tenon stop --socket " +
                   printable(path.string(), 400) + "') or choose another path",
               {}};
}

/// The process that listens on the socket; nullopt if there is none.
Result<std::optional<PeerCredentials>> live_listener(const fs::path& path, const sockaddr_un& address) {
  TENON_ASSIGN(const auto probe, make_socket());
  const int code = try_connect(probe, address);
  if (code == ECONNREFUSED || code == ENOENT) {
    return std::optional<PeerCredentials>();
  }
  // EAGAIN: the backlog is full, so there is a listener.
  if (code == 0 || code == EAGAIN) {
    return code == 0 ? std::optional(peer_credentials(probe).value_or(PeerCredentials{})) : PeerCredentials{};
  }
  if (code == EPROTOTYPE) {
    return fail(ErrorCode::kInvalidArgument,
                quoted(path) + " is a socket of another kind, not one of tenon; remove it or choose another path");
  }
  return fail(os_error(code, "cannot check whether the socket " + quoted(path) + " is in use"));
}

std::optional<std::int64_t> known_process(const PeerCredentials& peer) {
  return peer.process_id > 0 ? std::optional(peer.process_id) : std::nullopt;
}

}  // namespace

Result<PeerCredentials> peer_credentials(const FileDescriptor& socket) {
  ucred raw{};
  socklen_t size = sizeof raw;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &raw, &size) != 0) {
    return fail(os_error(errno, "cannot identify the process at the other end of a socket"));
  }
  return PeerCredentials{.process_id = raw.pid, .user_id = raw.uid};
}

struct UnixListener::State {
  State(fs::path socket_path, fs::path lock_path) : path(std::move(socket_path)), lock(std::move(lock_path)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    struct stat named {};
    if (bound && ::lstat(path.c_str(), &named) == 0 && named.st_dev == device && named.st_ino == inode) {
      ::unlink(path.c_str());
    }
    // The lock goes last: until then no other process takes the name.
  }

  fs::path path;
  SocketLock lock;
  FileDescriptor descriptor;
  bool bound = false;
  dev_t device = 0;
  ino_t inode = 0;
};

UnixListener::UnixListener(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
UnixListener::UnixListener(UnixListener&&) noexcept = default;
UnixListener& UnixListener::operator=(UnixListener&&) noexcept = default;
UnixListener::~UnixListener() = default;

const fs::path& UnixListener::path() const noexcept {
  return state_->path;
}

const FileDescriptor& UnixListener::descriptor() const noexcept {
  return state_->descriptor;
}

Result<UnixListener> UnixListener::listen(const fs::path& path) {
  TENON_ASSIGN(const auto address, address_of(path));
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  struct stat there {};
  const bool found = ::stat(directory.c_str(), &there) == 0;
  if (!found && errno != ENOENT && errno != ENOTDIR) {
    return fail(os_error(errno, "cannot find the directory " + quoted(directory) + " for the socket"));
  }
  if (!found || !S_ISDIR(there.st_mode)) {
    return fail(ErrorCode::kNotFound,
                "there is no directory " + quoted(directory) + " for the socket; create it first");
  }
  auto state = std::make_unique<State>(path, fs::path(path.native() + ".lock"));
  const auto give_up = std::chrono::steady_clock::now() + kStartingOrEnding;
  for (;;) {
    TENON_ASSIGN(const auto locked, state->lock.try_take());
    if (locked) {
      break;
    }
    TENON_ASSIGN(const auto live, live_listener(path, address));
    if (live) {
      return fail(taken(path, known_process(*live)));
    }
    if (std::chrono::steady_clock::now() >= give_up) {
      return fail(taken(path, state->lock.holder()));
    }
    std::this_thread::sleep_for(kLookAgain);
  }
  // From here on no other process changes the name, unless it ignores the lock.
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) {
      return fail(ErrorCode::kInvalidArgument,
                  quoted(path) + " exists and is not a socket; remove it or choose another path");
    }
    TENON_ASSIGN(const auto live, live_listener(path, address));
    if (live) {
      return fail(taken(path, known_process(*live)));
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return fail(os_error(errno, "cannot remove the socket " + quoted(path) + " that a dead process left behind"));
    }
  }
  TENON_ASSIGN(auto descriptor, make_socket());
  // The file gets the mode of the socket, so it is never accessible to others, not even briefly.
  if (::fchmod(descriptor.get(), 0600) != 0) {
    return fail(os_error(errno, "cannot restrict access to the socket " + quoted(path)));
  }
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(os_error(errno, "cannot create the socket " + quoted(path)));
  }
  if (::lstat(path.c_str(), &there) != 0) {
    return fail(os_error(errno, "cannot read the status of the socket " + quoted(path)));
  }
  state->bound = true;
  state->device = there.st_dev;
  state->inode = there.st_ino;
  if ((there.st_mode & 0777) != 0600 && ::chmod(path.c_str(), 0600) != 0) {
    return fail(os_error(errno, "cannot restrict access to the socket " + quoted(path)));
  }
  if (::listen(descriptor.get(), kBacklog) != 0) {
    return fail(os_error(errno, "cannot listen on the socket " + quoted(path)));
  }
  state->descriptor = std::move(descriptor);
  return UnixListener(std::move(state));
}

Result<FileDescriptor> UnixListener::accept() {
  for (;;) {
    FileDescriptor descriptor(::accept4(state_->descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (descriptor.valid()) {
      return descriptor;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return FileDescriptor();
    }
    // ECONNABORTED: the client has disconnected already.
    if (errno != EINTR && errno != ECONNABORTED) {
      return fail(limit_error(errno, "cannot accept a connection on " + quoted(state_->path)));
    }
  }
}

Result<FileDescriptor> connect_unix(const fs::path& path, MonotonicNs deadline_ns) {
  TENON_ASSIGN(const auto address, address_of(path));
  auto descriptor = make_socket();
  if (!descriptor) {
    return descriptor;
  }
  for (;;) {
    const int code = try_connect(*descriptor, address);
    switch (code) {
      case 0:
        return descriptor;
      case EAGAIN:  // The backlog is full.
        if (remaining_ms(deadline_ns) == 0) {
          return fail(ErrorCode::kDeadline, "the process behind " + quoted(path) + " does not accept connections");
        }
        std::this_thread::sleep_for(kLookAgain);
        continue;
      case ENOENT:
      case ENOTDIR:
        return fail(ErrorCode::kNotFound, "there is no socket " + quoted(path));
      case ECONNREFUSED:
        return fail(ErrorCode::kUnavailable, "no process listens on " + quoted(path) + " any more");
      case EACCES:
      case EPERM:
        return fail(ErrorCode::kRejected,
                    "this user may not use the socket " + quoted(path) + "; only its owner and root may");
      default:
        return fail(os_error(code, "cannot connect to " + quoted(path)));
    }
  }
}

Result<std::size_t> send_some(const FileDescriptor& socket, BytesView bytes) {
  for (;;) {
    const ssize_t size = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) {
      return static_cast<std::size_t>(size);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return std::size_t{0};
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
      return fail(ErrorCode::kUnavailable, "the other end of the socket is gone");
    }
    if (errno != EINTR) {
      return fail(os_error(errno, "cannot send on a socket"));
    }
  }
}

Result<Received> receive_some(const FileDescriptor& socket, MutableBytesView buffer) {
  for (;;) {
    const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      return Received{.size_bytes = static_cast<std::size_t>(size), .ended = false};
    }
    // ECONNRESET: the other end closed with unread bytes from us.
    if (size == 0 || errno == ECONNRESET) {
      return Received{.size_bytes = 0, .ended = true};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Received{};
    }
    if (errno != EINTR) {
      return fail(os_error(errno, "cannot receive on a socket"));
    }
  }
}

namespace {

bool wait_for(const FileDescriptor& socket, short events, MonotonicNs deadline_ns) noexcept {
  pollfd entry{.fd = socket.get(), .events = events, .revents = 0};
  return ::poll(&entry, 1, remaining_ms(deadline_ns)) > 0;
}

}  // namespace

bool wait_readable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept {
  return wait_for(socket, POLLIN, deadline_ns);
}

bool wait_writable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept {
  return wait_for(socket, POLLOUT, deadline_ns);
}

}  // namespace tenon::internal

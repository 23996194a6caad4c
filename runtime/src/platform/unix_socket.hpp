/// Unix stream sockets between processes on one machine, bound to a file, accessible only to their
/// owner.
///
///   auto listener = UnixListener::listen("/run/user/1000/tenon.sock");
///   auto client = listener->accept();                       // a non-blocking descriptor
///   auto peer = peer_credentials(*client);
///
///   auto server = connect_unix("/run/user/1000/tenon.sock", deadline_after(5s));
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Maximum length of a socket path in bytes, set by the system.
inline constexpr std::size_t kMaxSocketPathBytes = 107;

/// The peer, as the system reports it. For the connecting end it is the process that listens.
struct PeerCredentials {
  std::int64_t process_id = 0;
  std::uint32_t user_id = 0;
};
/// Errors: kIo. [any-thread]
[[nodiscard]] Result<PeerCredentials> peer_credentials(const FileDescriptor& socket);

/// A socket that accepts connections, and the file that is its name (0600). Two listeners never
/// share a path: a listener holds a lock on a file beside the socket, `<path>.lock`. Both files are
/// removed with the listener. Move-only. One thread at a time.
class UnixListener {
 public:
  /// Binds the path. A socket left behind by a dead process is replaced. Errors: kTooLarge: the
  /// path is longer than kMaxSocketPathBytes; kNotFound: no such directory; kRejected: a living
  /// process listens there (named by its process id); kInvalidArgument: the path is not a socket;
  /// kUnavailable: no descriptors are left; kIo. [any-thread]
  [[nodiscard]] static Result<UnixListener> listen(const std::filesystem::path& path);

  UnixListener(UnixListener&&) noexcept;
  UnixListener& operator=(UnixListener&&) noexcept;
  ~UnixListener();

  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// Readable if a connection is waiting. For a Poller; ownership stays here.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept;
  /// Accepts the next connection, non-blocking; an invalid descriptor if none is waiting. Errors:
  /// kUnavailable: no descriptors are left, and the connection keeps waiting; kIo.
  [[nodiscard]] Result<FileDescriptor> accept();

 private:
  struct State;
  explicit UnixListener(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// Connects; the descriptor is non-blocking. Errors: kTooLarge as in listen; kNotFound: no such
/// socket; kUnavailable: no process listens there any more; kRejected: this user has no access;
/// kDeadline: the other side does not accept connections; kIo. [any-thread]
[[nodiscard]] Result<FileDescriptor> connect_unix(const std::filesystem::path& path, MonotonicNs deadline_ns);

/// Sends as many bytes as fit without blocking; 0 if none fit. Never raises SIGPIPE. Errors:
/// kUnavailable: the other end is gone; kIo. [any-thread]
[[nodiscard]] Result<std::size_t> send_some(const FileDescriptor& socket, BytesView bytes);

/// The result of one non-blocking read.
struct Received {
  std::size_t size_bytes = 0;
  bool ended = false;  ///< The other end sends nothing more.
};
/// Reads available bytes, at most `buffer.size()`, without waiting. Errors: kIo. [any-thread]
[[nodiscard]] Result<Received> receive_some(const FileDescriptor& socket, MutableBytesView buffer);

/// Waits until a socket can be read or has ended; false at the deadline or if a signal arrives
/// first. [any-thread]
[[nodiscard]] bool wait_readable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept;
/// Waits until a socket can be written.
[[nodiscard]] bool wait_writable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept;

}  // namespace tenon::internal

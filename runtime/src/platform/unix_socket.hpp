/// Stream sockets between processes of one machine, by the name of a file, for their owner alone.
///
///   auto listener = UnixListener::listen("/run/user/1000/tenon.sock");
///   auto client = listener->accept();                       // a descriptor that does not wait
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

/// Longest path of a socket in bytes; the system has no room for more.
inline constexpr std::size_t kMaxSocketPathBytes = 107;

/// Who is at the other end, as the system knows it. For the end that connected it is the process that listens.
struct PeerCredentials {
  std::int64_t process_id = 0;
  std::uint32_t user_id = 0;
};
/// Errors: kIo. [any-thread]
[[nodiscard]] Result<PeerCredentials> peer_credentials(const FileDescriptor& socket);

/// A socket that takes connections, and the file that is its name (0600). Two listeners never have one path: whoever
/// listens holds a lock on a file beside the socket, `<path>.lock`. Both files go with the listener. Move-only. One
/// thread at a time.
class UnixListener {
 public:
  /// Takes the path. A socket that a dead process left behind is replaced. Errors: kTooLarge the path is longer than
  /// kMaxSocketPathBytes; kNotFound no such directory; kRejected a live process listens there, named by its number;
  /// kInvalidArgument something else than a socket has the name; kUnavailable no descriptors left; kIo. [any-thread]
  [[nodiscard]] static Result<UnixListener> listen(const std::filesystem::path& path);

  UnixListener(UnixListener&&) noexcept;
  UnixListener& operator=(UnixListener&&) noexcept;
  ~UnixListener();

  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// Readable when a connection waits. For a Poller; stays owned.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept;
  /// The next connection, non-blocking; an invalid descriptor when none waits. Errors: kUnavailable no descriptors
  /// left: the connection goes on waiting; kIo.
  [[nodiscard]] Result<FileDescriptor> accept();

 private:
  struct State;
  explicit UnixListener(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// Connects; the descriptor is non-blocking. Errors: kTooLarge as in listen; kNotFound there is no such socket;
/// kUnavailable nobody listens there any more; kRejected this user may not; kDeadline the other side takes no
/// connections; kIo. [any-thread]
[[nodiscard]] Result<FileDescriptor> connect_unix(const std::filesystem::path& path, MonotonicNs deadline_ns);

/// Sends as many bytes as fit at once; 0 when none do. Never raises SIGPIPE. Errors: kUnavailable the other end is
/// gone; kIo. [any-thread]
[[nodiscard]] Result<std::size_t> send_some(const FileDescriptor& socket, BytesView bytes);

/// What one look at a socket gave.
struct Received {
  std::size_t size_bytes = 0;
  bool ended = false;  ///< The other end sends no more.
};
/// Takes what is there, at most `buffer.size()` bytes, without waiting. Errors: kIo. [any-thread]
[[nodiscard]] Result<Received> receive_some(const FileDescriptor& socket, MutableBytesView buffer);

/// Waits until a socket can be read, or has ended; false at the deadline or when a signal came first. [any-thread]
[[nodiscard]] bool wait_readable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept;
/// The same for sending.
[[nodiscard]] bool wait_writable(const FileDescriptor& socket, MonotonicNs deadline_ns) noexcept;

}  // namespace tenon::internal

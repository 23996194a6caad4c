/// Messages with descriptors between two processes on one machine.
///
/// A channel carries rare messages: the handshake, route bindings, segments, log lines, commands.
/// Each message arrives whole, once and in order. Large content is not sent: SharedMemory::copy_of
/// puts it into a sealed segment, whose descriptor is sent instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Maximum message size in bytes. Small enough that a socket buffer holds several messages.
inline constexpr std::size_t kMaxControlMessageBytes = 64 * 1024;
/// Maximum number of descriptors per message.
inline constexpr std::size_t kMaxControlDescriptors = 16;

/// A received message. The receiver owns the descriptors, which are close-on-exec.
struct ControlMessage {
  Buffer bytes;
  std::vector<FileDescriptor> descriptors;
};

/// One end of a channel. Move-only. send is [any-thread], also concurrently; receive is for one
/// thread at a time. Never raises SIGPIPE.
class ControlChannel {
 public:
  ControlChannel() noexcept = default;
  /// Creates two connected ends. Errors: kUnavailable if no descriptors are left; kIo.
  [[nodiscard]] static Result<std::pair<ControlChannel, ControlChannel>> create_pair();
  /// Takes over the descriptor of an end, such as the one passed to a child, and moves it to a
  /// number that other code in the process does not reach. From then on `receive` checks that the
  /// number still names this end. Errors: kInvalidArgument if it is not such a socket.
  [[nodiscard]] static Result<ControlChannel> adopt(FileDescriptor descriptor);

  [[nodiscard]] bool valid() const noexcept { return descriptor_.valid(); }
  /// Readable if a message is waiting or the other end has closed. For a Poller or a child;
  /// ownership stays here.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }

  /// Sends one message (1 byte to kMaxControlMessageBytes) with copies of up to
  /// kMaxControlDescriptors descriptors, which stay the caller's. Waits until the deadline while
  /// the other end's buffer is full. Errors: kTooLarge; kInvalidArgument: empty; kUnavailable: the
  /// other end is gone; kDeadline; kIo.
  [[nodiscard]] Result<void> send(BytesView message, std::span<const int> descriptors = {},
                                  MonotonicNs deadline_ns = kNever) const;

  /// Receives the next message; nullopt if none arrived before the deadline (a deadline in the past
  /// only polls). Errors: kUnavailable: the other end is gone and all its messages have been read;
  /// kCorrupt: a message is empty, too large or has too many descriptors (all of which are closed);
  /// kIo, also if other code in the process closed or replaced the descriptor.
  [[nodiscard]] Result<std::optional<ControlMessage>> receive(MonotonicNs deadline_ns = kNever);

  /// Makes this end send-only. The system then refuses every message of the other end, so that
  /// nothing, in particular no descriptor, is ever queued here. `receive` must not be used any
  /// more. [any-thread]
  void stop_receiving() noexcept;

  /// Whether the other end is gone; messages may still be waiting. Receives nothing. [any-thread]
  [[nodiscard]] bool hung_up() const noexcept;
  /// Waits until the other end is gone, regardless of waiting messages; false at the deadline.
  /// [any-thread]
  [[nodiscard]] bool wait_for_hang_up(MonotonicNs deadline_ns = kNever) const noexcept;
  /// Shuts the channel down in both directions; the other end notices at once, even if a child
  /// holds a copy. [any-thread]
  void shut_down() noexcept;

 private:
  /// Identifies the open file that the descriptor named when it was adopted.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  explicit ControlChannel(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  [[nodiscard]] std::optional<Identity> identity() const noexcept;
  FileDescriptor descriptor_;
  std::optional<Identity> adopted_;
};

}  // namespace tenon::internal

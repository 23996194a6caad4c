/// Messages with descriptors between two processes of one machine.
///
/// A channel is for what is rare: the hand-shake, bindings of routes, segments, log lines, orders. Each message arrives
/// whole, once and in order. Large content is not sent: SharedMemory::copy_of makes a sealed segment of it, whose
/// descriptor travels.
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

/// Largest message in bytes. Small enough that a socket's buffer holds several.
inline constexpr std::size_t kMaxControlMessageBytes = 64 * 1024;
/// Most descriptors of one message.
inline constexpr std::size_t kMaxControlDescriptors = 16;

/// A received message. The descriptors are the receiver's, close-on-exec.
struct ControlMessage {
  Buffer bytes;
  std::vector<FileDescriptor> descriptors;
};

/// One end. Move-only. send is [any-thread], also several at once; receive is one thread at a time. Never raises
/// SIGPIPE.
class ControlChannel {
 public:
  ControlChannel() noexcept = default;
  /// Two connected ends. Errors: kUnavailable when there are no descriptors left; kIo.
  [[nodiscard]] static Result<std::pair<ControlChannel, ControlChannel>> create_pair();
  /// Takes over the descriptor of an end, as a child does with the one it was given, and moves it out of reach of other
  /// code in the process. From then on `receive` makes sure that its number still names this end. Errors:
  /// kInvalidArgument when it is not a socket of that kind.
  [[nodiscard]] static Result<ControlChannel> adopt(FileDescriptor descriptor);

  [[nodiscard]] bool valid() const noexcept { return descriptor_.valid(); }
  /// Readable when a message waits or the other end has closed. For a Poller or a child; stays owned.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }

  /// Sends one message (1 byte to kMaxControlMessageBytes) with copies of up to kMaxControlDescriptors descriptors,
  /// which stay the caller's. Waits while the other end's buffer is full, until the deadline. Errors: kTooLarge;
  /// kInvalidArgument empty; kUnavailable the other end is gone; kDeadline; kIo.
  [[nodiscard]] Result<void> send(BytesView message, std::span<const int> descriptors = {},
                                  MonotonicNs deadline_ns = kNever) const;

  /// Receives the next message; nullopt when none came before the deadline (one in the past only looks).
  /// Errors: kUnavailable the other end is gone and all its messages are read; kCorrupt a message that is empty, larger
  /// than allowed or with too many descriptors (all of which are closed); kIo, also when other code in the process
  /// closed the descriptor or replaced it.
  [[nodiscard]] Result<std::optional<ControlMessage>> receive(MonotonicNs deadline_ns = kNever);

  /// From now on this end only sends. The system then refuses every message of the other end, so that nothing of it, in
  /// particular no descriptor, is ever queued here. `receive` must not be used any more. [any-thread]
  void stop_receiving() noexcept;

  /// Whether the other end is gone; messages may still wait. Takes nothing. [any-thread]
  [[nodiscard]] bool hung_up() const noexcept;
  /// Waits until the other end is gone, whatever messages wait; false at the deadline. [any-thread]
  [[nodiscard]] bool wait_for_hang_up(MonotonicNs deadline_ns = kNever) const noexcept;
  /// Closes this end for both; the other end sees it at once, also when a child holds a copy. [any-thread]
  void shut_down() noexcept;

 private:
  /// Which open file the descriptor named when it was adopted.
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

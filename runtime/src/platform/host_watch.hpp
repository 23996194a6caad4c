/// platform/host_watch.hpp: notifies a worker when its host is gone, whatever its tasks do to
/// descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include <tenon/error.hpp>

#include "platform/control_channel.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// The events that a dedicated thread of a worker waits for: the hang-up of the control channel,
/// and a timer for operations that must not hang. The thread gets its own descriptor table, so that
/// a task that closes or replaces descriptors does not affect it. If the system refuses that (a
/// container's filter), it checks every second whether its parent is still there. [any-thread]
/// unless noted otherwise.
class HostWatch {
 public:
  enum class Event : std::uint8_t {
    kHostGone,  ///< The parent has exited.
    /// The channel hung up while the parent lives: a task shut it down or the parent closed it.
    kChannelLost,
    kTimer,  ///< The timer of set_timer() expired.
  };

  /// `channel` must outlive the watch. Called by a child of the host. Errors: kUnavailable: no
  /// descriptors are left.
  [[nodiscard]] static Result<HostWatch> create(const ControlChannel& channel);

  /// For the watching thread, before its first wait(): keeps only the channel, the timer and
  /// standard error open in it.
  void separate() noexcept;
  /// For the watching thread: blocks until something happens.
  [[nodiscard]] Event wait() noexcept;
  /// Whether the parent of this process is still the one it had when the watch was created.
  [[nodiscard]] bool parent_lives() const noexcept;

  /// Whether a debugger is attached to this process.
  [[nodiscard]] bool debugged() const noexcept;
  /// Writes a line to standard error without the C library's locks, which the task thread may hold.
  void say(std::string_view line) const noexcept;

  /// Makes wait() return kTimer after this time; 0 stops the timer.
  void set_timer(std::chrono::nanoseconds after) noexcept;

 private:
  HostWatch(int channel, FileDescriptor timer, std::int64_t parent) noexcept
      : channel_(channel), timer_(std::move(timer)), parent_(parent) {}

  int channel_;
  FileDescriptor timer_;
  std::int64_t parent_;
  bool separate_ = false;  // Used only by the watching thread.
};

}  // namespace tenon::internal

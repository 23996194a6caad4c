/// platform/host_watch.hpp: tells a worker that its host is gone, whatever its tasks do to descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include <tenon/error.hpp>

#include "platform/control_channel.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// What a thread of its own waits for in a worker: the hang-up of the control channel, and a timer for what must not
/// take for ever. The thread gets a descriptor table of its own, so that a task that closes or replaces descriptors
/// does not reach what it watches. Where the system refuses that (a container's filter), it checks each second whether
/// its parent is still there. [any-thread] unless said otherwise
class HostWatch {
 public:
  enum class Event : std::uint8_t {
    kHostGone,     ///< The parent has ended.
    kChannelLost,  ///< The channel hung up while the parent lives: a task shut it down, or the parent let it go.
    kTimer,        ///< The time of set_timer() has passed.
  };

  /// `channel` outlives the watch. Called by a child of the host. Errors: kUnavailable no descriptors are left.
  [[nodiscard]] static Result<HostWatch> create(const ControlChannel& channel);

  /// For the watching thread, before its first wait(): leaves it the channel, the timer and standard error only.
  void separate() noexcept;
  /// For the watching thread: blocks until something happens.
  [[nodiscard]] Event wait() noexcept;
  /// Whether the parent of this process is still the one that it had when the watch was made.
  [[nodiscard]] bool parent_lives() const noexcept;

  /// Whether a debugger is attached to this process.
  [[nodiscard]] bool debugged() const noexcept;
  /// Writes a line to standard error without the C library's locks, which the task thread may hold.
  void say(std::string_view line) const noexcept;

  /// Lets wait() return kTimer after this time; 0 stops the timer.
  void set_timer(std::chrono::nanoseconds after) noexcept;

 private:
  HostWatch(int channel, FileDescriptor timer, std::int64_t parent) noexcept
      : channel_(channel), timer_(std::move(timer)), parent_(parent) {}

  int channel_;
  FileDescriptor timer_;
  std::int64_t parent_;
  bool separate_ = false;  // The watching thread's.
};

}  // namespace tenon::internal

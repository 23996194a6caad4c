/// Waiting for many descriptors at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// A descriptor that is ready.
struct PollEvent {
  std::uint64_t token = 0;
  bool readable = false;  ///< Also set at the end of a stream.
  bool writable = false;
  bool hang_up = false;  ///< The other side is gone, or the descriptor has an error.
};

/// The events to wait for.
struct PollInterest {
  bool readable = true;
  bool writable = false;
  /// Reports each new event once, so that a bell need not be drained: nothing is read from an
  /// object shared with another process.
  bool edge_triggered = false;
};

/// A set of descriptors. add, modify and remove are [any-thread], also while another thread waits;
/// wait is for one thread at a time. Level-triggered by default: an event repeats until its cause
/// is gone. A hang-up is always reported.
class Poller {
 public:
  /// Errors: kUnavailable if no descriptors are left.
  [[nodiscard]] static Result<Poller> create();

  /// Watches a descriptor (also a Process::exit_handle); `token` is returned with its events. The
  /// descriptor must be removed before it is closed. Errors: kInvalidArgument: already watched or
  /// not watchable; kIo.
  [[nodiscard]] Result<void> add(const FileDescriptor& descriptor, std::uint64_t token,
                                 PollInterest interest = {}) const;
  [[nodiscard]] Result<void> modify(const FileDescriptor& descriptor, std::uint64_t token, PollInterest interest) const;
  /// Does nothing if it is not watched. Events collected before may still be returned.
  void remove(const FileDescriptor& descriptor) const noexcept;

  /// Waits for events until the deadline; an empty list means that it passed. Returns at most 64
  /// events; the list is valid until the next wait. Errors: kIo.
  [[nodiscard]] Result<std::span<const PollEvent>> wait(MonotonicNs deadline_ns);

 private:
  explicit Poller(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
  std::vector<PollEvent> events_;
};

/// A bell that makes a descriptor readable: between threads, and between processes that share the
/// descriptor.
class EventBell {
 public:
  EventBell() noexcept = default;
  /// Errors: kUnavailable if no descriptors are left.
  [[nodiscard]] static Result<EventBell> create();
  /// Takes over the descriptor of a bell.
  explicit EventBell(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  [[nodiscard]] bool valid() const noexcept { return descriptor_.valid(); }
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Rings the bell. Never blocks. [any-thread], also in a signal handler.
  void ring() const noexcept;
  /// Consumes all rings so far. Returns whether there was one. [any-thread]
  bool drain() const noexcept;

 private:
  FileDescriptor descriptor_;
};

/// Rings an EventBell from a process whose descriptors other code may close or replace. The bell's
/// waiter must use edge-triggered events (PollInterest::edge_triggered) and never read or write its
/// own descriptor: both processes share its flags.
class BellRinger {
 public:
  BellRinger() noexcept = default;
  explicit BellRinger(EventBell bell) noexcept;
  /// Rings the bell. Never blocks. Returns false if the descriptor was closed or its number now
  /// names another file, which is left untouched. Returns true if there is no bell. [any-thread]
  [[nodiscard]] bool ring() const noexcept;

 private:
  EventBell bell_;
  int mark_ = 0;
};

/// Makes a descriptor readable at a given time.
class Timer {
 public:
  Timer() noexcept = default;
  /// Errors: kUnavailable if no descriptors are left.
  [[nodiscard]] static Result<Timer> create();
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Sets the next time; kNever disarms it. A time in the past expires at once. [any-thread]
  void set(MonotonicNs at_ns) const noexcept;
  /// Consumes the expiration, so that the descriptor is no longer readable. Returns whether there
  /// was one. [any-thread]
  bool drain() const noexcept;

 private:
  explicit Timer(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal

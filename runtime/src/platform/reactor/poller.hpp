/// Waits for many descriptors at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// One descriptor that has something.
struct PollEvent {
  std::uint64_t token = 0;
  bool readable = false;  ///< Also set at the end of a stream.
  bool writable = false;
  bool hang_up = false;  ///< The other side is gone, or the descriptor is in error.
};

/// What to wait for.
struct PollInterest {
  bool readable = true;
  bool writable = false;
  /// Reports each new cause once, so that a bell need not be drained: nothing is read from an object that another
  /// process shares.
  bool edge_triggered = false;
};

/// A set of descriptors. add, modify, remove are [any-thread], also while another thread waits; wait is for one thread
/// at a time. Level-triggered unless asked otherwise: an event comes again until its cause is gone. A hang-up is always
/// reported.
class Poller {
 public:
  /// Errors: kUnavailable when there are no descriptors left.
  [[nodiscard]] static Result<Poller> create();

  /// Watches a descriptor (a Process::exit_handle too); `token` comes back with its events. The descriptor must be
  /// removed before it is closed. Errors: kInvalidArgument watched already or cannot be watched; kIo.
  [[nodiscard]] Result<void> add(const FileDescriptor& descriptor, std::uint64_t token,
                                 PollInterest interest = {}) const;
  [[nodiscard]] Result<void> modify(const FileDescriptor& descriptor, std::uint64_t token, PollInterest interest) const;
  /// Nothing happens when it is not watched. Events gathered before may still be given out.
  void remove(const FileDescriptor& descriptor) const noexcept;

  /// Waits for events until the deadline; an empty list means it passed. At most 64 at once; the list is valid until
  /// the next wait. Errors: kIo.
  [[nodiscard]] Result<std::span<const PollEvent>> wait(MonotonicNs deadline_ns);

 private:
  explicit Poller(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
  std::vector<PollEvent> events_;
};

/// A bell that makes a descriptor readable: across threads, and across processes by handing over its descriptor.
class EventBell {
 public:
  EventBell() noexcept = default;
  /// Errors: kUnavailable when there are no descriptors left.
  [[nodiscard]] static Result<EventBell> create();
  /// Takes over the descriptor of a bell.
  explicit EventBell(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  [[nodiscard]] bool valid() const noexcept { return descriptor_.valid(); }
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Rings. Never waits. [any-thread], also in a signal handler
  void ring() const noexcept;
  /// Takes all rings so far. Returns whether there was one. [any-thread]
  bool drain() const noexcept;

 private:
  FileDescriptor descriptor_;
};

/// Rings an EventBell from a process whose descriptors other code may close or replace. The bell's sleeper must wait
/// for edges (PollInterest::edge_triggered) and never read or write its own descriptor: both processes share its flags.
class BellRinger {
 public:
  BellRinger() noexcept = default;
  explicit BellRinger(EventBell bell) noexcept;
  /// Rings. Never waits. False: the descriptor was closed, or its number now names something else, which is left
  /// untouched. True without a bell. [any-thread]
  [[nodiscard]] bool ring() const noexcept;

 private:
  EventBell bell_;
  int mark_ = 0;
};

/// Makes a descriptor readable at a point in time.
class Timer {
 public:
  Timer() noexcept = default;
  /// Errors: kUnavailable when there are no descriptors left.
  [[nodiscard]] static Result<Timer> create();
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Sets the next time; kNever stops it. A time in the past rings at once. [any-thread]
  void set(MonotonicNs at_ns) const noexcept;
  /// Takes the ring, so that the descriptor is not readable any more. Returns whether there was one. [any-thread]
  bool drain() const noexcept;

 private:
  explicit Timer(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal

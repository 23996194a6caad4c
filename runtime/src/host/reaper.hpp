/// host/reaper.hpp: who reads the completions of a worker.
#pragma once

#include <cassert>
#include <cstdint>

namespace tenon::internal {

/// The reaper's role of one worker, as one state. The role is the reactor's unless a thread that waits for a call of
/// the worker has taken it. Not thread-safe: guarded by the scheduler's lock.
///
///   kUnarmed -- arm --> kArmed -- rang --> kUnarmed          the reactor
///      |                  |
///      +-- postpone --> kDue -- rang --> kUnarmed            the reactor, without a ring
///      |
///      +-- take --> kDirect -- give_back --> kUnarmed        a thread (also from kArmed and kDue)
///                      |
///                      +-- note_exit --> kDirectExited       the thread cleans up after the worker
///
/// end() leads from each of them to kGone.
class Reaper {
 public:
  enum class State : std::uint8_t {
    kUnarmed,       ///< The reactor; no bell is armed, because nothing is in flight or completions are being read.
    kArmed,         ///< The reactor, once the bell rings.
    kDue,           ///< The reactor, soon, as if the bell had rung.
    kDirect,        ///< A thread that waits for a call of this worker.
    kDirectExited,  ///< The same, and the worker has exited: that thread cleans up after it.
    kGone,          ///< No thread: the worker has been cleaned up.
  };

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Whether a waiting thread has the role, so that no other thread may read completions.
  [[nodiscard]] bool direct() const noexcept { return state_ == State::kDirect || state_ == State::kDirectExited; }
  /// Whether the worker's exit has been seen.
  [[nodiscard]] bool exited() const noexcept { return state_ == State::kDirectExited || state_ == State::kGone; }
  [[nodiscard]] bool due() const noexcept { return state_ == State::kDue; }
  /// Whether the reactor will come by itself.
  [[nodiscard]] bool reactor_comes() const noexcept { return state_ == State::kArmed || state_ == State::kDue; }
  /// Whether the bell is armed for another completion than the one at `position`.
  [[nodiscard]] bool armed_elsewhere(std::uint64_t position) const noexcept {
    return state_ == State::kArmed && bell_at_ != position;
  }

  /// The bell is armed: it rings at the completion at `position`.
  void arm(std::uint64_t position) noexcept {
    assert(state_ == State::kUnarmed);
    state_ = State::kArmed;
    bell_at_ = position;
  }
  void move_bell(std::uint64_t position) noexcept {
    assert(state_ == State::kArmed);
    bell_at_ = position;
  }
  /// The bell cannot be armed while there are completions; the reactor is to read them.
  void postpone() noexcept {
    assert(state_ == State::kUnarmed);
    state_ = State::kDue;
  }
  /// The bell rang, or the reactor comes although it did not. False: a waiting thread reads, or has cleaned up.
  [[nodiscard]] bool rang() noexcept {
    if (direct() || state_ == State::kGone) {
      return false;
    }
    state_ = State::kUnarmed;
    return true;
  }

  /// A waiting thread takes the role.
  void take() noexcept {
    assert(!direct() && state_ != State::kGone);
    state_ = State::kDirect;
  }
  /// It gives the role back to the reactor.
  void give_back() noexcept {
    assert(state_ == State::kDirect);
    state_ = State::kUnarmed;
  }
  /// The worker has exited while a thread has the role.
  void note_exit() noexcept {
    assert(direct());
    state_ = State::kDirectExited;
  }
  /// The worker has been cleaned up.
  void end() noexcept {
    assert(state_ != State::kGone);
    state_ = State::kGone;
  }

 private:
  State state_ = State::kUnarmed;
  std::uint64_t bell_at_ = 0;  // Position of the completion for which an armed bell rings.
};

}  // namespace tenon::internal

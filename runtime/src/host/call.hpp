/// host/call.hpp: one call from its submission to its terminal state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>
#include <tenon/reply.hpp>

#include "base/clock.hpp"
#include "host/bulk.hpp"
#include "host/route.hpp"
#include "host/storage.hpp"
#include "ipc/layout.hpp"

namespace tenon::internal {

/// A session as the scheduler sees it.
struct SessionRecord {
  std::uint64_t id = 0;
  /// The slot where it is to be opened; after that, the slot where it was last seen.
  std::int32_t slot = 0;
  /// The route in the generation on which it is opened.
  RouteRef route;
  /// SessionOptions::step_timeout. Constant.
  std::int64_t step_timeout_ns = kNever;
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  /// Id of the worker that has the session; 0 before the open was sent.
  std::uint64_t link_id = 0;
  bool ended = false;  ///< It has ended; no further step follows.
  /// It stayed on a replaced generation longer than allowed.
  bool overstayed = false;
};

/// Why a running call has been asked to stop.
enum class StopReason : std::uint16_t { kNone, kCancelled, kDeadline };

/// Which of a call's time limits has expired.
enum class TimeLimit : std::uint8_t { kTimeout, kQueueTimeout, kRunTimeout };

/// Attempts that the caller made before, for tasks that ask for their attempt number.
struct EarlierAttempts {
  std::uint32_t count = 0;
  std::uint64_t call_id = 0;  ///< The id that all of them share; 0 if there were none.
};

class Call;

/// Fields that few calls need. Guarded like the call's own members.
struct CallDetails {
  // -- set by the submitter -------------------------------------------------------------------
  std::shared_ptr<SessionRecord> session;
  StoredBytes checkpoint;  ///< Only for opening a session.
  MonotonicNs deadline_ns = kNever;
  std::int64_t run_timeout_ns = kNever;
  std::int64_t timeout_ns = kNever;        ///< The given value, for messages.
  std::int64_t queue_timeout_ns = kNever;  ///< The given value, for messages.
  int priority = 0;
  std::uint32_t max_results = 0;
  std::int32_t pinned_slot = -1;  ///< Runs only on that worker slot; -1: anywhere.
  Shared<const BulkWork> bulk;    ///< For kBulk: the call has `count` items of this work, from index `first` on.
  std::uint32_t first = 0;
  std::uint32_t earlier_attempts = 0;  ///< Attempts that the submitter made before; see EarlierAttempts.
  bool argument_frames = false;        ///< kSubmissionArgumentFrames
  bool with_checkpoint = false;        ///< kSubmissionCheckpoint
  bool shadow = false;                 ///< Runs beside another call, for comparison.
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  RouteRef run_route;                  ///< Where it runs, if that differs from where it was submitted.
  bool diverted = false;               ///< Diverted to a generation on trial, to whose worker it is pinned.
  std::uint32_t count = 0;             ///< Number of items that were sent or are to be sent.
  MonotonicNs sent_ns = 0;             ///< When the bulk call was last sent.
  std::uint32_t harvested = 0;         ///< Items of that submission that have ended and no longer belong to the call.
  bool items_revoked = false;          ///< The worker has been told to begin no further items of that submission.
  Call* next_part = nullptr;           ///< The next call with items of the same BulkWork.
  std::uint16_t completion_flags = 0;  ///< Flags of a session's reply.
  MonotonicNs queue_deadline_ns = kNever;
  MonotonicNs run_deadline_ns = kNever;
  MonotonicNs kill_at_ns = kNever;
  MonotonicNs timer_ns = kNever;           ///< Time of its entry in the scheduler's timers; kNever if it has none.
  TimeLimit passed = TimeLimit::kTimeout;  ///< The expired limit of a call that ends as kDeadline.
};

/// The shared state of a call's future, with room behind it for a small argument and a small result. Members set by the
/// submitter are constant once the call has been handed over; the others are guarded by the scheduler's lock.
///
/// There may be ten million of them, so fields that few calls need are stored separately.
class Call final : public TypedState<Reply> {
 public:
  /// Creates a call with room for a private copy of `payload` behind the object, in the same allocation.
  [[nodiscard]] static Shared<Call> create(RouteRef route, std::uint64_t id, BytesView payload);
  /// Creates a call whose argument is stored elsewhere.
  [[nodiscard]] static Shared<Call> create(RouteRef route, std::uint64_t id, StoredBytes argument);

  /// Creates a call of kind kBulk with `count` items from `first` on. It has no future.
  [[nodiscard]] static Shared<Call> create_bulk(RouteRef route, Shared<const BulkWork> work, std::uint32_t first,
                                                std::uint32_t count);

  bool cancel() noexcept override;
  bool cancel_queued() noexcept override;
  [[nodiscard]] bool started() const noexcept override;
  [[nodiscard]] std::optional<Progress> progress() const override;

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  /// The route to which it was submitted.
  [[nodiscard]] const RouteRef& route() const noexcept { return route_; }
  /// The route on which it runs or ran. Guarded by the scheduler's lock until it is complete.
  [[nodiscard]] const RouteRef& run_route() const noexcept {
    return details_ != nullptr && details_->run_route ? details_->run_route : route_;
  }
  void set_run_route(const RouteRef& route);
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return run_route()->ref.plugin.get(); }
  /// The argument stored inside the call; absent (without data) if it is stored elsewhere.
  [[nodiscard]] BytesView payload() const noexcept;
  /// The argument if it is stored elsewhere; null if it is inside the call. If workers cannot read it there, it is
  /// moved to shared memory when the call's turn comes.
  [[nodiscard]] const StoredBytes* stored() const noexcept;
  void set_stored(StoredBytes argument) noexcept;
  /// Marks the call as a further attempt of an earlier call, which has ended; called before it is submitted.
  void follow(const EarlierAttempts& earlier);
  /// For the end of the call: moves out the stored argument, so that the caller can release it. The call then has no
  /// argument.
  [[nodiscard]] StoredBytes take_stored() noexcept;
  /// Bytes of its argument that count against max_queued_bytes.
  [[nodiscard]] std::uint64_t counted_bytes() const noexcept;
  /// Number of calls that it counts as against max_queued_calls.
  [[nodiscard]] std::uint32_t counted_calls() const noexcept { return kind == CallKind::kBulk ? details_->count : 1; }

  [[nodiscard]] const CallDetails& details() const noexcept { return details_ != nullptr ? *details_ : kNoDetails; }
  [[nodiscard]] bool has_details() const noexcept { return details_ != nullptr; }
  [[nodiscard]] CallDetails& make_details();

  /// "the call passed its timeout of 3 s", for the limit in details().passed.
  [[nodiscard]] std::string deadline_text() const { return deadline_text(details().passed); }
  [[nodiscard]] std::string deadline_text(TimeLimit limit) const;

  // -- the end: one of these functions under the scheduler's lock, then `announce` outside it ------

  void end(Result<Reply> outcome) noexcept { set_outcome_bits(store(std::move(outcome))); }
  /// Copies a small result into the room behind the object, in place of the argument, if it fits.
  void end_with_copy(BytesView result);
  /// The result is the argument itself.
  void end_with_argument() noexcept;
  /// Copies a result that lies in its worker's memory; it stays there if the host is out of memory. Called between the
  /// end and `announce`, outside the lock.
  void copy_result() noexcept;
  void announce() noexcept { publish(outcome_bits_ * kFirstOutcomeBit); }

  enum class Phase : std::uint16_t { kNew, kQueued, kSent, kDone };

  // -- set by the submitter -------------------------------------------------------------------
  CallKind kind : 3 = CallKind::kCall;
  bool argument_absent : 1 = false;
  bool session_bound : 1 = false;  ///< Must run on the worker that has its session.
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  bool revoke_tried : 1 = false;
  bool moving : 1 = false;  ///< Is being taken back for another worker; the reply says whether that succeeded.

 private:
  bool has_stored_ : 1 = false;  // The room contains a StoredBytes.

 public:
  Phase phase : 2 = Phase::kNew;
  StopReason stop_reason : 2 = StopReason::kNone;

 private:
  std::uint16_t outcome_bits_ : 3 = 0;

 public:
  std::uint8_t max_attempts = 1;  ///< Set by the submitter.
  std::uint8_t attempt = 0;       ///< Number of attempts that have begun, including the current one.
  std::uint16_t slot = 0;         ///< Worker slot while kSent.

  /// Position in the worker's ring while kSent.
  [[nodiscard]] std::uint64_t position() const noexcept { return body_.pending.number; }
  void set_position(std::uint64_t position) noexcept { body_.pending.number = position; }
  /// The next call of the queue while kQueued.
  [[nodiscard]] Call* next() const noexcept { return static_cast<Call*>(body_.pending.next); }
  [[nodiscard]] Call* previous() const noexcept { return static_cast<Call*>(body_.pending.previous); }
  void set_next(Call* call) noexcept { body_.pending.next = call; }
  void set_previous(Call* call) noexcept { body_.pending.previous = call; }

 private:
  Call(RouteRef route, std::uint64_t id) noexcept : id_(id), route_(std::move(route)) {}
  ~Call() override;
  void destroy() noexcept override;
  void drive(std::int64_t deadline_ns) noexcept override;
  [[nodiscard]] static Shared<Call> allocate(RouteRef route, std::uint64_t id, std::size_t room);
  [[nodiscard]] std::uint8_t* room() const noexcept;
  void set_outcome_bits(std::uint32_t bits) noexcept {
    outcome_bits_ = static_cast<std::uint16_t>(bits / kFirstOutcomeBit) & 7u;
  }

  static const CallDetails kNoDetails;

  std::uint8_t payload_size_ = 0;  // Bytes in the room if there is no StoredBytes.
  std::uint8_t room_units_ = 0;    // Size of the room, in units of 16 bytes.
  std::uint64_t id_;
  RouteRef route_;
  std::unique_ptr<CallDetails> details_;
};
static_assert(sizeof(Call) <= 80);

using CallRef = Shared<Call>;

}  // namespace tenon::internal

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
  /// Where it is to be opened; from then on where it was last seen.
  std::int32_t slot = 0;
  /// Of the generation that it is opened on.
  RouteRef route;
  /// SessionOptions::step_timeout. Constant.
  std::int64_t step_timeout_ns = kNever;
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  /// Worker it lives in; 0 before it has been sent there.
  std::uint64_t link_id = 0;
  bool ended = false;  ///< It has given all it has; no step comes any more.
  /// It stayed on a generation that was replaced for longer than it might.
  bool overstayed = false;
};

/// Why a running call has been asked to stop.
enum class StopReason : std::uint16_t { kNone, kCancelled, kDeadline };

/// Which of a call's limits in time has passed.
enum class TimeLimit : std::uint8_t { kTimeout, kQueueTimeout, kRunTimeout };

/// Attempts that a caller has made before, for tasks that ask which attempt theirs is.
struct EarlierAttempts {
  std::uint32_t count = 0;
  std::uint64_t call_id = 0;  ///< Of all of them; 0 if there were none.
};

class Call;

/// What few calls have. Guarded as the call's own members are.
struct CallDetails {
  // -- set by the submitter -------------------------------------------------------------------
  std::shared_ptr<SessionRecord> session;
  StoredBytes checkpoint;  ///< Only for opening a session.
  MonotonicNs deadline_ns = kNever;
  std::int64_t run_timeout_ns = kNever;
  std::int64_t timeout_ns = kNever;        ///< As given, for messages.
  std::int64_t queue_timeout_ns = kNever;  ///< The same.
  int priority = 0;
  std::uint32_t max_results = 0;
  std::int32_t pinned_slot = -1;  ///< Runs only on that worker slot; -1: anywhere.
  Shared<const BulkWork> bulk;    ///< Of kBulk: the call is its items from `first`.
  std::uint32_t first = 0;
  std::uint32_t earlier_attempts = 0;  ///< That its submitter counts for it; see EarlierAttempts.
  bool argument_frames = false;        ///< kSubmissionArgumentFrames
  bool with_checkpoint = false;        ///< kSubmissionCheckpoint
  bool shadow = false;                 ///< Runs beside another call, for comparison.
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  RouteRef run_route;                  ///< Where it runs, if that is not where it was submitted to.
  bool diverted = false;               ///< To a generation on trial, whose worker it is pinned to.
  std::uint32_t count = 0;             ///< Of items that were sent or are to be sent.
  MonotonicNs sent_ns = 0;             ///< When a bulk call was sent last.
  std::uint32_t harvested = 0;         ///< Items of that submission that have ended and are not its own any more.
  bool items_revoked = false;          ///< Its worker has been told to begin no further items of that submission.
  Call* next_part = nullptr;           ///< Of the same BulkWork.
  std::uint16_t completion_flags = 0;  ///< Of a session's answer.
  MonotonicNs queue_deadline_ns = kNever;
  MonotonicNs run_deadline_ns = kNever;
  MonotonicNs kill_at_ns = kNever;
  MonotonicNs timer_ns = kNever;           ///< Its entry in the scheduler's timers; kNever for none.
  TimeLimit passed = TimeLimit::kTimeout;  ///< Of a call that ends as kDeadline.
};

/// The shared state of a call's future, with room behind it for a small argument and a small result. What the submitter
/// sets before it hands the call over is constant from then on; the rest is guarded by the scheduler's lock.
///
/// There may be ten millions of them, so what few calls need stands apart.
class Call final : public TypedState<Reply> {
 public:
  /// Makes a call with room for a private copy of `payload` behind the object: one allocation for both.
  [[nodiscard]] static Shared<Call> create(RouteRef route, std::uint64_t id, BytesView payload);
  /// Makes one whose argument lies elsewhere.
  [[nodiscard]] static Shared<Call> create(RouteRef route, std::uint64_t id, StoredBytes argument);

  /// Makes a call of kind kBulk with `count` items from `first` on. It has no future.
  [[nodiscard]] static Shared<Call> create_bulk(RouteRef route, Shared<const BulkWork> work, std::uint32_t first,
                                                std::uint32_t count);

  bool cancel() noexcept override;
  bool cancel_queued() noexcept override;
  [[nodiscard]] bool started() const noexcept override;
  [[nodiscard]] std::optional<Progress> progress() const override;

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  /// What it was submitted to.
  [[nodiscard]] const RouteRef& route() const noexcept { return route_; }
  /// What it runs on, or ran. Guarded by the scheduler's lock until it is complete.
  [[nodiscard]] const RouteRef& run_route() const noexcept {
    return details_ != nullptr && details_->run_route ? details_->run_route : route_;
  }
  void set_run_route(const RouteRef& route);
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return run_route()->ref.plugin.get(); }
  /// The argument that travels along with the call: absent (without data) when it lies elsewhere.
  [[nodiscard]] BytesView payload() const noexcept;
  /// The argument that lies elsewhere; null when it travels along. Without a place for workers it gets one in its turn.
  [[nodiscard]] const StoredBytes* stored() const noexcept;
  void set_stored(StoredBytes argument) noexcept;
  /// Makes it a further attempt of an earlier call, which has ended; before it is submitted.
  void follow(const EarlierAttempts& earlier);
  /// For the end of the call: what was stored, to be given back. The call has no argument then.
  [[nodiscard]] StoredBytes take_stored() noexcept;
  /// Bytes of its argument that count against max_queued_bytes.
  [[nodiscard]] std::uint64_t counted_bytes() const noexcept;
  /// Calls that it counts for against max_queued_calls.
  [[nodiscard]] std::uint32_t counted_calls() const noexcept { return kind == CallKind::kBulk ? details_->count : 1; }

  [[nodiscard]] const CallDetails& details() const noexcept { return details_ != nullptr ? *details_ : kNoDetails; }
  [[nodiscard]] bool has_details() const noexcept { return details_ != nullptr; }
  [[nodiscard]] CallDetails& make_details();

  /// "the call passed its timeout of 3 s", for the limit in details().passed.
  [[nodiscard]] std::string deadline_text() const { return deadline_text(details().passed); }
  [[nodiscard]] std::string deadline_text(TimeLimit limit) const;

  // -- the end: one of these under the scheduler's lock, then `announce` outside ------------------

  void end(Result<Reply> outcome) noexcept { set_outcome_bits(store(std::move(outcome))); }
  /// A small result is copied behind the object where there is room, in place of the argument.
  void end_with_copy(BytesView result);
  /// The result is the argument itself.
  void end_with_argument() noexcept;
  /// Copies a result that lies in its worker's memory; it stays there when the host is out of memory. Between the end
  /// and `announce`, outside the lock.
  void copy_result() noexcept;
  void announce() noexcept { publish(outcome_bits_ * kFirstOutcomeBit); }

  enum class Phase : std::uint16_t { kNew, kQueued, kSent, kDone };

  // -- set by the submitter -------------------------------------------------------------------
  CallKind kind : 3 = CallKind::kCall;
  bool argument_absent : 1 = false;
  bool session_bound : 1 = false;  ///< Needs the worker its session lives in.
  // -- guarded by the scheduler's lock ----------------------------------------------------------
  bool revoke_tried : 1 = false;
  bool moving : 1 = false;  ///< Being taken back for another worker; the answer says whether it came.

 private:
  bool has_stored_ : 1 = false;  // A StoredBytes lies in the room.

 public:
  Phase phase : 2 = Phase::kNew;
  StopReason stop_reason : 2 = StopReason::kNone;

 private:
  std::uint16_t outcome_bits_ : 3 = 0;

 public:
  std::uint8_t max_attempts = 1;  ///< Set by the submitter.
  std::uint8_t attempt = 0;       ///< Attempts begun or under way.
  std::uint16_t slot = 0;         ///< Worker slot while kSent.

  /// Position in the worker's ring while kSent.
  [[nodiscard]] std::uint64_t position() const noexcept { return body_.pending.number; }
  void set_position(std::uint64_t position) noexcept { body_.pending.number = position; }
  /// Neighbours while kQueued.
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

  std::uint8_t payload_size_ = 0;  // Bytes in the room otherwise.
  std::uint8_t room_units_ = 0;    // Of 16 bytes.
  std::uint64_t id_;
  RouteRef route_;
  std::unique_ptr<CallDetails> details_;
};
static_assert(sizeof(Call) <= 80);

using CallRef = Shared<Call>;

}  // namespace tenon::internal

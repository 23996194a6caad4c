/// host/call.hpp: one call from its submission to its terminal state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>
#include <tenon/reply.hpp>

#include "base/clock.hpp"
#include "host/call_queue.hpp"
#include "host/storage.hpp"
#include "ipc/layout.hpp"

namespace tenon::internal {

class Pool;

/// A task with params, as workers know it by number. Immutable; shared by its calls.
struct HostRoute {
  HostRoute(std::uint32_t route_number, TaskRef task_ref, StoredBytes stored_params,
            std::shared_ptr<Retired> retired_numbers)
      : number(route_number),
        ref(std::move(task_ref)),
        params(std::move(stored_params)),
        retired(std::move(retired_numbers)) {}
  HostRoute(const HostRoute&) = delete;
  HostRoute& operator=(const HostRoute&) = delete;
  ~HostRoute() { retired->add_route(number); }

  std::uint32_t number;
  TaskRef ref;
  StoredBytes params;
  std::shared_ptr<Retired> retired;
};

/// A session as the scheduler sees it.
struct SessionRecord {
  std::uint64_t id = 0;
  std::int32_t slot = 0;
  std::shared_ptr<const HostRoute> route;
  /// Worker it lives in; 0 before it has been sent there. Guarded by the scheduler's lock.
  std::uint64_t link_id = 0;
};

/// Why a running call has been asked to stop.
enum class StopReason : std::uint8_t { kNone, kCancelled, kDeadline };

/// Which of a call's limits in time has passed.
enum class TimeLimit : std::uint8_t { kTimeout, kQueueTimeout, kRunTimeout };

/// The shared state of a call's future. What the submitter sets before it hands the call over is constant from then on;
/// the rest is guarded by the scheduler's lock.
class Call final : public TypedState<Reply> {
 public:
  /// Makes a call with room for a private copy of `payload` behind the object: one allocation for both.
  [[nodiscard]] static Shared<Call> create(std::shared_ptr<Pool> pool, BytesView payload);

  bool cancel() noexcept override;
  [[nodiscard]] std::optional<Progress> progress() const override;
  [[nodiscard]] BytesView payload() const noexcept;
  /// "the call passed its timeout of 3 s", for the limit in `passed`.
  [[nodiscard]] std::string deadline_text() const { return deadline_text(passed); }
  [[nodiscard]] std::string deadline_text(TimeLimit limit) const;

  // -- set by the submitter -------------------------------------------------------------------
  std::uint64_t id = 0;
  std::shared_ptr<const HostRoute> route;
  std::shared_ptr<SessionRecord> session;
  StoredBytes argument;    ///< Without storage: the argument is `payload`. Without a place: gets one in its turn.
  StoredBytes checkpoint;  ///< Sessions' open alone.
  MonotonicNs deadline_ns = kNever;
  MonotonicNs queue_deadline_ns = kNever;
  std::int64_t run_timeout_ns = kNever;
  std::uint64_t counted_bytes = 0;         ///< Against max_queued_bytes.
  std::int64_t timeout_ns = kNever;        ///< As given, for messages.
  std::int64_t queue_timeout_ns = kNever;  ///< The same.
  int priority = 0;
  std::uint32_t max_attempts = 1;
  std::uint32_t max_results = 0;
  std::int32_t pinned_slot = -1;  ///< Runs on that worker slot alone; -1: anywhere.
  CallKind kind = CallKind::kCall;
  std::uint16_t flags = 0;
  bool argument_absent = false;
  bool session_bound = false;  ///< Needs the worker its session lives in.

  // -- guarded by the scheduler's lock ----------------------------------------------------------
  enum class Phase : std::uint8_t { kNew, kQueued, kSent, kDone };
  Phase phase = Phase::kNew;
  StopReason stop_reason = StopReason::kNone;
  TimeLimit passed = TimeLimit::kTimeout;  ///< Of a call that ends as kDeadline.
  bool revoke_tried = false;
  bool moving = false;  ///< Being taken back for another worker; the answer says whether it came.
  std::uint16_t completion_flags = 0;
  std::uint32_t attempt = 0;  ///< Attempts begun or under way.
  QueueLinks links;
  std::uint32_t slot = 0;      ///< Worker slot while kSent.
  std::uint64_t position = 0;  ///< In the worker's ring while kSent.
  MonotonicNs run_deadline_ns = kNever;
  MonotonicNs kill_at_ns = kNever;
  MonotonicNs timer_ns = kNever;  ///< Its entry in the scheduler's timers; kNever for none.

 private:
  Call(std::shared_ptr<Pool> pool, std::size_t payload_size) : pool_(std::move(pool)), payload_size_(payload_size) {}
  ~Call() override = default;
  void destroy() noexcept override;

  std::shared_ptr<Pool> pool_;
  std::size_t payload_size_;
};

using CallRef = Shared<Call>;

}  // namespace tenon::internal

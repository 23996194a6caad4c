// Batches: a fixed number of items goes into one short session of a reduce, which gives one result.
#include <algorithm>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {
namespace {

/// Attempts of an idempotent batch whose worker dies, if the file sets no retry policy.
constexpr std::uint32_t kIdempotentAttempts = 3;

}  // namespace

void Engine::pump_batch(std::uint32_t node) {
  NodeState& state = nodes_[node];
  const PlanNode& plan = *state.plan;
  static_cast<void>(flush_outbox(node));
  while (true) {
    while (state.gathered.size() < plan.batch_size) {
      const std::uint32_t edge = next_edge(state);
      if (edge == kNone) {
        break;
      }
      if (state.gathered.empty() && plan.batch_wait) {
        timers_.push({now_ + *plan.batch_wait, Timer::Kind::kGather, node, 0, state.gathered_generation});
      }
      state.gathered.push_back(pop(edge));
      ++state.active;
    }
    if (state.cut && input_ended(state) && !state.gathered.empty() && state.gathered.size() < plan.batch_size &&
        !state.gathered_due) {
      // The remaining items of this batch will not arrive.
      state.report.dropped += state.gathered.size();
      state.report.note = "the last batch, of " + std::to_string(state.gathered.size()) +
                          ", was dropped: the run was interrupted before its input ended";
      state.active -= state.gathered.size();
      state.gathered.clear();
      ++state.gathered_generation;
    }
    const bool due = state.gathered.size() == plan.batch_size || state.gathered_due ||
                     (!state.gathered.empty() && input_ended(state));
    const auto free = std::find_if(state.sessions.begin(), state.sessions.end(),
                                   [](const SessionState& session) { return session.kept.empty(); });
    if (!due || free == state.sessions.end() || state.outbox.size() >= state.sessions.size()) {
      break;
    }
    free->kept = std::exchange(state.gathered, {});
    free->number = state.next_index++;
    free->attempt = 1;
    free->losses = {};
    ++state.gathered_generation;
    state.gathered_due = false;
    begin_batch(node, static_cast<std::uint32_t>(free - state.sessions.begin()));
  }
  if (state.active == 0 && state.outbox.empty() && input_ended(state)) {
    finish_node(node);
  }
}

void Engine::begin_batch(std::uint32_t node, std::uint32_t which) {
  SessionState& session = nodes_[node].sessions[which];
  if (nodes_[node].unwanted) {
    wind_down_session(node, session);
    schedule(node);
    return;
  }
  ++session.generation;
  session.timed_out = false;
  session.fed = 0;
  if (nodes_[node].plan->timeout) {
    timers_.push({now_ + *nodes_[node].plan->timeout, Timer::Kind::kBatchTimeout, node, which, session.generation});
  }
  open_session(node, which);
}

void Engine::batch_stepped(std::uint32_t node, std::uint32_t which, ExecutorSession::Outcome outcome) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[which];
  if (!outcome.error && session.phase == SessionPhase::kFinishing && outcome.results.empty()) {
    outcome.error = Error{ErrorCode::kCorrupt, "the task ended without a result", {}};
  }
  if (!outcome.error && session.timed_out) {
    outcome.error = Error{ErrorCode::kDeadline, {}, {}};
  }
  if (outcome.error) {
    batch_failed(node, which, std::move(*outcome.error));
    return;
  }
  if (session.phase == SessionPhase::kFinishing) {
    state.outbox.push_back({std::move(outcome.results.front()), session.number});
    state.report.grouped += session.kept.size();
    free_batch(node, which);
    return;
  }
  if (session.phase == SessionPhase::kWorking) {
    session.fed += session.feeding;
  }
  if (session.fed < session.kept.size()) {
    feed_kept(node, which);
    return;
  }
  session.phase = SessionPhase::kFinishing;
  operation_began(node);
  session.session->finish();
}

void Engine::batch_failed(std::uint32_t node, std::uint32_t which, Error error) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[which];
  const PlanNode& plan = *state.plan;
  if (restart_batch(node, which, error)) {
    return;
  }
  session.session.reset();
  session.phase = SessionPhase::kClosed;
  if (session.timed_out) {
    error.code = ErrorCode::kDeadline;
    error.message = "the batch did not end within its time-out";
  }
  const bool died = error.code == ErrorCode::kCrashed || error.code == ErrorCode::kUnavailable;
  if (may_retry(plan, error, session.attempt) ||
      (died && plan.idempotent && !plan.retries && session.attempt < kIdempotentAttempts)) {
    timers_.push({now_ + backoff(plan.retry, session.attempt), Timer::Kind::kBatchRetry, node, which, 0});
    ++session.attempt;
    ++state.report.retried;
    return;
  }
  state.report.failed += session.kept.size();
  record_failure(node,
                 "batch " + std::to_string(session.number) + " (" + std::to_string(session.kept.size()) +
                     " items, from " + identify(plan, session.kept.front()) + ")",
                 std::move(error));
  free_batch(node, which);
}

bool Engine::restart_batch(std::uint32_t node, std::uint32_t which, const Error& error) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[which];
  const std::optional<SessionLosses::Cause> cause = loss_cause(error, state.plan->timeout.has_value());
  // A death in its own operation counts as an attempt, except while the session was being opened:
  // it had no item yet.
  if (session.timed_out || !cause ||
      ((*cause == SessionLosses::Cause::kOwn || *cause == SessionLosses::Cause::kKilled) &&
       session.phase != SessionPhase::kOpening)) {
    return false;
  }
  const auto wait = session.losses.lost(*cause, ended_calls_);
  if (!wait) {
    return false;
  }
  session.session.reset();
  session.phase = SessionPhase::kClosed;
  ++session.generation;  // Its time-out starts again.
  ++state.report.retried;
  timers_.push({now_ + std::chrono::duration_cast<Clock::duration>(*wait), Timer::Kind::kBatchRetry, node, which, 0});
  return true;
}

void Engine::free_batch(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[which];
  state.active -= session.kept.size();
  ++session.generation;
  session.kept.clear();
  session.session.reset();
  session.phase = SessionPhase::kClosed;
}

}  // namespace tenon::internal

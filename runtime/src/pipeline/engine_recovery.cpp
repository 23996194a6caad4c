// Recovery of a source or a reduce whose worker dies.
#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "pipeline/engine.hpp"
#include "platform/signals.hpp"

namespace tenon::internal {
namespace {

std::string name_of(const PlanNode& plan) {
  const char* kind = plan.kind == NodeKind::kSource ? "source" : plan.kind == NodeKind::kSink ? "sink" : "reduce";
  return std::string(kind) + " '" + plan.name + "' (" + plan.task + ")";
}

}  // namespace

std::optional<SessionLosses::Cause> Engine::loss_of(const PlanNode& plan, const Error& error) {
  switch (error.code) {
    case ErrorCode::kCrashed:
      if (!error.context.charged) {
        return SessionLosses::Cause::kOther;
      }
      return sent_by_others(error.context.signal) ? SessionLosses::Cause::kKilled : SessionLosses::Cause::kOwn;
    case ErrorCode::kDeadline:
      if (!plan.timeout) {
        return std::nullopt;  // An error of the task's own code.
      }
      return error.context.charged ? SessionLosses::Cause::kOwn : SessionLosses::Cause::kOther;
    case ErrorCode::kUnavailable:
      return SessionLosses::Cause::kUnavailable;
    default:
      return std::nullopt;
  }
}

bool Engine::can_reopen(const NodeState& node, const SessionState& session) noexcept {
  // Before the first item, starting again loses nothing.
  return session.recoverable || (node.plan->kind == NodeKind::kSource ? node.next_index == 0 : session.kept_all);
}

void Engine::recover(std::uint32_t node, SessionState& session, Error error) {
  NodeState& state = nodes_[node];
  const std::optional<SessionLosses::Cause> cause = loss_of(*state.plan, error);
  if (!cause) {
    fail_session(node, session, std::move(error), {});
    return;
  }
  const bool own = *cause == SessionLosses::Cause::kOwn;
  if (own && error.code == ErrorCode::kDeadline) {
    error.message = "a step took longer than its timeout: " + error.message;
  }
  if (!can_reopen(state, session)) {
    std::string why = "the task gives no checkpoint to continue from";
    if (*cause == SessionLosses::Cause::kOther) {
      why = "its worker died in another call";
      if (last_crash_ != kNone) {
        const PlanNode& culprit = *nodes_[last_crash_].plan;
        why += ", most recently in one of '" + culprit.name + "' (" + culprit.task + ")";
      }
      why += ", and the task gives no checkpoint to continue from";
    }
    fail_session(node, session, std::move(error), why);
    return;
  }
  const auto wait = session.losses.lost(*cause, ended_calls_);
  if (!wait) {
    fail_session(node, session, std::move(error),
                 own ? "it died " + std::to_string(SessionLosses::kMostOwn + 1) + " times at the same position"
                 : *cause == SessionLosses::Cause::kKilled
                     ? "it was killed " + std::to_string(SessionLosses::kMostKilled + 1) + " times at the same position"
                 : *cause == SessionLosses::Cause::kOther
                     ? "its worker died " + std::to_string(SessionLosses::kMostOther + 1) +
                           " times in other calls before it could continue; workers die as fast as they "
                           "start"
                     : std::string());
    return;
  }
  ++state.report.retried;
  session.fed = 0;
  session.given.reopened();
  if (session.given.to_repeat() == 0 && session.counted == 0) {
    session.step.lost();  // If earlier work must be repeated, the step size stays.
  }
  session.given_bytes = 0;
  session.session.reset();
  session.phase = SessionPhase::kClosed;  // Its pump opens it.
  if (wait->count() > 0) {
    session.reopens = true;
    timers_.push({now_ + std::chrono::duration_cast<Clock::duration>(*wait), Timer::Kind::kReopen, node, 0, 0});
  }
}

void Engine::fail_session(std::uint32_t node, SessionState& session, Error error, const std::string& why) {
  error.message = name_of(*nodes_[node].plan) + " failed: " + error.message + (why.empty() ? "" : "; " + why);
  session.phase = SessionPhase::kIdle;
  abort(RunReport::End::kFailed, std::move(error));
}

void Engine::fail_repeat(std::uint32_t node, SessionState& session, std::uint64_t item, const std::string& how) {
  const NodeState& state = nodes_[node];
  Error error{ErrorCode::kFailed,
              "its worker died, and the source did not repeat its earlier items: item " + std::to_string(item) +
                  " of " + std::to_string(state.next_index) + " " + how +
                  ". The data that the source reads has changed, so items would be lost or duplicated. Run the "
                  "pipeline again while nothing changes the data, or make the task give quick checkpoints",
              {}};
  error.context.task = state.plan->task;
  fail_session(node, session, std::move(error), {});
}

}  // namespace tenon::internal

// Recovery of a reduce whose worker dies, and the end of a run whose session has failed.
#include <string>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {
namespace {

std::string name_of(const PlanNode& plan) {
  const char* kind = plan.kind == NodeKind::kSource ? "source" : plan.kind == NodeKind::kSink ? "sink" : "reduce";
  return std::string(kind) + " '" + plan.name + "' (" + plan.task + ")";
}

}  // namespace

std::string Engine::last_culprit() const {
  if (last_crash_ == kNone) {
    return {};
  }
  const PlanNode& plan = *nodes_[last_crash_].plan;
  return "'" + plan.name + "' (" + plan.task + ")";
}

void Engine::recover(std::uint32_t node, SessionState& session, Error error) {
  NodeState& state = nodes_[node];
  Recovery recovery = recover_session(std::move(error),
                                      {.has_timeout = state.plan->timeout.has_value(),
                                       .can_reopen = session.recoverable || session.kept_all,
                                       .ended_calls = ended_calls_,
                                       .culprit = last_culprit()},
                                      session.losses);
  if (!recovery.reopens_after) {
    session.phase = SessionPhase::kIdle;
    fail_session(node, std::move(recovery.error), recovery.why);
    return;
  }
  ++state.report.retried;
  session.fed = 0;
  if (session.counted == 0) {
    session.step.lost();  // If earlier work must be repeated, the step size stays.
  }
  session.session.reset();
  session.phase = SessionPhase::kClosed;  // Its pump opens it.
  if (recovery.reopens_after->count() > 0) {
    session.reopens = true;
    timers_.push({now_ + std::chrono::duration_cast<Clock::duration>(*recovery.reopens_after), Timer::Kind::kReopen,
                  node, 0, 0});
  }
}

void Engine::fail_session(std::uint32_t node, Error error, const std::string& why) {
  error.message = name_of(*nodes_[node].plan) + " failed: " + error.message + (why.empty() ? "" : "; " + why);
  abort(RunReport::End::kFailed, std::move(error));
}

}  // namespace tenon::internal

#include "pipeline/session_recovery.hpp"

#include <utility>

#include "platform/signals.hpp"

namespace tenon::internal {
namespace {

std::string times(std::uint32_t most) {
  return std::to_string(most + 1) + " times";
}

/// Returns why a session that was lost once too often is not opened again.
std::string exhausted(SessionLosses::Cause cause) {
  switch (cause) {
    case SessionLosses::Cause::kOwn:
      return "it died " + times(SessionLosses::kMostOwn) + " at the same position";
    case SessionLosses::Cause::kKilled:
      return "it was killed " + times(SessionLosses::kMostKilled) + " at the same position";
    case SessionLosses::Cause::kOther:
      return "its worker died " + times(SessionLosses::kMostOther) +
             " in other calls before it could continue; workers die as fast as they start";
    case SessionLosses::Cause::kUnavailable:
      return {};
  }
  return {};
}

}  // namespace

std::optional<SessionLosses::Cause> loss_cause(const Error& error, bool has_timeout) noexcept {
  switch (error.code) {
    case ErrorCode::kCrashed:
      if (!error.context.charged) {
        return SessionLosses::Cause::kOther;
      }
      return sent_by_others(error.context.signal) ? SessionLosses::Cause::kKilled : SessionLosses::Cause::kOwn;
    case ErrorCode::kDeadline:
      if (!has_timeout) {
        return std::nullopt;  // An error of the task's own code.
      }
      return error.context.charged ? SessionLosses::Cause::kOwn : SessionLosses::Cause::kOther;
    case ErrorCode::kUnavailable:
      return SessionLosses::Cause::kUnavailable;
    default:
      return std::nullopt;
  }
}

Recovery recover_session(Error error, const LostSession& session, SessionLosses& losses) {
  const std::optional<SessionLosses::Cause> cause = loss_cause(error, session.has_timeout);
  Recovery recovery;
  recovery.was_lost = cause.has_value();
  recovery.error = std::move(error);
  if (!cause) {
    return recovery;
  }
  if (*cause == SessionLosses::Cause::kOwn && recovery.error.code == ErrorCode::kDeadline) {
    recovery.error.message = "a step took longer than its timeout: " + recovery.error.message;
  }
  if (!session.can_reopen) {
    if (*cause == SessionLosses::Cause::kOther) {
      recovery.why = "its worker died in another call";
      if (!session.culprit.empty()) {
        recovery.why += ", most recently in one of " + session.culprit;
      }
      recovery.why += ", and ";
    }
    recovery.why += "the task gives no checkpoint to continue from";
    return recovery;
  }
  recovery.reopens_after = losses.lost(*cause, session.ended_calls);
  if (!recovery.reopens_after) {
    recovery.why = exhausted(*cause);
  }
  return recovery;
}

}  // namespace tenon::internal

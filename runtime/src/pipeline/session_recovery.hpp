/// pipeline/session_recovery.hpp: decides what happens to a session after an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <tenon/error.hpp>

#include "pipeline/session_losses.hpp"

namespace tenon::internal {

/// Returns the cause of a lost session, by the error of its operation; nullopt for a failure of the
/// task itself. `has_timeout`: the file limits the time of a step.
[[nodiscard]] std::optional<SessionLosses::Cause> loss_cause(const Error& error, bool has_timeout) noexcept;

/// The session that ended with an error, and the state of its run.
struct LostSession {
  bool has_timeout = false;
  /// Whether a new session can replace it without losing or duplicating items.
  bool can_reopen = false;
  std::uint64_t ended_calls = 0;  ///< See SessionLosses::lost.
  /// The item stage whose call crashed last, as "'name' (task)"; empty if none has.
  std::string culprit = {};
};

struct Recovery {
  /// The delay before the session is opened again; nullopt: it has failed.
  std::optional<std::chrono::nanoseconds> reopens_after;
  bool was_lost = false;  ///< The session was lost; false: its task failed.
  Error error;
  std::string why;  ///< Why a lost session is not opened again; empty if `error` says it.
};

/// Decides whether a session is opened again, and counts the loss in `losses`.
[[nodiscard]] Recovery recover_session(Error error, const LostSession& session, SessionLosses& losses);

}  // namespace tenon::internal

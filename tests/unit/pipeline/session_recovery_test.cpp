#include "pipeline/session_recovery.hpp"

#include <csignal>
#include <string>

#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::LostSession;
using internal::Recovery;
using internal::SessionLosses;

namespace {

Error crash(bool charged, int signal = SIGSEGV) {
  Error error{ErrorCode::kCrashed, "the worker died", {}};
  error.context.charged = charged;
  error.context.signal = signal;
  return error;
}

}  // namespace

TEST_CASE("loss_cause: only deaths and exceeded time-outs are losses") {
  CHECK(internal::loss_cause(crash(true), false) == SessionLosses::Cause::kOwn);
  CHECK(internal::loss_cause(crash(true, SIGKILL), false) == SessionLosses::Cause::kKilled);
  CHECK(internal::loss_cause(crash(false), false) == SessionLosses::Cause::kOther);
  CHECK(internal::loss_cause({ErrorCode::kUnavailable, "", {}}, false) == SessionLosses::Cause::kUnavailable);
  CHECK_FALSE(internal::loss_cause({ErrorCode::kFailed, "", {}}, true));
  CHECK_FALSE(internal::loss_cause({ErrorCode::kDeadline, "", {}}, false));
  Error late{ErrorCode::kDeadline, "", {}};
  late.context.charged = true;
  CHECK(internal::loss_cause(late, true) == SessionLosses::Cause::kOwn);
}

TEST_CASE("recover_session: a failure of the task is final and has no reason of its own") {
  SessionLosses losses;
  const Recovery recovery = internal::recover_session({ErrorCode::kFailed, "no", {}}, {.can_reopen = true}, losses);
  CHECK_FALSE(recovery.reopens_after);
  CHECK_FALSE(recovery.was_lost);
  CHECK(recovery.error.message == "no");
  CHECK(recovery.why.empty());
}

TEST_CASE("recover_session: a lost session is opened again until it has died too often at one position") {
  SessionLosses losses;
  for (std::uint32_t i = 0; i < SessionLosses::kMostOwn; ++i) {
    REQUIRE(internal::recover_session(crash(true), {.can_reopen = true}, losses).reopens_after);
  }
  const Recovery last = internal::recover_session(crash(true), {.can_reopen = true}, losses);
  CHECK_FALSE(last.reopens_after);
  CHECK(last.was_lost);
  CHECK(last.why == "it died 4 times at the same position");
}

TEST_CASE("recover_session: a session without a checkpoint is not opened again, and the culprit is named") {
  SessionLosses losses;
  CHECK(internal::recover_session(crash(true), {}, losses).why == "the task gives no checkpoint to continue from");
  CHECK(internal::recover_session(crash(false), {.culprit = "'map' (x.y)"}, losses).why ==
        "its worker died in another call, most recently in one of 'map' (x.y), and the task gives no checkpoint to "
        "continue from");
}

TEST_CASE("recover_session: the message of an exceeded time-out says whose limit it was") {
  SessionLosses losses;
  Error late{ErrorCode::kDeadline, "late", {}};
  late.context.charged = true;
  const Recovery recovery = internal::recover_session(late, {.has_timeout = true, .can_reopen = true}, losses);
  CHECK(recovery.reopens_after);
  CHECK(recovery.error.message == "a step took longer than its timeout: late");
}

}  // namespace tenon::test

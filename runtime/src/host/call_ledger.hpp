/// host/call_ledger.hpp: open calls, and how calls end.
#pragma once

#include <cstdint>
#include <string>

#include <tenon/error.hpp>
#include <tenon/options.hpp>

#include "host/call.hpp"
#include "host/call_timers.hpp"
#include "host/effects.hpp"

namespace tenon::internal {

/// Each call is accepted once and ends once. The end is stored here, and the pool announces it without the lock. Not
/// thread-safe: guarded by the scheduler's lock.
class CallLedger {
 public:
  /// The arguments must outlive this object.
  CallLedger(CallTimers& timers, EffectsBox& effects) noexcept : timers_(timers), effects_(effects) {}

  void accept(const Call& call) noexcept;
  /// Ends a call; for a bulk call, ends all its remaining items, whose outcome must be an error.
  void finish(CallRef call, Result<Reply> outcome);
  /// Ends a call with an error that names it.
  void finish_error(CallRef call, ErrorCode code, std::string message);
  /// Completes the end of a call, once the outcome is stored and counted or all items have ended.
  void close(CallRef call);
  /// Counts the outcome of a call that other code stores.
  void count_end(bool succeeded) noexcept { ++(succeeded ? succeeded_ : failed_); }

  /// Ends the first `count` remaining items of the call, all with one error.
  void fail_items(Call& call, std::uint32_t count, const Error& error);
  /// Ends the first `count` remaining items of the call with the outcomes in `end`; `succeeded` of them succeeded.
  void note_items(Call& call, std::uint32_t count, std::uint32_t succeeded, Effects::BulkEnd end);

  /// The context that describes the call in an error.
  [[nodiscard]] static ErrorContext context_of(const Call& call);

  /// Number of calls that have not ended; see also accepted_bytes, the size of their arguments.
  [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_; }
  [[nodiscard]] std::uint64_t accepted_bytes() const noexcept { return accepted_bytes_; }
  /// Calls accepted since the start.
  [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_; }
  void fill_stats(RuntimeStats& stats) const noexcept;

 private:
  CallTimers& timers_;
  EffectsBox& effects_;
  std::uint64_t accepted_ = 0;
  std::uint64_t accepted_bytes_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t succeeded_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace tenon::internal

/// host/call_ledger.hpp: calls that are open, and how calls end.
#pragma once

#include <cstdint>
#include <string>

#include <tenon/error.hpp>
#include <tenon/options.hpp>

#include "host/call.hpp"
#include "host/call_timers.hpp"
#include "host/effects.hpp"

namespace tenon::internal {

/// Each call is accepted once and ends once. Its end is stored here and announced by the pool, without the lock. Not
/// thread-safe: guarded by the scheduler's lock.
class CallLedger {
 public:
  /// All outlive it.
  CallLedger(CallTimers& timers, EffectsBox& effects) noexcept : timers_(timers), effects_(effects) {}

  void accept(const Call& call) noexcept;
  /// Ends a call; of a bulk call the items that it still has, which cannot have succeeded.
  void finish(CallRef call, Result<Reply> outcome);
  /// The same with an error that names the call.
  void finish_error(CallRef call, ErrorCode code, std::string message);
  /// The rest of an end, once the outcome is stored and counted, or all items have ended.
  void close(CallRef call);
  /// Counts the outcome of a call that is stored by other code.
  void count_end(bool succeeded) noexcept { ++(succeeded ? succeeded_ : failed_); }

  /// Ends the first `count` items that the call still has, all with one error.
  void fail_items(Call& call, std::uint32_t count, const Error& error);
  /// Ends the first `count` items that the call still has: `succeeded` of them well, as `end` says.
  void note_items(Call& call, std::uint32_t count, std::uint32_t succeeded, Effects::BulkEnd end);

  /// What an error says of the call.
  [[nodiscard]] static ErrorContext context_of(const Call& call);

  /// Calls that have not ended, and the bytes of their arguments.
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

// Checks the options of swaps.
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "swap/coordinator.hpp"

namespace tenon::internal {
namespace {

/// A longer time could overflow a point in time.
constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);

Result<void> bad(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> check_time(const char* name, std::chrono::milliseconds value, std::chrono::milliseconds least) {
  if (value < least || value > kLongest) {
    return bad(std::string(name) + " is " + std::to_string(value.count()) + " ms; it must be " +
               std::to_string(least.count()) + " ms to a year");
  }
  return {};
}

Result<void> check_share(const char* name, double value) {
  if (!std::isfinite(value) || value < 0 || value > 1) {
    return bad(std::string(name) + " is " + std::to_string(value) + "; it is a share, 0 to 1");
  }
  return {};
}

}  // namespace

Result<void> check_swap_options(const SwapOptions& options) {
  constexpr std::chrono::milliseconds kNone{0};
  return check_share("SwapOptions::canary_share", options.canary_share)
      .and_then([&] { return check_share("SwapOptions::max_crash_rate", options.max_crash_rate); })
      .and_then([&] { return check_share("SwapOptions::max_error_rate_increase", options.max_error_rate_increase); })
      .and_then([&]() -> Result<void> {
        return std::isfinite(options.max_p99_ratio) && options.max_p99_ratio >= 0
                   ? Result<void>()
                   : bad("SwapOptions::max_p99_ratio must be 0 or more");
      })
      .and_then([&]() -> Result<void> {
        return options.canary_calls > 0 ? Result<void>() : bad("SwapOptions::canary_calls must not be 0");
      })
      .and_then([&] { return check_time("SwapOptions::canary_time", options.canary_time, kNone); })
      .and_then([&] { return check_time("SwapOptions::probation", options.probation, kNone); })
      .and_then([&] { return check_time("SwapOptions::step_timeout", options.step_timeout, kNone); })
      .and_then([&] { return check_time("SwapOptions::session_drain", options.session_drain, kNone); });
}

Result<void> check_hot_swap_options(const HotSwapOptions& options) {
  return check_swap_options(options.swaps)
      .and_then([&] { return check_time("HotSwapOptions::debounce", options.debounce, std::chrono::milliseconds(0)); })
      .and_then([&] { return check_time("HotSwapOptions::rescan", options.rescan, std::chrono::milliseconds(10)); })
      .and_then([&]() -> Result<void> {
        return options.max_store_bytes > 0 && options.max_store_files > 0
                   ? Result<void>()
                   : bad("HotSwapOptions::max_store_bytes and max_store_files must not be 0");
      });
}

}  // namespace tenon::internal

/// pipeline/retries.hpp: whether and when an item is tried again.
#pragma once

#include <chrono>
#include <cstdint>

#include <tenon/error.hpp>

#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Returns whether the file's retry policy grants another attempt after an error. `attempt` counts
/// the attempts so far.
[[nodiscard]] bool may_retry(const PlanNode& plan, const Error& error, std::uint32_t attempt) noexcept;

/// Returns the delay before the attempt that follows the given one.
[[nodiscard]] std::chrono::nanoseconds backoff(const RetryPolicy& retry, std::uint32_t attempt) noexcept;

}  // namespace tenon::internal

#include "pipeline/retries.hpp"

#include <algorithm>

namespace tenon::internal {

bool may_retry(const PlanNode& plan, const Error& error, std::uint32_t attempt) noexcept {
  if (!plan.retries || attempt >= plan.retry.attempts) {
    return false;
  }
  switch (error.code) {
    case ErrorCode::kFailed:
    case ErrorCode::kDeadline:
    case ErrorCode::kCrashed:
    case ErrorCode::kRejected:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kIo:
    case ErrorCode::kUnavailable:
      return true;
    case ErrorCode::kCancelled:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kIncompatible:
    case ErrorCode::kCorrupt:
    case ErrorCode::kTooLarge:
    case ErrorCode::kUnsupported:
    case ErrorCode::kInternal:
      return false;
  }
  return false;
}

std::chrono::nanoseconds backoff(const RetryPolicy& retry, std::uint32_t attempt) noexcept {
  std::chrono::nanoseconds wait = retry.backoff;
  for (std::uint32_t i = 1; i < attempt && wait < retry.max; ++i) {
    wait *= 2;
  }
  return std::min(wait, retry.max);
}

}  // namespace tenon::internal

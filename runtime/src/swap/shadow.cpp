#include "swap/shadow.hpp"

#include <string>

#include "base/text.hpp"
#include "schema/compare_buffers.hpp"

namespace tenon::internal {
namespace {

constexpr std::size_t kToldDifferences = 3;

/// Whether an outcome is caused by the environment and not by the task.
bool is_accident(const Result<Reply>& end) {
  if (end) {
    return false;
  }
  switch (end.error().code) {
    case ErrorCode::kCancelled:
    case ErrorCode::kDeadline:
    case ErrorCode::kCrashed:
    case ErrorCode::kRejected:
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutOfMemory:
      return true;
    default:
      return false;
  }
}

std::string text_of(const Result<Reply>& end) {
  return end ? std::string("a result")
             : "the error " + std::string(error_code_name(end.error().code)) + " (" + printable(end.error().message) +
                   ")";
}

std::string difference_of(const PluginInfo& old_version, const PluginInfo& new_version, const TaskInfo& task,
                          const Result<Reply>& old_end, const Result<Reply>& new_end) {
  if (old_end.has_value() != new_end.has_value() || (!old_end && old_end.error().code != new_end.error().code)) {
    return text_of(old_end) + " became " + text_of(new_end);
  }
  if (!old_end) {
    return {};
  }
  std::string text;
  for (const std::string& difference : compare_buffers(*old_version.schema, *new_version.schema, task.result_type,
                                                       old_end->bytes(), new_end->bytes(), kToldDifferences)) {
    text += (text.empty() ? "" : "; ") + difference;
  }
  return text;
}

}  // namespace

void ShadowComparison::compare(const TaskInfo& task, const Result<Reply>& old_end, const Result<Reply>& new_end) {
  if (is_accident(old_end) || is_accident(new_end)) {
    return;
  }
  const std::string difference = difference_of(*old_version_, *new_version_, task, old_end, new_end);
  {
    auto counts = counts_.lock();
    ++counts->compared;
    if (!difference.empty() && counts->different++ == 0) {
      counts->first_difference = task.full_name + ": " + difference;
    }
  }
  if (!difference.empty()) {
    trouble_();
  }
}

ShadowCounts ShadowComparison::counts() {
  return counts_.get();
}

}  // namespace tenon::internal

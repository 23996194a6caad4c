#include "host/descriptor_budget.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

Result<DescriptorBudget> DescriptorBudget::for_workers(std::uint32_t workers) {
  // Counting open descriptors takes longer than all other start checks. A few workers under a usual
  // limit need no count; if the limit is close anyway, starting them reports it.
  const bool far = workers * kDescriptorsPerWorker + kDescriptorsPerRuntime <= descriptor_limit().soft / 4;
  DescriptorBudget budget(workers, far ? std::nullopt : std::optional(open_descriptor_count().value_or(0)));
  if (auto checked = budget.check(0); !checked) {
    return fail(std::move(checked.error()));
  }
  return budget;
}

Result<void> DescriptorBudget::check(std::uint64_t files) const {
  if (!open_) {
    return {};
  }
  const std::uint64_t open = *open_;
  const DescriptorLimit limit = descriptor_limit();
  const std::uint64_t needed = workers_ * kDescriptorsPerWorker + kDescriptorsPerRuntime + files;
  if (open + needed <= limit.soft) {
    return {};
  }
  const std::uint64_t room = limit.soft - std::min(limit.soft, open + kDescriptorsPerRuntime + files);
  std::string message = files == 0 ? count_of(workers_, "worker needs", "workers need")
                                   : count_of(workers_, "worker", "workers") + " and " +
                                         count_of(files, "plugin file need", "plugin files need");
  message += " " + std::to_string(needed) + " descriptors beside the " + std::to_string(open) +
             " that this process has open, and it may open " + std::to_string(limit.soft) + "; raise the limit to " +
             std::to_string(open + needed) + " or more ('ulimit -n', RLIMIT_NOFILE; LimitNOFILE= in a systemd unit)";
  if (limit.hard < open + needed) {
    message += ", of which the system allows this process up to " + std::to_string(limit.hard) + " by itself";
  }
  message += ", or use fewer workers: there is room for " + std::to_string(room / kDescriptorsPerWorker);
  return fail(ErrorCode::kUnavailable, std::move(message));
}

}  // namespace tenon::internal

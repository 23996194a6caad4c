#include "host/descriptor_budget.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

Result<void> check_descriptor_budget(std::uint32_t workers) {
  const std::uint64_t needed = workers * kDescriptorsPerWorker + kDescriptorsPerRuntime;
  const DescriptorLimit limit = descriptor_limit();
  // Counting open descriptors takes longer than all other start checks. A few workers under a usual
  // limit need no count; if the limit is close anyway, starting them reports it.
  if (needed <= limit.soft / 4) {
    return {};
  }
  const std::uint64_t open = open_descriptor_count().value_or(0);
  if (open + needed <= limit.soft) {
    return {};
  }
  const std::uint64_t room = limit.soft - std::min(limit.soft, open + kDescriptorsPerRuntime);
  std::string message = count_of(workers, "worker needs", "workers need") + " " + std::to_string(needed) +
                        " descriptors beside the " + std::to_string(open) +
                        " that this process has open, and it may open " + std::to_string(limit.soft) +
                        "; raise the limit to " + std::to_string(open + needed) +
                        " or more ('ulimit -n', RLIMIT_NOFILE; LimitNOFILE= in a systemd unit)";
  if (limit.hard < open + needed) {
    message += ", of which the system allows this process up to " + std::to_string(limit.hard) + " by itself";
  }
  message += ", or use fewer workers: there is room for " + std::to_string(room / kDescriptorsPerWorker);
  return fail(ErrorCode::kUnavailable, std::move(message));
}

}  // namespace tenon::internal

/// host/bulk_limits.hpp: which small calls travel together, and how many. `map` and the pipeline's
/// executor share these limits.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tenon/options.hpp>

namespace tenon::internal {

/// Upper bound of a bulk call's run time, estimated from recent calls. Longer work is distributed better as several
/// smaller bulk calls.
inline constexpr std::int64_t kLongestBulkNs = 150'000;
inline constexpr std::uint32_t kMostBulkCalls = 1024;
/// Maximum size of the arguments of one bulk call.
inline constexpr std::size_t kMostBulkBytes = std::size_t{256} << 10;

/// Whether calls with these options may travel together: a time limit or an affinity applies to a
/// single call.
[[nodiscard]] inline bool may_travel_together(const CallOptions& options) noexcept {
  return !options.timeout && !options.queue_timeout && !options.run_timeout && options.affinity_key.empty();
}

}  // namespace tenon::internal

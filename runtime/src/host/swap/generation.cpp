#include "host/swap/generation.hpp"

#include <algorithm>
#include <vector>

namespace tenon::internal {

std::int64_t GenerationCounts::p99_ns() const {
  std::vector<std::int64_t> sorted(
      run_ns_.begin(), run_ns_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(next_, run_ns_.size())));
  if (sorted.empty()) {
    return 0;
  }
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) * 99 / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

}  // namespace tenon::internal

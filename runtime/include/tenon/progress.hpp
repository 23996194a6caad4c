/// tenon/progress.hpp: how far a running call has got.
#pragma once

#include <cstdint>

namespace tenon {

/// Progress of a running call, as last reported by the task.
struct Progress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0 if the task does not know it.
};

}  // namespace tenon

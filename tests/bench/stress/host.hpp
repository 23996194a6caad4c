/// The stress test's own side.
#pragma once

#include <cstdint>

namespace tenon::bench {

/// Sends `messages` to a worker process and checks every answer. Prints what was done. Returns the exit code: 1 when
/// anything was wrong.
int run_stress_host(std::uint64_t messages);

}  // namespace tenon::bench

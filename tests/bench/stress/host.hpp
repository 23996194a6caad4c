/// The host side of the stress test.
#pragma once

#include <cstdint>

namespace tenon::bench {

/// Sends `messages` messages to a worker process and checks every result. Prints a summary. Returns
/// the exit code: 1 if there was any error.
int run_stress_host(std::uint64_t messages);

}  // namespace tenon::bench

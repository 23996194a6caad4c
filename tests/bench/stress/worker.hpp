/// The other process of the stress test.
#pragma once

#include "platform/process.hpp"

namespace tenon::bench {

/// The descriptors that it is started with.
enum WorkerDescriptor : int {
  kSubmissions = 3,
  kCompletions = 4,
  kBell = 5,
  kArguments = 6,
  kResults = 7,
};
inline constexpr std::uint32_t kArgumentSegment = 1;
inline constexpr std::uint32_t kResultSegment = 2;

/// Checks every argument and completes it with a result, until kLastCall. Returns the exit code.
int run_stress_worker();

}  // namespace tenon::bench

/// The status of a process according to the system.
#pragma once

#include <cstdint>

namespace tenon::bench {

/// Returns the resident memory of this process in bytes, including shared memory.
[[nodiscard]] std::int64_t resident_bytes();
/// Returns the private memory of a process in bytes: Private_Clean + Private_Dirty of its
/// smaps_rollup.
[[nodiscard]] std::int64_t private_bytes(std::int64_t pid);
/// Returns how often the threads of a process have been scheduled off a core, voluntarily or not.
/// The thread `but_for` is left out.
[[nodiscard]] std::int64_t context_switches(std::int64_t pid, std::int64_t but_for = 0);

}  // namespace tenon::bench

/// What the system says of a process.
#pragma once

#include <cstdint>

namespace tenon::bench {

/// Resident memory of this process in bytes, shared memory included.
[[nodiscard]] std::int64_t resident_bytes();
/// Private memory of a process in bytes: Private_Clean + Private_Dirty of its smaps_rollup.
[[nodiscard]] std::int64_t private_bytes(std::int64_t pid);
/// How often the threads of a process have been scheduled off a core, of their own accord or not. `but_for`: a thread
/// that is left out.
[[nodiscard]] std::int64_t context_switches(std::int64_t pid, std::int64_t but_for = 0);

}  // namespace tenon::bench

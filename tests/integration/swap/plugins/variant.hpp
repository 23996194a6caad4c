/// What one variant of a plugin does otherwise than the others. Compiled once for each variant, with its faults.
#pragma once

#include <cstdint>

namespace variant {

/// Stands in each answer.
extern const std::uint32_t version;
/// What is added to each checksum; not 0 where results are wrong.
extern const std::uint64_t falsified;

// Where a variant may misbehave; its static constructors are the fifth such place.
void on_entry();
/// `worker_id`: 0 in an inspection.
void on_init(std::uint64_t worker_id);
void on_call(std::uint64_t number_in_worker);
void on_fini();

}  // namespace variant

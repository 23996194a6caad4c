/// The differences between the variants of a plugin. Compiled once for each variant, with its
/// faults.
#pragma once

#include <cstdint>

namespace variant {

/// Part of each result.
extern const std::uint32_t version;
/// Added to each checksum; not 0 if results are to be wrong.
extern const std::uint64_t falsified;

// Points at which a variant may misbehave; its static constructors are the fifth one.
void on_entry();
/// `worker_id` is 0 in an inspection.
void on_init(std::uint64_t worker_id);
void on_call(std::uint64_t number_in_worker);
void on_fini();

}  // namespace variant

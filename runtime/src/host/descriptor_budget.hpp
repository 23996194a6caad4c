/// host/descriptor_budget.hpp: checks whether this process may open the descriptors that its
/// workers need.
#pragma once

#include <cstdint>

#include <tenon/error.hpp>

namespace tenon::internal {

/// The host's descriptors per worker: control channel, event bell, result memory, exit handle,
/// stdout, stderr.
inline constexpr std::uint64_t kDescriptorsPerWorker = 6;
/// Descriptors of a runtime apart from its workers, including those used temporarily while a worker
/// starts.
inline constexpr std::uint64_t kDescriptorsPerRuntime = 16;

/// Errors: kUnavailable if the limit of this process is too low for this many workers, with the
/// required number, the limit and what to do. The limit itself is not changed: it belongs to the
/// program, which may rely on it (select(2) is limited to 1024). [any-thread]
[[nodiscard]] Result<void> check_descriptor_budget(std::uint32_t workers);

}  // namespace tenon::internal

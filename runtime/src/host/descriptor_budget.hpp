/// host/descriptor_budget.hpp: whether this process may open the descriptors that its workers need.
#pragma once

#include <cstdint>

#include <tenon/error.hpp>

namespace tenon::internal {

/// What the host holds for each worker: control channel, event bell, result memory, exit handle, stdout, stderr.
inline constexpr std::uint64_t kDescriptorsPerWorker = 6;
/// What a runtime holds beside its workers, and what the start of one worker takes for a moment.
inline constexpr std::uint64_t kDescriptorsPerRuntime = 16;

/// Errors: kUnavailable when the limit of this process has no room for so many workers, with what is needed, what there
/// is and what to do. The limit itself is left alone: it is the program's, which may rely on it (select(2) ends at
/// 1024). [any-thread]
[[nodiscard]] Result<void> check_descriptor_budget(std::uint32_t workers);

}  // namespace tenon::internal

/// host/descriptor_budget.hpp: checks whether this process may open the descriptors that its
/// workers need.
#pragma once

#include <cstdint>
#include <optional>

#include <tenon/error.hpp>

namespace tenon::internal {

/// The host's descriptors per worker: control channel, event bell, result memory, exit handle,
/// stdout, stderr.
inline constexpr std::uint64_t kDescriptorsPerWorker = 6;
/// Descriptors of a runtime apart from its workers and the plugin files that it keeps open, including
/// those used temporarily while a worker starts.
inline constexpr std::uint64_t kDescriptorsPerRuntime = 16;

/// What a runtime that starts may open. The limit itself is not changed: it belongs to the program,
/// which may rely on it (select(2) is limited to 1024).
class DescriptorBudget {
 public:
  /// Checks the budget before the runtime opens anything. Errors: kUnavailable if the limit of this
  /// process is too low for this many workers, with the required number, the limit and what to do.
  [[nodiscard]] static Result<DescriptorBudget> for_workers(std::uint32_t workers);
  /// Checks it again when it is known how many plugin files the runtime keeps open. Errors: as above.
  [[nodiscard]] Result<void> check_files(std::uint64_t files) const { return check(files); }

 private:
  DescriptorBudget(std::uint32_t workers, std::optional<std::uint64_t> open) : workers_(workers), open_(open) {}
  [[nodiscard]] Result<void> check(std::uint64_t files) const;

  std::uint32_t workers_;
  /// How many were open before; empty if the limit is so high that they need no count.
  std::optional<std::uint64_t> open_;
};

}  // namespace tenon::internal

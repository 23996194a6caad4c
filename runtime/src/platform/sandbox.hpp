/// Takes rights away from this process.
#pragma once

#include <cstdint>
#include <optional>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Limits of this process; absent leaves a limit as it is. They cannot be raised again.
struct SandboxOptions {
  /// No program started from here on gets further rights (set-uid is without effect).
  bool no_new_privileges = true;
  /// All address space, in bytes. Not together with a sanitizer.
  std::optional<std::uint64_t> address_space_bytes = std::nullopt;
  /// Private writable memory, in bytes.
  std::optional<std::uint64_t> data_bytes = std::nullopt;
  /// Core files, in bytes.
  std::optional<std::uint64_t> core_bytes = std::nullopt;
  /// CPU time, in seconds; then SIGXCPU ends the process.
  std::optional<std::uint64_t> cpu_seconds = std::nullopt;
  /// Largest file it may write, in bytes.
  std::optional<std::uint64_t> file_size_bytes = std::nullopt;
};

/// Applies the limits to this process; where the system's own limit is lower, that one stays. Errors: kIo, naming
/// the limit. [setup], before other threads start
[[nodiscard]] Result<void> apply_sandbox(const SandboxOptions& options);

}  // namespace tenon::internal

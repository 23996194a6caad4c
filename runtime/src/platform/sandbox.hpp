/// Restricts this process.
#pragma once

#include <cstdint>
#include <optional>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Limits of this process; an absent one is left unchanged. They cannot be raised again.
struct SandboxOptions {
  /// Programs started from now on gain no privileges (set-user-ID has no effect).
  bool no_new_privileges = true;
  /// Total address space, in bytes. Cannot be combined with a sanitizer.
  std::optional<std::uint64_t> address_space_bytes = std::nullopt;
  /// Private writable memory, in bytes.
  std::optional<std::uint64_t> data_bytes = std::nullopt;
  /// Core files, in bytes.
  std::optional<std::uint64_t> core_bytes = std::nullopt;
  /// CPU time, in seconds; SIGXCPU kills the process after that.
  std::optional<std::uint64_t> cpu_seconds = std::nullopt;
  /// Largest file that it may write, in bytes.
  std::optional<std::uint64_t> file_size_bytes = std::nullopt;
};

/// Applies the limits to this process; a lower limit of the system stays. Errors: kIo, naming the
/// limit. [setup], before other threads start.
[[nodiscard]] Result<void> apply_sandbox(const SandboxOptions& options);

}  // namespace tenon::internal

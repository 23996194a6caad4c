/// Unique numbers and names.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tenon::internal {

/// Returns 1, 2, 3, ... [any-thread]
class IdSequence {
 public:
  /// Reserves `count` numbers for the caller and returns the first.
  [[nodiscard]] std::uint64_t next(std::uint64_t count = 1) noexcept {
    // Relaxed: only the number must be unique; nothing else is published with it.
    return next_.fetch_add(count, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> next_{1};
};

/// 16 hexadecimal digits from the system's random source, for the names of temporary files.
/// [any-thread]
[[nodiscard]] std::string random_name();

}  // namespace tenon::internal

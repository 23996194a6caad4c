/// Numbers and names that are given once.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tenon::internal {

/// Gives 1, 2, 3 ... [any-thread]
class IdSequence {
 public:
  /// The first of `count` numbers, all of them the caller's.
  [[nodiscard]] std::uint64_t next(std::uint64_t count = 1) noexcept {
    // Relaxed: only the number itself must be unique, nothing else is published with it.
    return next_.fetch_add(count, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> next_{1};
};

/// 16 hexadecimal digits from the system's random source, for names of temporary files. [any-thread]
[[nodiscard]] std::string random_name();

}  // namespace tenon::internal

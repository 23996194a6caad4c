/// Searches for a sequence of bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::plugins {

/// Searches for one sequence of bytes in many texts. Compares the two bytes of the sequence that
/// are rarest in ordinary text at 64 positions at once, and the whole sequence only where both fit.
/// Thread-safe.
class ByteFinder {
 public:
  /// `wanted` has at least one byte.
  explicit ByteFinder(std::string wanted);

  /// The position of the first occurrence; std::string_view::npos if there is none.
  [[nodiscard]] std::size_t find(std::string_view text) const noexcept;
  [[nodiscard]] const std::string& wanted() const noexcept { return wanted_; }

 private:
  std::string wanted_;
  std::size_t first_ = 0;   ///< Index of the rarest byte.
  std::size_t second_ = 0;  ///< Index of the next; the same if there is only one byte.
};

}  // namespace tenon::plugins

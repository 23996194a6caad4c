/// Searches lines for a regular expression.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "text_generated.h"

namespace text {

/// A compiled pattern. Matching time is linear in the length of the line, for any pattern.
/// Thread-safe.
class Pattern {
 public:
  /// Throws TaskError TENON_INVALID_ARGUMENT with the pattern's error.
  Pattern(std::string_view pattern, bool literal, bool ignore_case);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  /// The first match in `line`.
  [[nodiscard]] std::optional<Range> find(std::string_view line) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace text

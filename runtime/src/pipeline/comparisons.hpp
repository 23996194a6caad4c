/// Comparisons with numbers, as conditions write them: ">= 400, < 500".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenon::internal {

enum class Operator { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

struct Comparison {
  Operator by = Operator::kEqual;
  std::string number;  ///< As written; not checked.
};

/// Splits a text at its commas. A part without a sign is a comparison for equality.
[[nodiscard]] std::vector<Comparison> split_comparisons(std::string_view text);

}  // namespace tenon::internal

#include "pipeline/comparisons.hpp"

#include <utility>

namespace tenon::internal {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

}  // namespace

std::vector<Comparison> split_comparisons(std::string_view text) {
  static constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {">=", Operator::kGreaterEqual}, {"<=", Operator::kLessEqual}, {"!=", Operator::kNotEqual},
      {"==", Operator::kEqual},        {">", Operator::kGreater},    {"<", Operator::kLess},
      {"=", Operator::kEqual}};
  std::vector<Comparison> out;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = trimmed(text.substr(0, comma));
    Comparison one;
    for (const auto& [sign, by] : kOperators) {
      if (part.starts_with(sign)) {
        one.by = by;
        part = trimmed(part.substr(sign.size()));
        break;
      }
    }
    one.number = std::string(part);
    out.push_back(std::move(one));
    if (comma == std::string_view::npos) {
      return out;
    }
    text.remove_prefix(comma + 1);
  }
}

}  // namespace tenon::internal

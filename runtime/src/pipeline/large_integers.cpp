#include "pipeline/large_integers.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace tenon::internal {
namespace {

constexpr std::uint64_t kInt64Max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

bool is_token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' ||
         c == '-' || c == '.' || c == ':';
}

int digit_of(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : 99;
}

/// An integer in TOML syntax, without its sign.
struct Magnitude {
  std::uint64_t value = 0;
  bool overflows = false;
};

/// Returns nullopt for a token that is not an integer; the parser checks that token.
std::optional<Magnitude> parse_magnitude(std::string_view digits, bool has_sign) {
  unsigned base = 10;
  if (digits.size() > 2 && digits[0] == '0' && !has_sign) {
    base = digits[1] == 'x' ? 16U : digits[1] == 'o' ? 8U : digits[1] == 'b' ? 2U : 10U;
    digits.remove_prefix(base == 10 ? 0 : 2);
  }
  if (digits.empty() || (base == 10 && digits.size() > 1 && digits[0] == '0')) {
    return std::nullopt;
  }
  Magnitude magnitude;
  bool after_digit = false;
  for (const char c : digits) {
    if (c == '_' && after_digit) {
      after_digit = false;
      continue;
    }
    const auto digit = static_cast<unsigned>(digit_of(c));
    if (digit >= base) {
      return std::nullopt;
    }
    after_digit = true;
    magnitude.overflows = magnitude.overflows || __builtin_mul_overflow(magnitude.value, base, &magnitude.value) ||
                          __builtin_add_overflow(magnitude.value, digit, &magnitude.value);
  }
  return after_digit ? std::optional(magnitude) : std::nullopt;
}

/// Returns "nan" or "inf" if the token is one of them in any letters, perhaps with a sign; otherwise
/// an empty text.
std::string_view special_name(std::string_view token) {
  if (!token.empty() && (token[0] == '+' || token[0] == '-')) {
    token.remove_prefix(1);
  }
  std::string small(token.substr(0, 9));
  std::transform(small.begin(), small.end(), small.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return small == "nan" ? "nan" : small == "inf" || small == "infinity" ? "inf" : "";
}

void look_at(std::string_view token, std::size_t offset, SpecialNumbers specials, LargeIntegers& found,
             std::optional<BadNumber>& bad) {
  const bool has_sign = token[0] == '+' || token[0] == '-';
  const auto begin = found.text.begin() + static_cast<std::ptrdiff_t>(offset);
  const auto magnitude = parse_magnitude(token.substr(has_sign ? 1 : 0), has_sign);
  if (!magnitude) {
    const std::string_view special = special_name(token);
    if (specials == SpecialNumbers::kAnyCase && !special.empty()) {
      const auto name = begin + (has_sign ? 1 : 0);
      std::fill(std::copy(special.begin(), special.end(), name), begin + static_cast<std::ptrdiff_t>(token.size()),
                ' ');
    }
    return;
  }
  const bool negative = token[0] == '-';
  if (magnitude->overflows || (negative && magnitude->value > kInt64Max + 1)) {
    if (!bad) {
      bad = BadNumber{offset, std::string(token) + " has more than 64 bits",
                      "integers range from -9223372036854775808 to 18446744073709551615"};
    }
    return;
  }
  if (!negative && magnitude->value > kInt64Max) {
    found.values[offset] = magnitude->value;
    std::fill_n(begin, token.size(), '_');
    found.text[offset] = '"';
    found.text[offset + token.size() - 1] = '"';
  }
}

}  // namespace

std::size_t skip_toml_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool multi_line = text.substr(at).starts_with(three);
  for (std::size_t i = at + (multi_line ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (multi_line ? text.substr(i).starts_with(three) : text[i] == quote || text[i] == '\n') {
      return i + (multi_line ? 3 : 1);
    }
  }
  return text.size();
}

LargeIntegers take_large_integers(std::string_view text, SpecialNumbers specials, std::optional<BadNumber>& bad) {
  LargeIntegers found{std::string(text), {}};
  std::vector<char> open;  // The arrays and inline tables that are open at this position.
  bool value_comes = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = skip_toml_string(text, i);
      value_comes = false;
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (is_token_character(c)) {
      std::size_t end = i;
      while (end < text.size() && is_token_character(text[end])) {
        ++end;
      }
      if (value_comes) {
        look_at(text.substr(i, end - i), i, specials, found, bad);
      }
      value_comes = false;
      i = end;
      continue;
    }
    const bool in_array = !open.empty() && open.back() == '[';
    if (c == '=') {
      value_comes = true;
    } else if (c == ',') {
      value_comes = in_array;
    } else if ((c == '[' || c == '{') && value_comes) {
      open.push_back(c);
      value_comes = c == '[';
    } else if ((c == ']' || c == '}') && !open.empty()) {
      open.pop_back();
      value_comes = false;
    } else if (c == '\n' && !in_array) {
      value_comes = false;
    }
    ++i;
  }
  return found;
}

}  // namespace tenon::internal

#include "rows/csv_values.hpp"

#include <charconv>
#include <limits>
#include <system_error>

namespace tenon::rows {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Whether a number may follow: std::from_chars also takes "nan" and "inf".
bool starts_number(std::string_view text) noexcept {
  const std::size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  return text.size() > sign && (text[sign] == '.' || is_digit(text[sign]));
}

}  // namespace

std::optional<std::int64_t> integer_of(std::string_view text) noexcept {
  if (!starts_number(text)) {
    return std::nullopt;
  }
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> number_of(std::string_view text) noexcept {
  if (!starts_number(text)) {
    return std::nullopt;
  }
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> not_finite_of(std::string_view text) noexcept {
  if (text == "NaN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const bool negative = text.starts_with('-');
  if (text.substr(negative ? 1 : 0) == "Infinity") {
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  return std::nullopt;
}

std::optional<bool> boolean_of(std::string_view text) noexcept {
  if (text == "true" || text == "TRUE" || text == "True") {
    return true;
  }
  if (text == "false" || text == "FALSE" || text == "False") {
    return false;
  }
  return std::nullopt;
}

CsvValue infer(std::string_view text) noexcept {
  CsvValue value;
  if (text.empty()) {
    value.kind = CsvValue::Kind::kNull;
    return value;
  }
  const std::size_t sign = text.front() == '-' ? 1 : 0;
  if (text.size() == sign || !is_digit(text[sign])) {
    if (const auto boolean = text.size() <= 5 ? boolean_of(text) : std::nullopt) {
      value.kind = CsvValue::Kind::kBool;
      value.boolean = *boolean;
    }
    return value;
  }
  // Numbers with leading zeros are names: postal codes, article numbers.
  if (text[sign] == '0' && text.size() > sign + 1 && is_digit(text[sign + 1])) {
    return value;
  }
  if (const auto integer = integer_of(text)) {
    value.kind = CsvValue::Kind::kInteger;
    value.integer = *integer;
  } else if (text.find_first_not_of("0123456789", sign) != std::string_view::npos) {
    if (const auto number = number_of(text)) {
      value.kind = CsvValue::Kind::kNumber;
      value.number = *number;
    }
  }
  return value;
}

void add_inferred(std::string_view name, const CsvField& field, RecordBuilder& record) {
  const CsvValue value = field.quoted ? CsvValue() : infer(field.text);
  switch (value.kind) {
    case CsvValue::Kind::kNull:
      record.null(name);
      break;
    case CsvValue::Kind::kBool:
      record.boolean(name, value.boolean);
      break;
    case CsvValue::Kind::kInteger:
      record.integer(name, value.integer);
      break;
    case CsvValue::Kind::kNumber:
      record.number(name, value.number);
      break;
    case CsvValue::Kind::kText:
      record.text(name, field.text);
      break;
  }
}

}  // namespace tenon::rows

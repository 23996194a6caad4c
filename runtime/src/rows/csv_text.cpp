#include "rows/csv_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "rows/csv_values.hpp"

namespace tenon::rows {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

/// Appends a number that does not read as an integer.
void append_fraction(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    return;
  }
  const std::size_t start = out.size();
  append_number(out, value);
  if (out.find_first_not_of("-0123456789", start) == std::string::npos) {
    out += ".0";
  }
}

std::string append_text(std::string& out, std::string_view text, bool name, const CsvDialect& dialect) {
  const std::array<char, 4> special{dialect.separator, '\n', '\r', dialect.quote};
  const std::string_view wanted(special.data(), dialect.quote == '\0' ? 3 : 4);
  bool quoted = text.find_first_of(wanted) != std::string_view::npos;
  if (dialect.quote == '\0') {
    if (quoted) {
      return "contains a separator or a line break, which needs quotes; set `quote`";
    }
    out += text;
    return {};
  }
  // Text that would read as another value, or as a byte order mark, is quoted too.
  quoted = quoted || text.starts_with(kByteOrderMark.front()) ||
           (name ? text.empty() : infer(text).kind != CsvValue::Kind::kText);
  if (!quoted) {
    out += text;
    return {};
  }
  out += dialect.quote;
  for (std::size_t at = 0;;) {
    const std::size_t inner = text.find(dialect.quote, at);
    out += text.substr(at, inner == std::string_view::npos ? inner : inner - at);
    if (inner == std::string_view::npos) {
      break;
    }
    out.append(2, dialect.quote);
    at = inner + 1;
  }
  out += dialect.quote;
  return {};
}

}  // namespace

std::string append_csv_value(std::string& out, const tenon::RecordField* field, const CsvDialect& dialect) {
  // A type without its value is a valid table.
  switch (field == nullptr || field->value() == nullptr ? tenon::Scalar::NullValue : field->value_type()) {
    case tenon::Scalar::BoolValue:
      out += field->value_as_BoolValue()->value() ? "true" : "false";
      return {};
    case tenon::Scalar::IntValue:
      append_number(out, field->value_as_IntValue()->value());
      return {};
    case tenon::Scalar::FloatValue:
      append_fraction(out, field->value_as_FloatValue()->value());
      return {};
    case tenon::Scalar::TextValue: {
      const auto* const text = field->value_as_TextValue()->value();
      return append_text(out, text == nullptr ? std::string_view() : std::string_view(text->data(), text->size()),
                         false, dialect);
    }
    default:
      return {};
  }
}

std::string append_csv_name(std::string& out, std::string_view name, const CsvDialect& dialect) {
  return append_text(out, name, true, dialect);
}

}  // namespace tenon::rows

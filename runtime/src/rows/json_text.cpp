#include "rows/json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/utf8.hpp"

namespace tenon::rows {
namespace {

/// Whether a byte stands for itself in a JSON string.
bool is_plain(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

void append_escaped_byte(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      static constexpr std::string_view kDigits = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
  }
}

std::string_view view(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t begin = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    if (is_plain(text[i])) {
      ++i;
      continue;
    }
    out.append(text, begin, i - begin);
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      append_escaped_byte(out, text[i]);
      ++i;
    } else {
      const std::size_t length = internal::utf8_length(text.substr(i));
      if (length > 0) {
        out.append(text, i, length);
      } else {
        out += "\xEF\xBF\xBD";
      }
      i += length > 0 ? length : 1;
    }
    begin = i;
  }
  out.append(text, begin, text.size() - begin);
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  append_number(out, value);
}

void append_json_fraction(std::string& out, double value) {
  const std::size_t start = out.size();
  append_number(out, value);
  if (out.find_first_not_of("-0123456789", start) == std::string::npos) {
    out += ".0";
  }
}

void append_json_value(std::string& out, const tenon::RecordField& field) {
  // A type without its value is a valid table.
  switch (field.value() == nullptr ? tenon::Scalar::NullValue : field.value_type()) {
    case tenon::Scalar::BoolValue:
      out += field.value_as_BoolValue()->value() ? "true" : "false";
      return;
    case tenon::Scalar::IntValue:
      append_number(out, field.value_as_IntValue()->value());
      return;
    case tenon::Scalar::FloatValue:
      append_json_number(out, field.value_as_FloatValue()->value());
      return;
    case tenon::Scalar::TextValue:
      append_json_string(out, view(field.value_as_TextValue()->value()));
      return;
    default:
      out += "null";
  }
}

void append_json_record(std::string& out, const tenon::Record& record) {
  out += '{';
  if (record.fields() != nullptr) {
    bool first = true;
    for (const tenon::RecordField* field : *record.fields()) {
      if (!first) {
        out += ',';
      }
      first = false;
      append_json_string(out, view(field->name()));
      out += ':';
      append_json_value(out, *field);
    }
  }
  out += '}';
}

}  // namespace tenon::rows

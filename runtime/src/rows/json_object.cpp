#include "rows/json_object.hpp"

#include <algorithm>
#include <charconv>

#include "base/utf8.hpp"

namespace tenon::rows {
namespace {

constexpr unsigned kMaxDepth = 64;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// The value of four hexadecimal digits; -1 for others.
int hex4(std::string_view text) noexcept {
  unsigned value = 0;
  if (text.size() < 4) {
    return -1;
  }
  const auto parsed = std::from_chars(text.data(), text.data() + 4, value, 16);
  return parsed.ptr == text.data() + 4 ? static_cast<int>(value) : -1;
}

std::size_t write_utf8(char* to, unsigned c) noexcept {
  if (c < 0x80) {
    to[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    to[0] = static_cast<char>(0xC0 | (c >> 6));
    to[1] = static_cast<char>(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    to[0] = static_cast<char>(0xE0 | (c >> 12));
    to[1] = static_cast<char>(0x80 | ((c >> 6) & 63));
    to[2] = static_cast<char>(0x80 | (c & 63));
    return 3;
  }
  to[0] = static_cast<char>(0xF0 | (c >> 18));
  to[1] = static_cast<char>(0x80 | ((c >> 12) & 63));
  to[2] = static_cast<char>(0x80 | ((c >> 6) & 63));
  to[3] = static_cast<char>(0x80 | (c & 63));
  return 4;
}

/// Whether the magnitude of a number in JSON is below one, if it is not near one.
bool is_below_one(std::string_view number) {
  number.remove_prefix(number.starts_with('-') ? 1 : 0);
  const std::size_t e = number.find_first_of("eE");
  if (e != std::string_view::npos && number[e + 1] != '-') {
    return false;
  }
  // "0.00..." without an exponent, or a negative exponent that outweighs the digits before the point.
  const std::size_t whole = std::min(number.find_first_of(".eE"), number.size());
  if (number.front() == '0' || e == std::string_view::npos) {
    return number.front() == '0';
  }
  std::size_t exponent = 0;
  const std::string_view digits = number.substr(e + 2);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  return code != std::errc() || exponent > whole;
}

}  // namespace

bool JsonObjectParser::parse(std::string_view json) {
  json_ = json;
  at_ = 0;
  fields_.clear();
  prefix_.clear();
  stored_ = 0;
  error_.clear();
  constexpr std::size_t kMaxNames = 1000;
  constexpr std::size_t kMaxNameBytes = std::size_t{1} << 20;
  if (names_.size() > kMaxNames || name_bytes_ > kMaxNameBytes) {
    names_.clear();
  }
  name_bytes_ = 0;
  // Unescaped text is never longer than its JSON.
  if (storage_.size() < json.size()) {
    storage_.resize(json.size());
  }
  skip_space();
  if (peek() != '{') {
    return fail("expected an object (`{`)");
  }
  if (!object(0)) {
    return false;
  }
  skip_space();
  return at_ == json_.size() || fail("expected nothing after the object");
}

bool JsonObjectParser::fail(std::string_view what) {
  if (error_.empty()) {
    error_ = std::string(what) + " at byte " + std::to_string(at_ + 1);
  }
  return false;
}

void JsonObjectParser::skip_space() noexcept {
  while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\t' || json_[at_] == '\r' || json_[at_] == '\n')) {
    ++at_;
  }
}

std::string_view JsonObjectParser::name_below_prefix(std::string_view name) {
  if (prefix_.empty()) {
    return name;
  }
  const std::size_t outer = prefix_.size();
  prefix_.append(name);
  const std::string_view known = *names_.insert(prefix_).first;
  prefix_.resize(outer);
  return known;
}

bool JsonObjectParser::member_name(std::string_view& name) {
  if (peek() != '"') {
    return fail("expected a name in quotes");
  }
  if (!string(name)) {
    return false;
  }
  skip_space();
  if (peek() != ':') {
    return fail("expected `:`");
  }
  ++at_;
  skip_space();
  return true;
}

bool JsonObjectParser::object(unsigned depth) {
  if (depth == kMaxDepth) {
    return fail("the object is nested more than 64 levels deep");
  }
  ++at_;
  skip_space();
  if (peek() == '}') {
    ++at_;
    return true;
  }
  for (;;) {
    std::string_view name;
    if (!member_name(name) || !value(name, depth)) {
      return false;
    }
    skip_space();
    if (peek() == '}') {
      ++at_;
      return true;
    }
    if (peek() != ',') {
      return fail("expected `,` or `}`");
    }
    ++at_;
    skip_space();
  }
}

bool JsonObjectParser::value(std::string_view name, unsigned depth) {
  if (peek() == '{') {
    const std::size_t outer = prefix_.size();
    prefix_.append(name) += '.';
    const bool ok = object(depth + 1);
    prefix_.resize(outer);
    return ok;
  }
  // A long name around many short ones would take much more memory than its text.
  if (!prefix_.empty() && (name_bytes_ += prefix_.size() + name.size()) > 32 * json_.size() + (std::size_t{64} << 10)) {
    return fail("the names of inner objects are too long");
  }
  JsonField field;
  field.name = name_below_prefix(name);
  bool ok = true;
  switch (peek()) {
    case '"':
      field.kind = JsonField::Kind::kText;
      ok = string(field.text);
      break;
    case '[': {
      field.kind = JsonField::Kind::kText;
      const std::size_t begin = at_;
      ok = skip_value(depth + 1);
      field.text = json_.substr(begin, at_ - begin);
      break;
    }
    case 't':
    case 'f':
      field.kind = JsonField::Kind::kBool;
      field.boolean = peek() == 't';
      ok = literal(field.boolean ? "true" : "false");
      break;
    case 'n':
      ok = literal("null");
      break;
    default:
      ok = number(field);
  }
  if (ok) {
    fields_.push_back(field);
  }
  return ok;
}

/// Checks a value inside an array.
bool JsonObjectParser::skip_value(unsigned depth) {
  if (depth == kMaxDepth) {
    return fail("the object is nested more than 64 levels deep");
  }
  const char open = peek();
  if (open == '"') {
    std::string_view ignored;
    return string(ignored);
  }
  if (open == 't' || open == 'f' || open == 'n') {
    return literal(open == 't' ? "true" : open == 'f' ? "false" : "null");
  }
  if (open != '[' && open != '{') {
    JsonField ignored;
    return number(ignored);
  }
  const char close = open == '[' ? ']' : '}';
  ++at_;
  skip_space();
  if (peek() == close) {
    ++at_;
    return true;
  }
  for (;;) {
    if (open == '{') {
      std::string_view ignored;
      if (!member_name(ignored)) {
        return false;
      }
    }
    if (!skip_value(depth + 1)) {
      return false;
    }
    skip_space();
    if (peek() == close) {
      ++at_;
      return true;
    }
    if (peek() != ',') {
      return fail(open == '[' ? "expected `,` or `]`" : "expected `,` or `}`");
    }
    ++at_;
    skip_space();
  }
}

bool JsonObjectParser::string(std::string_view& text) {
  const std::size_t begin = ++at_;
  bool escaped = false;
  bool ascii = true;
  for (;; ++at_) {
    if (at_ >= json_.size()) {
      return fail("the text that starts at byte " + std::to_string(begin) + " has no closing quote");
    }
    const auto byte = static_cast<unsigned char>(json_[at_]);
    if (byte == '"') {
      break;
    }
    if (byte < 0x20) {
      return fail("a control character must be escaped");
    }
    ascii = ascii && byte < 0x80;
    if (byte == '\\') {
      escaped = true;
      ++at_;
    }
  }
  const std::string_view raw = json_.substr(begin, at_ - begin);
  if (!ascii && !internal::is_utf8(raw)) {
    return fail("the text that starts at byte " + std::to_string(begin) + " is not UTF-8");
  }
  ++at_;
  if (!escaped) {
    text = raw;
    return true;
  }
  const std::size_t first = stored_;
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      storage_[stored_++] = raw[i++];
    } else if (!escape(raw, i)) {
      return fail("the text that starts at byte " + std::to_string(begin) +
                  " contains an escape that JSON does not have");
    }
  }
  text = {storage_.data() + first, stored_ - first};
  return true;
}

bool JsonObjectParser::escape(std::string_view raw, std::size_t& i) {
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (i + 1 >= raw.size()) {
    return false;
  }
  const char name = raw[i + 1];
  if (const std::size_t which = kNames.find(name); which != std::string_view::npos) {
    storage_[stored_++] = kMeanings[which];
    i += 2;
    return true;
  }
  const int unit = name == 'u' ? hex4(raw.substr(i + 2)) : -1;
  if (unit < 0) {
    return false;
  }
  i += 6;
  auto character = static_cast<unsigned>(unit);
  if (character >= 0xD800 && character <= 0xDFFF) {
    // A pair of surrogates is one character; half of one is replaced.
    const int low = raw.substr(i).starts_with("\\u") ? hex4(raw.substr(i + 2)) : -1;
    if (character < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF) {
      character = 0x10000 + ((character - 0xD800) << 10) + (static_cast<unsigned>(low) - 0xDC00);
      i += 6;
    } else {
      character = 0xFFFD;
    }
  }
  stored_ += write_utf8(storage_.data() + stored_, character);
  return true;
}

bool JsonObjectParser::number(JsonField& field) {
  const std::size_t begin = at_;
  at_ += peek() == '-' ? 1 : 0;
  if (!is_digit(peek())) {
    at_ = begin;
    return fail("expected a value");
  }
  bool whole = true;
  const bool zero = peek() == '0';
  const std::size_t digits = at_;
  while (is_digit(peek())) {
    ++at_;
  }
  if (zero && at_ - digits > 1) {
    return fail("a number must not start with 0");
  }
  if (peek() == '.') {
    whole = false;
    ++at_;
    if (!is_digit(peek())) {
      return fail("expected a digit");
    }
    while (is_digit(peek())) {
      ++at_;
    }
  }
  if (peek() == 'e' || peek() == 'E') {
    whole = false;
    ++at_;
    at_ += peek() == '+' || peek() == '-' ? 1 : 0;
    if (!is_digit(peek())) {
      return fail("expected a digit");
    }
    while (is_digit(peek())) {
      ++at_;
    }
  }
  const char* first = json_.data() + begin;
  const char* last = json_.data() + at_;
  if (whole && std::from_chars(first, last, field.integer).ec == std::errc()) {
    field.kind = JsonField::Kind::kInteger;
    return true;
  }
  field.kind = JsonField::Kind::kNumber;
  const std::errc code = std::from_chars(first, last, field.number).ec;
  if (code == std::errc::result_out_of_range && is_below_one(std::string_view(first, last))) {
    field.number = 0;  // Too small to distinguish from zero.
    return true;
  }
  return code == std::errc() || fail("the number is out of range");
}

bool JsonObjectParser::literal(std::string_view word) {
  if (json_.substr(at_, word.size()) != word) {
    return fail("expected a value");
  }
  at_ += word.size();
  return true;
}

}  // namespace tenon::rows

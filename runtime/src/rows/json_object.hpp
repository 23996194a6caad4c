/// Reads one JSON object as a flat list of named values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tenon::rows {

/// A named value of an object.
struct JsonField {
  enum class Kind { kNull, kBool, kInteger, kNumber, kText };
  /// The name, with those of the objects around it, as in `request.method`.
  std::string_view name;
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  /// Text without quotes and escapes; for an array, its JSON.
  std::string_view text;
};

/// Parses objects without an allocation per value. Not thread-safe.
class JsonObjectParser {
 public:
  /// Parses `json`, which is one object with white space around it at most. Objects in it become
  /// dotted names; an array becomes the text of its JSON. An integer beyond 64 bits becomes a
  /// number. Names occur as often as in the object. Returns false if it is malformed; error() then
  /// says why.
  bool parse(std::string_view json);

  /// Valid until the next call of parse, and as long as the text that was parsed.
  [[nodiscard]] std::span<const JsonField> fields() const noexcept { return fields_; }
  /// "expected `:` at byte 17".
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  bool fail(std::string_view what);
  void skip_space() noexcept;
  [[nodiscard]] char peek() const noexcept { return at_ < json_.size() ? json_[at_] : '\0'; }
  bool object(unsigned depth);
  bool value(std::string_view name, unsigned depth);
  bool skip_value(unsigned depth);
  bool string(std::string_view& text);
  /// Reads a member's name and the colon behind it, up to its value.
  bool member_name(std::string_view& name);
  bool escape(std::string_view raw, std::size_t& i);
  bool number(JsonField& field);
  bool literal(std::string_view word);
  std::string_view name_below_prefix(std::string_view name);

  std::string_view json_;
  std::size_t at_ = 0;
  std::vector<JsonField> fields_;
  std::string prefix_;  ///< "request." inside the object `request`.
  /// Text that differs from its JSON. Has room for all of it beforehand, so views into it stay valid.
  std::vector<char> storage_;
  std::size_t stored_ = 0;
  /// Names with a prefix, which a reader of many similar objects sees again and again. They do not move
  /// when others are added.
  std::unordered_set<std::string> names_;
  std::size_t name_bytes_ = 0;  ///< The size of the names with a prefix in this object.
  std::string error_;
};

}  // namespace tenon::rows

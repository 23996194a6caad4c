/// schema/json_document.hpp: JSON with the position of every value, so that an error can point at it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/schema.hpp>

namespace tenon::internal {

struct JsonValue;

/// A name in an object.
struct JsonKey {
  std::string name;
  std::size_t offset = 0;  ///< Location of its opening quote; see JsonValue::offset.
};

/// An integer of more than 64 bits, as it was written.
struct JsonHugeNumber {
  std::string digits;
};

using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<std::pair<JsonKey, JsonValue>>;

/// One value with its location. Trees that do not come from a JSON text have the same shape.
struct JsonValue {
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, JsonHugeNumber, std::string, JsonArray,
               JsonObject>
      data = nullptr;
  /// Names the location of the value: bytes from the start of the JSON text, or whatever the maker of the tree chose.
  std::size_t offset = 0;

  template <typename T>
  [[nodiscard]] const T* get_if() const noexcept {
    return std::get_if<T>(&data);
  }
  /// "a string", "a number" ...: for messages.
  [[nodiscard]] std::string_view kind_text() const noexcept;
};

/// Parses a whole text (RFC 8259, UTF-8). Values nested deeper than kMaxDepth are refused, and so is an object that has
/// a name twice. On an error `problem` has position and message, and the result is empty.
[[nodiscard]] bool parse_json(std::string_view text, JsonValue& root, JsonProblem& problem);

/// Line and column (in bytes) of a place in `text`.
[[nodiscard]] TextPosition text_position(std::string_view text, std::size_t offset) noexcept;

}  // namespace tenon::internal

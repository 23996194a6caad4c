/// A TOML text as a tree in which every key and every value knows its place. The only header between tenon and toml++
/// is this one; toml++ itself stays in document.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/diagnostics.hpp"

namespace tenon::internal {

/// A larger pipeline file is refused before it is parsed.
constexpr std::uint64_t kMaxDocumentBytes = std::uint64_t{4} << 20;

struct Entry;

/// One TOML value.
struct Value {
  enum class Kind { kString, kInteger, kFloat, kBool, kDateTime, kArray, kTable };
  Kind kind = Kind::kTable;
  Place place;
  std::string text;  ///< A string's content.
  std::int64_t integer = 0;
  /// Of an integer beyond int64_t, up to the largest uint64_t; `integer` is then INT64_MAX. 0 for all others.
  std::uint64_t large_integer = 0;
  double real = 0;
  bool boolean = false;
  /// The string came from the environment and may stand for any scalar.
  bool from_environment = false;
  std::vector<Value> elements;
  std::vector<Entry> entries;  ///< In the order of the file.

  /// The entry of that key; nullptr if there is none.
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] Entry* find(std::string_view key);
};

/// A key with its value.
struct Entry {
  std::string key;
  Place place;
  Value value;
};

/// The digits of an integer.
[[nodiscard]] std::string integer_text(const Value& value);

/// "a string", "an integer", "a table" ... for messages.
[[nodiscard]] std::string_view kind_name(Value::Kind kind);

/// Parses a text, at most kMaxDocumentBytes of UTF-8. nullopt after an error was reported.
[[nodiscard]] std::optional<Value> parse_document(std::string_view text, Reporter& reporter);

/// Applies `--set key=value` texts in order. The value is TOML or, failing that, a string. A table that does not exist
/// is made only inside what the file declares; unknown declarations are errors with the nearest name.
void apply_overrides(Value& root, const std::vector<std::pair<std::string, std::string>>& overrides,
                     Reporter& reporter);

/// Reads `{ env = "NAME", default = ... }` where a scalar is expected.
class Environment {
 public:
  using Lookup = std::function<std::optional<std::string>(const std::string&)>;
  /// An empty lookup is the process's own environment.
  explicit Environment(Lookup lookup);

  /// Whether a value is written as one from the environment.
  [[nodiscard]] static bool is_reference(const Value& value);
  /// The value itself, or what the environment has, as a string with from_environment set, at the reference's place.
  /// nullopt after an error was reported.
  [[nodiscard]] std::optional<Value> settle(const Value& value, Reporter& reporter) const;

 private:
  Lookup lookup_;
};

}  // namespace tenon::internal

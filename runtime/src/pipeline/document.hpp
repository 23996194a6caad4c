/// A TOML text as a tree in which every key and every value has its location. Only document.cpp
/// includes toml++; this header hides it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/diagnostics.hpp"

namespace tenon::internal {

/// A pipeline file that is larger than this is refused before it is parsed.
constexpr std::uint64_t kMaxDocumentBytes = std::uint64_t{4} << 20;

struct Entry;

/// One TOML value.
struct Value {
  enum class Kind { kString, kInteger, kFloat, kBool, kDateTime, kArray, kTable };
  Kind kind = Kind::kTable;
  Place place;
  std::string text;  ///< The content of a string.
  std::int64_t integer = 0;
  /// The value of an integer beyond int64_t, up to the largest uint64_t; `integer` is then
  /// INT64_MAX. 0 for all other values.
  std::uint64_t large_integer = 0;
  double real = 0;
  bool boolean = false;
  /// Set if the string came from the environment; it may then stand for any scalar.
  bool from_environment = false;
  std::vector<Value> elements;
  std::vector<Entry> entries;  ///< In the order of the file.

  /// Returns the entry with that key, or nullptr if there is none.
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] Entry* find(std::string_view key);
};

/// A key and its value.
struct Entry {
  std::string key;
  Place place;
  Value value;
};

/// Returns the digits of an integer.
[[nodiscard]] std::string integer_text(const Value& value);

/// Returns "a string", "an integer", "a table" and so on, for messages.
[[nodiscard]] std::string_view kind_name(Value::Kind kind);

/// Parses a text of at most kMaxDocumentBytes of UTF-8. Returns nullopt after reporting an error.
[[nodiscard]] std::optional<Value> parse_document(std::string_view text, Reporter& reporter);

/// Applies `--set key=value` texts in order. The value is parsed as TOML or, if that fails, taken
/// as a string. A missing table is created only inside what the file declares; an unknown
/// declaration is an error that suggests the nearest name.
void apply_overrides(Value& root, const std::vector<std::pair<std::string, std::string>>& overrides,
                     Reporter& reporter);

/// Reads `{ env = "NAME", default = ... }` where a scalar is expected.
class Environment {
 public:
  using Lookup = std::function<std::optional<std::string>(const std::string&)>;
  /// An empty lookup reads the environment of the process.
  explicit Environment(Lookup lookup);

  /// Returns a copy that also reads `{ file = "NAME" }`, as one of these paths by their names.
  [[nodiscard]] Environment with_files(std::map<std::string, std::string> paths) const;
  /// Returns whether the values are those of a test, made by with_files. Bytes may then be written
  /// as `{ text = "..." }`.
  [[nodiscard]] bool of_test() const noexcept { return files_.has_value(); }

  /// Returns whether a value is written as a reference to the environment.
  [[nodiscard]] static bool is_reference(const Value& value);
  /// Returns the value itself. For a reference, returns the environment's value as a string, with from_environment set
  /// and the location of the reference; for a file, its path as a string. Returns nullopt after reporting an error.
  [[nodiscard]] std::optional<Value> settle(const Value& value, Reporter& reporter) const;

 private:
  [[nodiscard]] std::optional<Value> find_file(const Value& name, Reporter& reporter) const;

  Lookup lookup_;
  std::optional<std::map<std::string, std::string>> files_;
};

}  // namespace tenon::internal

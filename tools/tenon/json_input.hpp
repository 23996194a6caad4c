/// Converts JSON on the command line, in files and on standard input to FlatBuffers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/schema.hpp>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// A text and its origin, for messages: "argument", "params", a file's name, "standard input".
struct NamedText {
  std::string text;
  std::string name;
  std::uint32_t first_line = 1;  ///< The line of the origin at which the text starts.
};

/// Splits the output of a read function into lines. Not thread-safe.
class LineReader {
 public:
  /// Errors of `read` are passed on; kTooLarge for a line above 1 GiB.
  explicit LineReader(std::function<Result<std::size_t>(MutableBytesView)> read) : read_(std::move(read)) {}
  /// Returns the next line without its end; nullopt at the end.
  [[nodiscard]] Result<std::optional<std::string>> next();
  /// Returns the remaining text.
  [[nodiscard]] Result<std::string> rest();

 private:
  Result<bool> fill();
  std::function<Result<std::size_t>(MutableBytesView)> read_;
  std::string pending_;
  std::size_t begin_ = 0;    // The first byte that has not been returned.
  std::size_t scanned_ = 0;  // There is no line end before this position.
  bool ended_ = false;
};

/// Returns the text for `word`: the word itself, the content of `@file`, or standard input for `-`.
/// `name` is how messages name the word itself. Errors: usage if a file cannot be read.
[[nodiscard]] Outcome<NamedText> read_text(const World& world, const std::string& word, std::string name);

/// Returns a FlatBuffer of `type`. Errors: usage with line, column, the source line, a caret, and
/// the nearest name.
[[nodiscard]] Outcome<Buffer> encode(const Schema& schema, const std::string& type, const NamedText& json);

}  // namespace tenon::cli

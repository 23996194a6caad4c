/// JSON on the command line, in files and on standard input, turned into FlatBuffers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/schema.hpp>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// A text and where it comes from, for messages: "argument", "params", a file's name, "standard input".
struct NamedText {
  std::string text;
  std::string name;
  std::uint32_t first_line = 1;  ///< Line of the origin at which the text begins.
};

/// Takes lines out of what a function reads. Not thread-safe.
class LineReader {
 public:
  /// Errors of `read` pass through; kTooLarge for a line above 1 GiB.
  explicit LineReader(std::function<Result<std::size_t>(MutableBytesView)> read) : read_(std::move(read)) {}
  /// The next line without its end; nullopt at the end.
  [[nodiscard]] Result<std::optional<std::string>> next();
  /// Everything that is left.
  [[nodiscard]] Result<std::string> rest();

 private:
  Result<bool> fill();
  std::function<Result<std::size_t>(MutableBytesView)> read_;
  std::string pending_;
  std::size_t begin_ = 0;    // Of the first byte not given yet.
  std::size_t scanned_ = 0;  // Before it no line end was found.
  bool ended_ = false;
};

/// The text that `word` stands for: itself, `@file`, or `-` for standard input. `name` is what messages call the word
/// itself. Errors: usage when a file cannot be read.
[[nodiscard]] Outcome<NamedText> read_text(const World& world, const std::string& word, std::string name);

/// A FlatBuffer of `type`. Errors: usage with line, column, the source line, a caret, and the nearest name.
[[nodiscard]] Outcome<Buffer> encode(const Schema& schema, const std::string& type, const NamedText& json);

}  // namespace tenon::cli

/// Patterns for paths.
///
///   ?        one character, no slash          *      any characters, no slash
///   **       any number of directories        [a-z]  a character of a set; [!a-z] one outside it
///   {a,b}    either; may be nested            \x     x literally
///
/// A pattern without a slash is matched against the last part of a path, one with a slash against
/// the whole path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace files {

/// One compiled pattern. Immutable, thread-safe.
class Glob {
 public:
  /// Throws tenon::TaskError TENON_INVALID_ARGUMENT with the pattern's error.
  explicit Glob(std::string_view pattern);

  /// Whether `path`, relative and without `.` parts, matches.
  [[nodiscard]] bool matches(std::string_view path) const;

 private:
  struct Alternative {
    bool whole_path = false;
    std::vector<std::string> parts;
  };
  std::vector<Alternative> alternatives_;
};

}  // namespace files

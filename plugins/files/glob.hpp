/// Patterns for paths.
///
///   ?        one character, no slash          *      any characters, no slash
///   **       any number of directories        [a-z]  one character of a set; [!a-z] one of none
///   {a,b}    either; may be nested            \x     x as it is
///
/// A pattern without a slash is compared with the last part of a path, one with a slash with the whole path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace files {

/// One compiled pattern. Immutable, thread-safe.
class Glob {
 public:
  /// Throws tenon::TaskError TENON_INVALID_ARGUMENT that tells what is wrong with the pattern.
  explicit Glob(std::string_view pattern);

  /// Whether `path`, relative and without `.` parts, fits.
  [[nodiscard]] bool matches(std::string_view path) const;

 private:
  struct Alternative {
    bool whole_path = false;
    std::vector<std::string> parts;
  };
  std::vector<Alternative> alternatives_;
};

}  // namespace files

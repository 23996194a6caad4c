/// Collects the messages of one load and sorts them in the order of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// A range of text in a pipeline file or in a `--set`.
struct Place {
  std::uint32_t line = 0;             ///< From 1; 0 for a whole file or an override.
  std::uint32_t column = 0;           ///< From 1, in bytes.
  std::uint32_t length = 1;           ///< In bytes, within the line.
  std::uint32_t override_number = 0;  ///< From 1 for a location in `--set`; 0 for one in the file.
};

/// Collects messages with their notes. Not thread-safe.
class Reporter {
 public:
  /// `text` must outlive the reporter. `overrides` are the `key=value` texts that
  /// Place::override_number refers to.
  Reporter(std::string file, std::string_view text, std::vector<std::string> overrides = {});

  /// Adds an error. Returns the group for `note`.
  std::size_t error(const Place& place, std::string message, std::string hint = {});
  std::size_t warning(const Place& place, std::string message, std::string hint = {});
  /// Adds a note, which is shown with its error.
  void note(std::size_t group, const Place& place, std::string message);

  /// Returns a location as messages show it: "file:line:column", or "--set key=value".
  [[nodiscard]] std::string place_text(const Place& place) const;
  [[nodiscard]] bool has_errors() const noexcept { return error_count_ > 0; }
  /// Returns whether further messages would not be shown, so that costly hints can be left out.
  [[nodiscard]] bool saturated() const noexcept { return groups_.size() > 400; }
  /// Appends everything to `diagnostics` in the order of the file, overrides last. A message that
  /// repeats at the same location is appended once.
  void move_to(Diagnostics& diagnostics);

 private:
  struct Message {
    Severity severity;
    Place place;
    std::string message;
    std::string hint;
  };
  struct Group {
    Message main;
    std::vector<Message> notes;
  };
  std::size_t add(Severity severity, const Place& place, std::string message, std::string hint);
  Diagnostic render(Message message) const;
  std::string_view line_text(std::uint32_t line) const;

  std::string file_;
  std::string_view text_;
  std::vector<std::string> overrides_;
  std::vector<std::size_t> line_starts_;
  std::vector<Group> groups_;
  std::size_t error_count_ = 0;
};

/// Returns "error", "warning" or "note". The result is valid for the life of the process.
[[nodiscard]] std::string_view severity_name(Severity severity) noexcept;

/// Returns "did you mean 'x'?" for the nearest candidate, or `otherwise`, which may be empty, if
/// none is near.
[[nodiscard]] std::string suggest(std::string_view word, std::span<const std::string> candidates,
                                  std::string otherwise = {});

/// Returns the names as "a, b, c", or as "a, b, c and 5 more" if there are more than `limit`.
[[nodiscard]] std::string list_names(std::span<const std::string> names, std::size_t limit = 12);

}  // namespace tenon::internal

/// base/source_excerpt.hpp: a line of a text and the line with a caret below it, as messages show them.
///
///   const SourceExcerpt shown = excerpt_of(source_line(text, 2), 8);
///   out << shown.text << '\n' << shown.marks << '\n';
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::internal {

/// Maximum number of bytes of a line that an excerpt shows.
inline constexpr std::size_t kExcerptBytes = 160;

/// Neither line has a line break. A terminal can print them: control characters and bytes that are not UTF-8 are
/// question marks.
struct SourceExcerpt {
  std::string text;
  std::string marks;  ///< Spaces and tabs up to the location, "^", then "~" below the rest of it.
};

/// `line` around `column` (from 1, in bytes) with `length` marked bytes. At most `max_bytes` bytes of the line are
/// shown, with "..." where it is cut. A column beyond the end of the line points to the position after it. [any-thread]
[[nodiscard]] SourceExcerpt excerpt_of(std::string_view line, std::size_t column, std::size_t length = 1,
                                       std::size_t max_bytes = kExcerptBytes);

/// Line `number` (from 1) of `text`, without its line break; nullopt if there is no such line. [any-thread]
[[nodiscard]] std::optional<std::string_view> source_line(std::string_view text, std::uint32_t number) noexcept;

}  // namespace tenon::internal

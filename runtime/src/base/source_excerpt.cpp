#include "base/source_excerpt.hpp"

#include <algorithm>
#include <iterator>

#include "base/utf8.hpp"

namespace tenon::internal {
namespace {

/// How many columns a terminal gives a character: wide East Asian characters and pictures take two, combining marks
/// none.
std::size_t display_width(char32_t character) {
  if (character >= 0x300 && character <= 0x36F) {
    return 0;
  }
  struct Range {
    char32_t first;
    char32_t last;
  };
  static constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},  {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},
                                    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F},
                                    {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  return std::any_of(std::begin(kWide), std::end(kWide),
                     [&](const Range& range) { return character >= range.first && character <= range.last; })
             ? 2
             : 1;
}

/// One character of a line: how it is shown, its bytes in the line, and the columns that it takes.
struct ShownCharacter {
  std::string text;
  std::size_t bytes = 1;
  std::size_t width = 1;
};

ShownCharacter show(std::string_view rest) {
  const auto byte = static_cast<unsigned char>(rest.front());
  if (byte == '\t') {
    return {"\t", 1, 1};
  }
  const std::size_t length = utf8_length(rest);
  if (length == 0 || byte < 0x20 || byte == 0x7F) {
    return {"?", 1, 1};
  }
  return {std::string(rest.substr(0, length)), length, display_width(decode_utf8(rest.substr(0, length)))};
}

}  // namespace

SourceExcerpt excerpt_of(std::string_view line, std::size_t column, std::size_t length, std::size_t max_bytes) {
  const std::size_t at = std::min<std::size_t>(column > 0 ? column - 1 : 0, line.size());
  std::size_t begin = at > max_bytes / 2 ? at - max_bytes / 2 : 0;
  if (line.size() <= max_bytes) {
    begin = 0;
  }
  while (begin > 0 && continues_utf8(line[begin])) {
    --begin;
  }
  const std::size_t end = std::min(line.size(), begin + max_bytes);
  SourceExcerpt excerpt;
  excerpt.text = begin > 0 ? "..." : "";
  excerpt.marks = begin > 0 ? "   " : "";
  const std::size_t marked_end = at + std::max<std::size_t>(1, length);
  for (std::size_t i = begin; i < end;) {
    const ShownCharacter one = show(line.substr(i));
    excerpt.text += one.text;
    if (i + one.bytes <= at) {
      excerpt.marks += one.text == "\t" ? std::string("\t") : std::string(one.width, ' ');
    } else if (i < marked_end) {
      excerpt.marks +=
          i <= at ? "^" + std::string(one.width > 1 ? one.width - 1 : 0, '~') : std::string(one.width, '~');
    }
    i += one.bytes;
  }
  if (at >= end) {
    excerpt.marks += '^';
  }
  if (end < line.size()) {
    excerpt.text += "...";
  }
  return excerpt;
}

std::optional<std::string_view> source_line(std::string_view text, std::uint32_t number) noexcept {
  if (number == 0) {
    return std::nullopt;
  }
  for (std::uint32_t at = 1; at < number; ++at) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace tenon::internal

/// What a file is that is not text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace text {

/// Bytes at the start of a file that foreign_kind looks at.
inline constexpr std::size_t kForeignHeadBytes = 512;

/// A format that is known not to be text.
struct ForeignKind {
  std::string_view name;    ///< As in "an xz file"; empty for what may be text.
  std::string_view advice;  ///< What to do about it.
};

/// Tells by the first bytes of a file, as many as there are up to kForeignHeadBytes. Only signatures that no text
/// begins with count, so that a file of unknown bytes remains a text.
[[nodiscard]] ForeignKind foreign_kind(std::span<const std::uint8_t> head) noexcept;

}  // namespace text

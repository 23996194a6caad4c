/// Recognises files that are not text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tenon::plugins {

/// Number of bytes at the start of a file that foreign_kind examines.
inline constexpr std::size_t kForeignHeadBytes = 512;

/// A format known not to be text.
struct ForeignKind {
  std::string_view name;    ///< As in "an xz file"; empty if the file may be text.
  std::string_view advice;  ///< What to do about it.
};

/// Determines the format from the first bytes of a file, up to kForeignHeadBytes. Only signatures
/// that no text starts with are known, so a file of unknown bytes counts as text.
[[nodiscard]] ForeignKind foreign_kind(std::span<const std::uint8_t> head) noexcept;

}  // namespace tenon::plugins

/// Small helpers for text that people read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::internal {

/// Number of insertions, deletions, changes and swaps of adjacent bytes that turn `a` into `b`.
/// Texts longer than 256 bytes count as entirely different unless equal: the larger of both
/// lengths. [any-thread]
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The names in `candidates` that the author of `word` may have meant, nearest first, at most
/// `max`. A name is near if at most a third of its letters differ, if it differs only in case, or
/// if one is a prefix of the other (from 3 letters). Returns views into `candidates`. [any-thread]
[[nodiscard]] std::vector<std::string_view> nearest_names(std::string_view word,
                                                          std::span<const std::string> candidates, std::size_t max = 3);
[[nodiscard]] std::vector<std::string_view> nearest_names(std::string_view word,
                                                          std::span<const std::string_view> candidates,
                                                          std::size_t max = 3);

/// "did you mean 'a', 'b' or 'c'?" for the nearest names; empty if none is near. [any-thread]
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> candidates,
                                       std::size_t max = 3);
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                                       std::size_t max = 3);

/// "1 item", "2 items". [any-thread]
[[nodiscard]] std::string count_of(std::uint64_t count, std::string_view singular, std::string_view plural);

/// A size for people: "512 bytes", "1.5 MiB". [any-thread]
[[nodiscard]] std::string format_size(std::uint64_t size_bytes);

/// `text` as valid, printable UTF-8 on one line: control characters and malformed sequences become
/// \xNN; text beyond `max_bytes` is cut and replaced with "...". For foreign text inside messages.
/// [any-thread]
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes = 200);

/// Lower-case hexadecimal. [any-thread]
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace tenon::internal

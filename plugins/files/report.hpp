/// An inventory as one HTML page: no scripts, no external resources, light and dark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "files_generated.h"

namespace files {

/// Makes the page, with at most `max_groups` duplicate groups and the creation time `made_s`
/// (seconds since 1970, UTC). Names that are not UTF-8 show U+FFFD for each invalid byte; control
/// characters show as their Unicode symbols.
std::string inventory_to_html(const Inventory& inventory, std::uint32_t max_groups, std::int64_t made_s);

/// The directory that contains all files of `inventory`: the walked directory if the files have a
/// relative path, otherwise the deepest common one. Empty if there is none.
std::string_view tree_of(const Inventory& inventory);

/// `text` with all special characters of HTML escaped, for text and attributes.
std::string html_escape(std::string_view text);

/// Formats a size, as in `512 B`, `1.4 MiB`.
std::string human_size(std::uint64_t size_bytes);

/// Formats a number, as in `12 345 678`, with narrow no-break spaces.
std::string human_count(std::uint64_t count);

/// Formats a count, as in `1 file`, `12 345 files`.
std::string human_count(std::uint64_t count, std::string_view one, std::string_view many);

/// The share of `part` in `whole`, rounded to a tenth: `14.3 %`; `0.0 %` if `whole` is 0.
std::string human_share(std::uint64_t part, std::uint64_t whole);

/// Formats a time, as in `2026-03-01 14:05 UTC`; years outside 0 to 9999 are clamped.
std::string human_time(std::int64_t seconds_since_1970);

}  // namespace files

/// An inventory as one HTML page: no scripts, nothing loaded from elsewhere, light and dark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "files_generated.h"

namespace files {

/// The page, at most `max_groups` duplicate groups of it, said to be made at `made_s` (seconds since 1970, UTC). Names
/// that are no UTF-8 show U+FFFD for each wrong byte, control characters show as their Unicode pictures.
std::string inventory_to_html(const Inventory& inventory, std::uint32_t max_groups, std::int64_t made_s);

/// The directory that all files of `inventory` are in: what was walked, where they tell their path below it, else the
/// deepest one. Empty when there is none.
std::string_view tree_of(const Inventory& inventory);

/// `text` with everything escaped that means something in HTML, in text and in attributes alike.
std::string html_escape(std::string_view text);

/// As in `512 B`, `1.4 MiB`.
std::string human_size(std::uint64_t size_bytes);

/// As in `12 345 678`, with narrow no-break spaces.
std::string human_count(std::uint64_t count);

/// As in `1 file`, `12 345 files`.
std::string human_count(std::uint64_t count, std::string_view one, std::string_view many);

/// `part` of `whole`, rounded to a tenth: `14.3 %`; `0.0 %` of nothing.
std::string human_share(std::uint64_t part, std::uint64_t whole);

/// As in `2026-03-01 14:05 UTC`; years beyond 0 to 9999 count as the nearest.
std::string human_time(std::int64_t seconds_since_1970);

}  // namespace files

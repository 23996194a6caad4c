/// An inventory as one HTML page: no scripts, nothing loaded from elsewhere, light and dark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "files_generated.h"

namespace files {

/// The page, at most `max_groups` duplicate groups of it. Names that are no UTF-8 show U+FFFD for each wrong byte,
/// control characters show as their Unicode pictures.
std::string inventory_to_html(const Inventory& inventory, std::uint32_t max_groups);

/// `text` with everything escaped that means something in HTML, in text and in attributes alike.
std::string html_escape(std::string_view text);

/// As in `512 B`, `1.4 MiB`.
std::string human_size(std::uint64_t size_bytes);

}  // namespace files

/// What a file is that is neither a JPEG nor a PNG picture.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace image {

/// Says what bytes seem to be, by their first ones: `a PDF document (it begins with 25 50 44 46)`.
std::string describe_foreign(std::span<const std::uint8_t> bytes);

}  // namespace image

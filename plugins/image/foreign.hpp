/// Describes files that are neither JPEG nor PNG pictures.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace image {

/// Guesses the format from the first bytes: `a PDF document (it starts with 25 50 44 46)`.
std::string describe_foreign(std::span<const std::uint8_t> bytes);

}  // namespace image

/// PNG pictures, by libpng.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// Whether bytes begin as a PNG file does.
bool is_png(std::span<const std::uint8_t> bytes) noexcept;

/// As open_picture, for a PNG file.
std::unique_ptr<PictureReader> open_png(std::span<const std::uint8_t> bytes, const Poll& poll);

/// A picture as a PNG file. Throws PictureError, and what the poll throws.
std::vector<std::uint8_t> write_png(const Picture& picture, const Poll& poll);

}  // namespace image

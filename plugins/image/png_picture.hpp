/// PNG pictures, using libpng.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// Whether bytes start like a PNG file.
bool is_png(std::span<const std::uint8_t> bytes) noexcept;

/// Like open_picture, for a PNG file.
std::unique_ptr<PictureReader> open_png(std::span<const std::uint8_t> bytes, const Poll& poll);

/// Encodes a picture as a PNG file. Throws PictureError and exceptions of the poll.
std::vector<std::uint8_t> write_png(const Picture& picture, const Poll& poll);

}  // namespace image

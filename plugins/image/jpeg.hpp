/// JPEG pictures, by libjpeg.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// Whether bytes begin as a JPEG file does.
bool is_jpeg(std::span<const std::uint8_t> bytes) noexcept;

/// As open_picture, for a JPEG file.
std::unique_ptr<PictureReader> open_jpeg(std::span<const std::uint8_t> bytes, const Poll& poll);

/// A picture without alpha as a JPEG file. `quality` is 1 to 100. Throws PictureError: TENON_TOO_LARGE when an edge is
/// longer than JPEG allows; and what the poll throws.
std::vector<std::uint8_t> write_jpeg(const Picture& picture, int quality, const Poll& poll);

}  // namespace image

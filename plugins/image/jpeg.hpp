/// JPEG pictures, using libjpeg.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// Whether bytes start like a JPEG file.
bool is_jpeg(std::span<const std::uint8_t> bytes) noexcept;

/// Like open_picture, for a JPEG file.
std::unique_ptr<PictureReader> open_jpeg(std::span<const std::uint8_t> bytes, const Poll& poll);

/// Encodes a picture without alpha as a JPEG file. `quality` is 1 to 100. Throws PictureError:
/// TENON_TOO_LARGE if an edge is longer than JPEG allows; also exceptions of the poll.
std::vector<std::uint8_t> write_jpeg(const Picture& picture, int quality, const Poll& poll);

}  // namespace image

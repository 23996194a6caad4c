/// From a reader to finished pixels.
#pragma once

#include <cstdint>
#include <limits>

#include "image/picture.hpp"

namespace image {

/// What is done with a picture.
struct RenderOptions {
  /// The longer edge of the result, in pixels, at least 1. Smaller pictures keep their size.
  std::uint32_t edge = std::numeric_limits<std::uint32_t>::max();
  /// Larger pictures are refused before any memory is taken for them.
  std::uint64_t max_pixels = 100'000'000;
};

/// All of a picture, scaled down and upright. Memory: the result twice, and for interlaced and progressive files the
/// whole picture, at up to 6 bytes a pixel. Throws PictureError: TENON_TOO_LARGE beyond max_pixels; as the reader; and
/// what the poll throws.
Picture render(PictureReader& reader, const RenderOptions& options, const Poll& poll);

}  // namespace image

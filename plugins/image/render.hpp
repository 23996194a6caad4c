/// Turns a reader's picture into finished pixels.
#pragma once

#include <cstdint>
#include <limits>

#include "image/picture.hpp"

namespace image {

/// Options for rendering a picture.
struct RenderOptions {
  /// The longer edge of the result, in pixels, at least 1. Smaller pictures keep their size.
  std::uint32_t edge = std::numeric_limits<std::uint32_t>::max();
  /// Larger pictures are rejected before any memory is allocated for them.
  std::uint64_t max_pixels = 100'000'000;
};

/// Reads a whole picture, scaled down and upright. Memory: twice the result and, for interlaced and
/// progressive files, the whole picture at up to 6 bytes per pixel. Throws PictureError:
/// TENON_TOO_LARGE beyond max_pixels; errors of the reader; exceptions of the poll.
Picture render(PictureReader& reader, const RenderOptions& options, const Poll& poll);

}  // namespace image

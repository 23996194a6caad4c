/// Changes to a whole picture that keep its size in pixels.
#pragma once

#include <cstdint>

#include "image/picture.hpp"

namespace image {

/// Turns the picture upright according to its EXIF `orientation` (1 to 8). Source: EXIF 2.32,
/// 4.6.4, tag 0x0112.
Picture upright(Picture picture, std::uint8_t orientation, const Poll& poll);

/// Composes a picture with alpha onto `background` (0xRRGGBB); others are unchanged. Gray stays
/// gray on a gray background.
Picture on_background(Picture picture, std::uint32_t background, const Poll& poll);

}  // namespace image

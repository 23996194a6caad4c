/// The only part of EXIF that changes how a picture looks.
#pragma once

#include <cstdint>
#include <span>

namespace image {

/// The orientation (1 to 8; 1 is upright) in an EXIF block that starts with its TIFF header; 1 if
/// there is none or the block is malformed. Source: EXIF 2.32, 4.6.2 (TIFF structure) and 4.6.4
/// (tag 0x0112).
std::uint8_t exif_orientation(std::span<const std::uint8_t> tiff) noexcept;

}  // namespace image

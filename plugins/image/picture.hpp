/// A picture in memory and what is done with its pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/poll.hpp"

namespace image {

/// Rows from top to bottom without gaps, 8 bits a sample, sRGB. Alpha is not premultiplied.
struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  /// 1 gray, 3 red green blue, 4 with alpha.
  std::uint32_t channels = 3;
  std::vector<std::uint8_t> samples;

  [[nodiscard]] std::size_t row_bytes() const noexcept { return std::size_t{width} * channels; }
  [[nodiscard]] const std::uint8_t* row(std::uint32_t y) const noexcept { return samples.data() + y * row_bytes(); }
  [[nodiscard]] std::uint8_t* row(std::uint32_t y) noexcept { return samples.data() + y * row_bytes(); }
};

/// Width and height in pixels.
struct Size {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// The size whose longer edge is `edge`, with the same proportions, at least one pixel wide and high; the size itself
/// if it is that small already.
Size fit(Size size, std::uint32_t edge);

/// Each new pixel is the mean of the area that it covers, taken in linear light, with alpha as weight. `size` is not
/// larger than the picture in either direction.
Picture scale_down(const Picture& picture, Size size, const tenon::plugins::Poll& poll);

/// Turns and mirrors as an EXIF orientation of 1 to 8 asks for.
Picture make_upright(Picture picture, unsigned orientation);

/// Puts a picture with alpha onto a background of 0xRRGGBB; others stay as they are.
Picture flatten(Picture picture, std::uint32_t background);

}  // namespace image

#include "image/orient.hpp"

#include <array>
#include <cstddef>
#include <cstring>

namespace image {

Picture upright(Picture picture, std::uint8_t orientation, const Poll& poll) {
  if (orientation <= 1 || orientation > 8) {
    return picture;
  }
  // Steps for the stored picture: transpose first, then mirror.
  const bool transpose = orientation >= 5;
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;

  const Shape from = picture.shape;
  const Shape to = transpose ? Shape{from.height, from.width, from.channels} : from;
  Picture out(to);
  // Distance in the source between two pixels that are adjacent in the result.
  const auto channels = static_cast<std::ptrdiff_t>(from.channels);
  const auto row_bytes = static_cast<std::ptrdiff_t>(from.row_bytes());
  const std::ptrdiff_t step = (transpose ? row_bytes : channels) * (mirror_x ? -1 : 1);
  for (std::uint32_t y = 0; y < to.height; ++y) {
    poll();
    const std::uint32_t line = mirror_y ? to.height - 1 - y : y;
    const std::uint32_t column = mirror_x ? to.width - 1 : 0;
    std::ptrdiff_t at = transpose ? column * row_bytes + line * channels : line * row_bytes + column * channels;
    std::uint8_t* target = out.row(y).data();
    for (std::uint32_t x = 0; x < to.width; ++x, at += step, target += channels) {
      for (std::ptrdiff_t c = 0; c < channels; ++c) {
        target[c] = picture.pixels[static_cast<std::size_t>(at + c)];
      }
    }
  }
  return out;
}

Picture on_background(Picture picture, std::uint32_t background, const Poll& poll) {
  if (!picture.shape.has_alpha()) {
    return picture;
  }
  const std::array<std::uint32_t, 3> colour{(background >> 16) & 255, (background >> 8) & 255, background & 255};
  const bool gray_background = colour[0] == colour[1] && colour[1] == colour[2];
  const std::uint32_t in_channels = picture.shape.channels;
  const std::uint32_t out_channels = in_channels == 2 && gray_background ? 1 : 3;
  Picture out({picture.shape.width, picture.shape.height, out_channels});
  for (std::uint32_t y = 0; y < out.shape.height; ++y) {
    poll();
    const std::uint8_t* source = picture.row(y).data();
    std::uint8_t* target = out.row(y).data();
    for (std::uint32_t x = 0; x < out.shape.width; ++x, source += in_channels, target += out_channels) {
      const std::uint32_t alpha = source[in_channels - 1];
      for (std::uint32_t c = 0; c < out_channels; ++c) {
        const std::uint32_t sample = source[in_channels == 2 ? 0 : c];
        target[c] = static_cast<std::uint8_t>((sample * alpha + colour[c] * (255 - alpha) + 127) / 255);
      }
    }
  }
  return out;
}

}  // namespace image

/// Makes and reads the pictures that tests need, with code of its own: what the plugin does is checked against it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tenon::test {

using FileBytes = std::vector<std::uint8_t>;

/// Samples of 8 bits, row by row; 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA or CMYK.
struct Canvas {
  unsigned width = 0;
  unsigned height = 0;
  unsigned channels = 0;
  std::vector<std::uint8_t> samples;

  Canvas() = default;
  Canvas(unsigned made_width, unsigned made_height, unsigned made_channels);
  [[nodiscard]] std::uint8_t* at(unsigned x, unsigned y) { return &samples[(std::size_t{y} * width + x) * channels]; }
  [[nodiscard]] const std::uint8_t* at(unsigned x, unsigned y) const {
    return &samples[(std::size_t{y} * width + x) * channels];
  }
};

/// Every pixel of one colour.
Canvas filled(unsigned width, unsigned height, std::vector<std::uint8_t> colour);
/// Soft changes of colour, other in each channel.
Canvas gradient(unsigned width, unsigned height, unsigned channels);
/// The mean of each channel.
std::vector<double> mean_colour(const Canvas& canvas);
/// The largest difference of two samples; 256 when the shapes differ.
int largest_difference(const Canvas& a, const Canvas& b);

/// A TIFF block with one entry, the orientation.
FileBytes exif_block(std::uint16_t orientation, bool little_endian);

struct JpegOptions {
  int quality = 95;
  bool progressive = false;
  /// Four channels alone: whether the file says that Adobe made it, which means inverted samples.
  bool adobe = true;
  /// 0 leaves the EXIF block out.
  std::uint16_t orientation = 0;
  bool little_endian = true;
  /// Bytes of an application's block before the picture.
  std::size_t padding_bytes = 0;
};
FileBytes encode_jpeg(const Canvas& canvas, const JpegOptions& options = {});

struct PngOptions {
  bool interlaced = false;
  /// 8; for gray and RGB pictures also 16; for gray 1, 2 and 4, from the upper bits of the samples.
  int bit_depth = 8;
  std::uint16_t orientation = 0;
  /// One channel alone: the samples are indices into it.
  std::vector<std::array<std::uint8_t, 3>> palette{};
  /// Alpha of the palette's first colours.
  std::vector<std::uint8_t> palette_alpha{};
  /// Gray pictures alone: the level that is transparent; -1 for none.
  int transparent_gray = -1;
};
FileBytes encode_png(const Canvas& canvas, const PngOptions& options = {});

/// JPEG as gray or RGB, PNG as gray, RGB or RGBA. Throws std::runtime_error.
Canvas decode(std::span<const std::uint8_t> bytes);

}  // namespace tenon::test

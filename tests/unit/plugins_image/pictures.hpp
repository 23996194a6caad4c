/// Makes and reads the pictures for tests with independent code, which the plugin's results are
/// checked against.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tenon::test {

using FileBytes = std::vector<std::uint8_t>;

/// Samples of 8 bits, row by row; 1 channel is gray, 2 gray and alpha, 3 RGB, 4 RGBA or CMYK.
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

/// Returns a picture of one colour.
Canvas filled(unsigned width, unsigned height, std::vector<std::uint8_t> colour);
/// Returns a picture with soft changes of colour, different in each channel.
Canvas gradient(unsigned width, unsigned height, unsigned channels);
/// Returns the mean of each channel.
std::vector<double> mean_colour(const Canvas& canvas);
/// Returns the largest difference of two samples; 256 if the shapes differ.
int largest_difference(const Canvas& a, const Canvas& b);

/// Returns a TIFF block with one entry, the orientation.
FileBytes exif_block(std::uint16_t orientation, bool little_endian);

struct JpegOptions {
  int quality = 95;
  bool progressive = false;
  /// Only for four channels: whether the file declares Adobe as its maker, which means inverted
  /// samples.
  bool adobe = true;
  /// 0 leaves out the EXIF block.
  std::uint16_t orientation = 0;
  bool little_endian = true;
  /// The size of an application's block before the picture.
  std::size_t padding_bytes = 0;
};
FileBytes encode_jpeg(const Canvas& canvas, const JpegOptions& options = {});

struct PngOptions {
  bool interlaced = false;
  /// 8; for gray and RGB pictures also 16; for gray 1, 2 and 4, from the upper bits of the samples.
  int bit_depth = 8;
  std::uint16_t orientation = 0;
  /// Only for one channel: the samples are indices into this palette.
  std::vector<std::array<std::uint8_t, 3>> palette{};
  /// The alpha values of the palette's first colours.
  std::vector<std::uint8_t> palette_alpha{};
  /// Only for gray pictures: the level that is transparent; -1 for none.
  int transparent_gray = -1;
};
FileBytes encode_png(const Canvas& canvas, const PngOptions& options = {});

/// Decodes JPEG as gray or RGB, and PNG as gray, RGB or RGBA. Throws std::runtime_error.
Canvas decode(std::span<const std::uint8_t> bytes);

}  // namespace tenon::test

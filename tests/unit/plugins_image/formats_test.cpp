// The results for each kind of JPEG and PNG file.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "image_calls.hpp"
#include "tenon_test/catch.hpp"

using tenon::test::Canvas;
using tenon::test::encode_jpeg;
using tenon::test::encode_png;
using tenon::test::filled;
using tenon::test::gradient;
using tenon::test::largest_difference;
using tenon::test::picture_of;
using tenon::test::thumbnail;
using tenon::test::to_png;
using tenon::test::Worker;

namespace {

/// The largest difference between two JPEG encodings of soft colours.
constexpr int kLossy = 12;

Canvas as_rgba(const Canvas& canvas) {
  Canvas out(canvas.width, canvas.height, 4);
  for (unsigned y = 0; y < canvas.height; ++y) {
    for (unsigned x = 0; x < canvas.width; ++x) {
      const std::uint8_t* pixel = canvas.at(x, y);
      const std::array<std::uint8_t, 4> rgba{pixel[0], pixel[canvas.channels == 2 ? 0 : 1],
                                             pixel[canvas.channels == 2 ? 0 : 2], pixel[canvas.channels - 1]};
      std::copy(rgba.begin(), rgba.end(), out.at(x, y));
    }
  }
  return out;
}

/// Returns `canvas` as a file with the EXIF orientation `orientation` stores it. The standard
/// defines where the first stored row and column are in the picture as it is seen.
Canvas stored_as(const Canvas& seen, int orientation) {
  const unsigned width = seen.width;
  const unsigned height = seen.height;
  const bool swapped = orientation >= 5;
  Canvas stored(swapped ? height : width, swapped ? width : height, seen.channels);
  for (unsigned row = 0; row < stored.height; ++row) {
    for (unsigned column = 0; column < stored.width; ++column) {
      unsigned x = 0;
      unsigned y = 0;
      switch (orientation) {
        case 1:  // First row at the top, first column on the left.
          x = column, y = row;
          break;
        case 2:  // Top, right.
          x = width - 1 - column, y = row;
          break;
        case 3:  // Bottom, right.
          x = width - 1 - column, y = height - 1 - row;
          break;
        case 4:  // Bottom, left.
          x = column, y = height - 1 - row;
          break;
        case 5:  // Left, top.
          x = row, y = column;
          break;
        case 6:  // Right, top.
          x = width - 1 - row, y = column;
          break;
        case 7:  // Right, bottom.
          x = width - 1 - row, y = height - 1 - column;
          break;
        default:  // Left, bottom.
          x = row, y = height - 1 - column;
          break;
      }
      std::copy_n(seen.at(x, y), seen.channels, stored.at(column, row));
    }
  }
  return stored;
}

}  // namespace

TEST_CASE("JPEG: gray and RGB, baseline and progressive, keep their pixels") {
  Worker worker;
  for (const unsigned channels : {1u, 3u}) {
    for (const bool progressive : {false, true}) {
      const Canvas canvas = gradient(61, 43, channels);
      const Canvas made = picture_of(to_png(worker, encode_jpeg(canvas, {.progressive = progressive})));
      CHECK(largest_difference(made, canvas) <= kLossy);
    }
  }
}

TEST_CASE("JPEG: CMYK becomes RGB, inverted when Adobe made it") {
  Worker worker;
  const Canvas ink = filled(16, 16, {255, 0, 0, 0});
  const Canvas no_ink = filled(16, 16, {0, 255, 255, 255});
  const Canvas cyan = filled(16, 16, {0, 255, 255});
  CHECK(largest_difference(picture_of(to_png(worker, encode_jpeg(ink, {.adobe = false}))), cyan) <= 4);
  CHECK(largest_difference(picture_of(to_png(worker, encode_jpeg(no_ink, {.adobe = true}))), cyan) <= 4);
}

TEST_CASE("PNG: gray, RGB and RGBA, interlaced or not, keep their pixels exactly") {
  Worker worker;
  for (unsigned channels = 1; channels <= 4; ++channels) {
    for (const bool interlaced : {false, true}) {
      const Canvas canvas = gradient(29, 17, channels);
      const Canvas made = picture_of(to_png(worker, encode_png(canvas, {.interlaced = interlaced})));
      CHECK(largest_difference(made, channels % 2 == 0 ? as_rgba(canvas) : canvas) == 0);
    }
  }
}

TEST_CASE("PNG: samples of 16 bits are rounded to 8") {
  Worker worker;
  for (const bool interlaced : {false, true}) {
    const Canvas canvas = gradient(20, 20, 3);
    const auto file = encode_png(canvas, {.interlaced = interlaced, .bit_depth = 16});
    CHECK(largest_difference(picture_of(to_png(worker, file)), canvas) == 0);
  }
}

TEST_CASE("PNG: gray of 1, 2 and 4 bits spreads over the whole range") {
  Worker worker;
  for (const int bits : {1, 2, 4}) {
    const Canvas canvas = gradient(33, 9, 1);
    Canvas expected = canvas;
    const int levels = (1 << bits) - 1;
    for (auto& sample : expected.samples) {
      sample = static_cast<std::uint8_t>((sample >> (8 - bits)) * 255 / levels);
    }
    CHECK(largest_difference(picture_of(to_png(worker, encode_png(canvas, {.bit_depth = bits}))), expected) == 0);
  }
}

TEST_CASE("PNG: a palette becomes its colours, with their alpha") {
  Worker worker;
  Canvas indices(2, 2, 1);
  indices.samples = {0, 1, 2, 1};
  const std::vector<std::array<std::uint8_t, 3>> palette{{255, 0, 0}, {0, 255, 0}, {1, 2, 3}};
  for (const int bits : {2, 8}) {
    const Canvas opaque = picture_of(to_png(worker, encode_png(indices, {.bit_depth = bits, .palette = palette})));
    CHECK(opaque.channels == 3);
    CHECK(opaque.samples == std::vector<std::uint8_t>{255, 0, 0, 0, 255, 0, 1, 2, 3, 0, 255, 0});
    const Canvas clear = picture_of(
        to_png(worker, encode_png(indices, {.bit_depth = bits, .palette = palette, .palette_alpha = {0, 128}})));
    CHECK(clear.channels == 4);
    CHECK(std::vector<int>{clear.at(0, 0)[3], clear.at(1, 0)[3], clear.at(0, 1)[3]} == std::vector<int>{0, 128, 255});
  }
}

TEST_CASE("PNG: one transparent gray level becomes alpha") {
  Worker worker;
  Canvas canvas(2, 1, 1);
  canvas.samples = {10, 20};
  const Canvas made = picture_of(to_png(worker, encode_png(canvas, {.transparent_gray = 10})));
  CHECK(made.samples == std::vector<std::uint8_t>{10, 10, 10, 0, 20, 20, 20, 255});
}

TEST_CASE("Orientation: each of the eight is turned upright, in PNG to the pixel") {
  Worker worker;
  const Canvas seen = gradient(7, 5, 3);
  for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
    const auto file = encode_png(stored_as(seen, orientation), {.orientation = orientation});
    CHECK(largest_difference(picture_of(to_png(worker, file)), seen) == 0);
  }
}

TEST_CASE("Orientation: thumbnails of JPEG files are upright, in both byte orders") {
  Worker worker;
  const Canvas seen = gradient(96, 64, 3);
  const Canvas expected = picture_of(thumbnail(worker, encode_png(seen), 24));
  for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little_endian : {true, false}) {
      const auto file =
          encode_jpeg(stored_as(seen, orientation), {.orientation = orientation, .little_endian = little_endian});
      CHECK(largest_difference(picture_of(thumbnail(worker, file, 24)), expected) <= 2 * kLossy);
    }
  }
}

TEST_CASE("Orientation: the result says nothing of it any more") {
  Worker worker;
  const auto once = thumbnail(worker, encode_jpeg(gradient(40, 20, 3), {.orientation = 6}), 20);
  const auto bytes = tenon::test::data_of(once);
  const auto info = worker.call("probe", tenon::test::file_of({bytes.begin(), bytes.end()}));
  CHECK(info.as<image::ImageInfo>().orientation() == 1);
  CHECK(info.as<image::ImageInfo>().width() == 10);
  CHECK(info.as<image::ImageInfo>().height() == 20);
}

TEST_CASE("Thumbnail: JPEG files of every size are scaled to the pixel") {
  Worker worker;
  image::ThumbnailParamsT params;
  params.edge = 16;
  params.format = image::Format::png;
  // Covers the sizes at which the decoder itself starts to scale by 2, 4 and 8; compares with the
  // same picture without loss.
  for (const unsigned width : {31u, 32u, 33u, 63u, 64u, 65u, 127u, 128u, 129u, 255u, 256u, 257u, 263u, 300u}) {
    const Canvas canvas = gradient(width, width * 2 / 3, 3);
    const Canvas expected = picture_of(thumbnail(worker, encode_png(canvas), 16));
    const Canvas made =
        picture_of(worker.call("thumbnail", tenon::test::file_of(encode_jpeg(canvas, {.quality = 100})), params));
    CHECK(made.width == 16);
    CHECK((made.height == 10 || made.height == 11));
    INFO(width);
    CHECK(largest_difference(made, expected) <= 6);
  }
}

TEST_CASE("Thumbnail: extreme proportions keep one pixel") {
  Worker worker;
  const Canvas wide = picture_of(thumbnail(worker, encode_jpeg(gradient(2000, 1, 3)), 50));
  CHECK((wide.width == 50 && wide.height == 1));
  const Canvas high = picture_of(thumbnail(worker, encode_png(gradient(1, 2000, 4)), 50));
  CHECK((high.width == 1 && high.height == 50));
  const Canvas one = picture_of(thumbnail(worker, encode_png(filled(1, 1, {7})), 50));
  CHECK(one.samples == std::vector<std::uint8_t>{7});
}

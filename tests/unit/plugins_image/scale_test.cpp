#include "image/scale.hpp"

#include <cmath>
#include <vector>

#include "pictures.hpp"
#include "tenon_test/catch.hpp"

using image::Downscaler;
using image::fit;
using image::Picture;
using image::Shape;
using tenon::test::Canvas;

namespace {

Canvas scaled(const Canvas& from, unsigned width, unsigned height) {
  Downscaler scaler({from.width, from.height, from.channels}, 1, {width, height, from.channels});
  for (unsigned y = 0; y < from.height; ++y) {
    scaler.add_row({from.at(0, y), std::size_t{from.width} * from.channels});
  }
  Canvas to(width, height, from.channels);
  to.samples = scaler.take().pixels;
  return to;
}

/// Returns the mean over the area of a target pixel, by its definition.
double mean_at(const Canvas& from, unsigned width, unsigned height, unsigned x, unsigned y, unsigned channel) {
  const double x_step = static_cast<double>(from.width) / width;
  const double y_step = static_cast<double>(from.height) / height;
  const auto overlap = [](double begin, double end, unsigned pixel) {
    return std::max(0.0, std::min(end, pixel + 1.0) - std::max(begin, static_cast<double>(pixel)));
  };
  double sum = 0;
  double total = 0;
  for (unsigned source_y = 0; source_y < from.height; ++source_y) {
    for (unsigned source_x = 0; source_x < from.width; ++source_x) {
      const double weight =
          overlap(x * x_step, (x + 1) * x_step, source_x) * overlap(y * y_step, (y + 1) * y_step, source_y);
      sum += weight * from.at(source_x, source_y)[channel];
      total += weight;
    }
  }
  return sum / total;
}

}  // namespace

TEST_CASE("Scale: the longer edge gets the size, the other keeps the proportions") {
  const auto fitted = [](std::uint32_t width, std::uint32_t height, std::uint32_t edge) {
    const Shape shape = fit({width, height, 3}, edge);
    return std::pair(shape.width, shape.height);
  };
  CHECK(fitted(400, 200, 100) == std::pair(100u, 50u));
  CHECK(fitted(200, 400, 100) == std::pair(50u, 100u));
  CHECK(fitted(400, 400, 100) == std::pair(100u, 100u));
  CHECK(fitted(300, 200, 100) == std::pair(100u, 67u));
  CHECK(fitted(100000, 1, 10) == std::pair(10u, 1u));
  CHECK(fitted(0x7FFFFFFF, 0x7FFFFFFF, 1) == std::pair(1u, 1u));
}

TEST_CASE("Scale: a picture is never made larger") {
  const Shape shape = fit({30, 20, 3}, 100);
  CHECK(shape.width == 30);
  CHECK(shape.height == 20);
}

TEST_CASE("Scale: each pixel is the mean of the area it covers") {
  for (const unsigned channels : {1u, 3u}) {
    const Canvas from = tenon::test::gradient(37, 23, channels);
    for (const auto& [width, height] : {std::pair(37u, 23u), std::pair(36u, 22u), std::pair(20u, 23u),
                                        std::pair(7u, 5u), std::pair(1u, 1u), std::pair(37u, 1u), std::pair(1u, 23u)}) {
      const Canvas to = scaled(from, width, height);
      double worst = 0;
      for (unsigned y = 0; y < height; ++y) {
        for (unsigned x = 0; x < width; ++x) {
          for (unsigned c = 0; c < channels; ++c) {
            worst = std::max(worst, std::abs(to.at(x, y)[c] - mean_at(from, width, height, x, y, c)));
          }
        }
      }
      CHECK(worst <= 0.5 + 1e-6);
    }
  }
}

TEST_CASE("Scale: a picture that comes reduced gives the mean of what its pixels stand for") {
  // 9 pixels, reduced by 8: the first result represents eight of them, the second one.
  Downscaler to_one({9, 1, 1}, 8, {1, 1, 1});
  to_one.add_row(std::vector<std::uint8_t>{90, 180});
  CHECK(to_one.take().pixels == std::vector<std::uint8_t>{100});
  Downscaler to_three({9, 1, 1}, 8, {3, 1, 1});
  to_three.add_row(std::vector<std::uint8_t>{90, 180});
  CHECK(to_three.take().pixels == std::vector<std::uint8_t>{90, 90, 120});
  Downscaler in_height({1, 9, 1}, 8, {1, 3, 1});
  in_height.add_row(std::vector<std::uint8_t>{90});
  in_height.add_row(std::vector<std::uint8_t>{180});
  CHECK(in_height.take().pixels == std::vector<std::uint8_t>{90, 90, 120});
}

TEST_CASE("Scale: one colour stays that colour") {
  for (unsigned channels = 1; channels <= 4; ++channels) {
    const Canvas from = tenon::test::filled(31, 17, std::vector<std::uint8_t>(channels, 255));
    CHECK(scaled(from, 7, 3).samples == std::vector<std::uint8_t>(7 * 3 * channels, 255));
  }
}

TEST_CASE("Scale: the colour of transparent pixels does not show") {
  Canvas from(2, 1, 4);
  const std::vector<std::uint8_t> opaque_red{255, 0, 0, 255};
  const std::vector<std::uint8_t> clear_green{0, 255, 0, 0};
  std::copy(opaque_red.begin(), opaque_red.end(), from.at(0, 0));
  std::copy(clear_green.begin(), clear_green.end(), from.at(1, 0));
  CHECK(scaled(from, 1, 1).samples == std::vector<std::uint8_t>{255, 0, 0, 128});
}

TEST_CASE("Scale: nothing but transparent pixels gives a transparent one") {
  CHECK(scaled(tenon::test::filled(4, 4, {200, 0}), 2, 2).samples == std::vector<std::uint8_t>(8, 0));
}

TEST_CASE("Scale: a very wide picture does not overflow") {
  const unsigned width = 3'000'000;
  const Canvas from = tenon::test::filled(width, 1, {255, 255});
  CHECK(scaled(from, 1, 1).samples == std::vector<std::uint8_t>{255, 255});
}

/// Scales pictures down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// The size of `shape` scaled so that its longer edge is `edge` pixels: same proportions, each edge
/// at least 1, never larger than before.
Shape fit(const Shape& shape, std::uint32_t edge) noexcept;

/// Scales a picture down row by row: each pixel of the result is the mean of the area it covers,
/// with partly covered pixels weighted accordingly. Transparent pixels are weighted by their alpha.
/// Memory: the result and one row.
///
/// The arithmetic is exact. Lengths are measured in units in which a source pixel has length `to`
/// and a target pixel has length `whole`, so that all overlaps are integers and the weights of one
/// target pixel add up to whole.width * whole.height.
class Downscaler {
 public:
  /// With at most this many pixels the sums stay below 2^64.
  static constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 47;

  /// `whole` is the picture, which is read with the reduction `divisor` as described at Rows. `to`
  /// has the same channels and no longer edges. `whole` has at most kMaxPixels.
  Downscaler(const Shape& whole, std::uint32_t divisor, const Shape& to);

  /// Adds the next row; called whole.height / divisor times, rounded up.
  void add_row(std::span<const std::uint8_t> row);
  /// Returns the result after the last row.
  [[nodiscard]] Picture take() { return std::move(result_); }

 private:
  /// The source pixels that a target pixel covers: those between first and last entirely, these two
  /// partly.
  struct Cover {
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t first_weight;
    std::uint32_t last_weight;
  };

  template <std::uint32_t kChannels>
  void sum_row(std::span<const std::uint8_t> row);
  void add_sums(std::uint64_t weight);
  void finish_target_row();

  Shape whole_;
  std::uint64_t divisor_;
  Picture result_;
  std::vector<Cover> covers_;
  /// Sums of the current source row, and of the current target row.
  std::vector<std::uint64_t> row_sums_;
  std::vector<std::uint64_t> sums_;
  std::uint64_t source_y_ = 0;
  std::uint32_t target_y_ = 0;
};

}  // namespace image

/// Makes pictures smaller.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/picture.hpp"

namespace image {

/// The size of `shape` when its longer edge is `edge` pixels: same proportions, each edge at least 1, never larger than
/// before.
Shape fit(const Shape& shape, std::uint32_t edge) noexcept;

/// Scales a picture down while its rows come: each pixel of the result is the mean of the area it covers, with parts of
/// pixels counted as parts. Transparent pixels count by their alpha. Memory: the result and one row.
///
/// The arithmetic is exact. Lengths are counted in units in which a pixel of the picture is `to` and a target pixel is
/// `whole` long, so that all overlaps are whole numbers and the weights of one target pixel add up to
/// whole.width * whole.height.
class Downscaler {
 public:
  /// Pictures of at most this many pixels keep the sums below 2^64.
  static constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 47;

  /// `whole` is the picture; it comes reduced by `divisor` as Rows says. `to` has its channels and no longer edges.
  /// `whole` has at most kMaxPixels.
  Downscaler(const Shape& whole, std::uint32_t divisor, const Shape& to);

  /// Takes the next row as it comes; called whole.height / divisor times, rounded up.
  void add_row(std::span<const std::uint8_t> row);
  /// The result, after the last row.
  [[nodiscard]] Picture take() { return std::move(result_); }

 private:
  /// The source pixels that a target pixel covers: all of those between first and last, those two in part.
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
  /// Of the source row at hand, and of the target row at hand.
  std::vector<std::uint64_t> row_sums_;
  std::vector<std::uint64_t> sums_;
  std::uint64_t source_y_ = 0;
  std::uint32_t target_y_ = 0;
};

}  // namespace image

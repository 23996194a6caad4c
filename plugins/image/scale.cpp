#include "image/scale.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace image {
namespace {

/// The summands of one pixel: colours times alpha, then alpha.
template <std::uint32_t kChannels>
std::array<std::uint64_t, kChannels> terms(const std::uint8_t* pixel) noexcept {
  std::array<std::uint64_t, kChannels> out{};
  if constexpr (kChannels == 2 || kChannels == 4) {
    const std::uint64_t alpha = pixel[kChannels - 1];
    for (std::uint32_t c = 0; c + 1 < kChannels; ++c) {
      out[c] = pixel[c] * alpha;
    }
    out[kChannels - 1] = alpha;
  } else {
    for (std::uint32_t c = 0; c < kChannels; ++c) {
      out[c] = pixel[c];
    }
  }
  return out;
}

std::uint8_t rounded_quotient(std::uint64_t sum, std::uint64_t divisor) noexcept {
  // The sum is at most 255 divisors, so adding half a divisor cannot overflow.
  return static_cast<std::uint8_t>((sum + divisor / 2) / divisor);
}

}  // namespace

Shape fit(const Shape& shape, std::uint32_t edge) noexcept {
  const std::uint64_t longer = std::max(shape.width, shape.height);
  if (longer <= edge) {
    return shape;
  }
  const auto scaled = [&](std::uint32_t length) {
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, (std::uint64_t{length} * edge + longer / 2) / longer));
  };
  return {scaled(shape.width), scaled(shape.height), shape.channels};
}

Downscaler::Downscaler(const Shape& whole, std::uint32_t divisor, const Shape& to)
    : whole_(whole), divisor_(divisor), result_(to), row_sums_(to.row_bytes()), sums_(to.row_bytes()) {
  const std::uint64_t pixel_length = divisor_ * to.width;
  covers_.reserve(to.width);
  for (std::uint64_t x = 0; x < to.width; ++x) {
    const std::uint64_t begin = x * whole.width;
    const std::uint64_t end = begin + whole.width;
    const std::uint64_t first = begin / pixel_length;
    const std::uint64_t last = (end - 1) / pixel_length;
    covers_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
                       static_cast<std::uint32_t>(std::min((first + 1) * pixel_length, end) - begin),
                       static_cast<std::uint32_t>(end - std::max(last * pixel_length, begin))});
  }
}

template <std::uint32_t kChannels>
void Downscaler::sum_row(std::span<const std::uint8_t> row) {
  const std::uint64_t pixel_length = divisor_ * result_.shape.width;
  std::uint64_t* out = row_sums_.data();
  for (const Cover& cover : covers_) {
    std::array<std::uint64_t, kChannels> sums{};
    const std::uint8_t* pixel = row.data() + std::size_t{cover.first} * kChannels;
    const auto add = [&sums](const std::array<std::uint64_t, kChannels>& more, std::uint64_t weight) {
      for (std::uint32_t c = 0; c < kChannels; ++c) {
        sums[c] += more[c] * weight;
      }
    };
    if (cover.last > cover.first) {
      // All pixels between the two ends have the same weight, so their sum is multiplied once.
      for (std::uint32_t x = cover.first + 1; x < cover.last; ++x) {
        add(terms<kChannels>(pixel + std::size_t{x - cover.first} * kChannels), 1);
      }
      for (std::uint64_t& sum : sums) {
        sum *= pixel_length;
      }
      add(terms<kChannels>(pixel + std::size_t{cover.last - cover.first} * kChannels), cover.last_weight);
    }
    add(terms<kChannels>(pixel), cover.first_weight);
    out = std::copy(sums.begin(), sums.end(), out);
  }
}

void Downscaler::add_sums(std::uint64_t weight) {
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    sums_[i] += row_sums_[i] * weight;
  }
}

void Downscaler::finish_target_row() {
  const std::uint64_t area = std::uint64_t{whole_.width} * whole_.height;
  const std::uint32_t channels = whole_.channels;
  const std::span<std::uint8_t> row = result_.row(target_y_);
  if (!whole_.has_alpha()) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = rounded_quotient(sums_[i], area);
    }
  } else {
    for (std::size_t i = 0; i < row.size(); i += channels) {
      const std::uint64_t alpha = sums_[i + channels - 1];
      for (std::uint32_t c = 0; c + 1 < channels; ++c) {
        row[i + c] = alpha == 0 ? std::uint8_t{0} : rounded_quotient(sums_[i + c], alpha);
      }
      row[i + channels - 1] = rounded_quotient(alpha, area);
    }
  }
  std::fill(sums_.begin(), sums_.end(), 0);
  ++target_y_;
}

void Downscaler::add_row(std::span<const std::uint8_t> row) {
  switch (whole_.channels) {
    case 1:
      sum_row<1>(row);
      break;
    case 2:
      sum_row<2>(row);
      break;
    case 3:
      sum_row<3>(row);
      break;
    default:
      sum_row<4>(row);
      break;
  }
  std::uint64_t at = source_y_ * divisor_ * result_.shape.height;
  const std::uint64_t end = std::min((source_y_ + 1) * divisor_, std::uint64_t{whole_.height}) * result_.shape.height;
  while (at < end) {
    const std::uint64_t border = (std::uint64_t{target_y_} + 1) * whole_.height;
    const std::uint64_t until = std::min(end, border);
    add_sums(until - at);
    if (until == border) {
      finish_target_row();
    }
    at = until;
  }
  ++source_y_;
}

}  // namespace image

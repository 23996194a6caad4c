#include "image/picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace image {
namespace {

/// sRGB to linear light, IEC 61966-2-1.
std::array<float, 256> make_linear_table() {
  std::array<float, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double value = static_cast<double>(i) / 255.0;
    table[i] = static_cast<float>(value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4));
  }
  return table;
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255.0F + 0.5F);
}

std::uint8_t to_srgb(float linear) {
  const float value = std::clamp(linear, 0.0F, 1.0F);
  return to_byte(value <= 0.0031308F ? value * 12.92F : 1.055F * std::pow(value, 1.0F / 2.4F) - 0.055F);
}

/// The source pixels that one target pixel covers in one direction, and how much of the first and the last.
struct Span {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  float first_weight = 1;
  float last_weight = 1;
};

std::vector<Span> spans(std::uint32_t source, std::uint32_t target) {
  std::vector<Span> result(target);
  const double step = static_cast<double>(source) / target;
  for (std::uint32_t i = 0; i < target; ++i) {
    const double begin = step * i;
    const double end = std::min(step * (i + 1), static_cast<double>(source));
    Span& span = result[i];
    span.first = std::min(static_cast<std::uint32_t>(begin), source - 1);
    span.last = std::clamp(static_cast<std::uint32_t>(std::ceil(end)) - 1, span.first, source - 1);
    span.first_weight = static_cast<float>(std::min<double>(span.first + 1, end) - begin);
    span.last_weight = static_cast<float>(end - span.last);
  }
  return result;
}

/// Sums of one source row over the spans: `channels` linear sums for each target pixel, colours weighted with alpha.
void sum_row(const Picture& picture, std::uint32_t y, const std::vector<Span>& columns,
             const std::array<float, 256>& linear, std::vector<float>& sums) {
  const std::uint32_t channels = picture.channels;
  const std::uint8_t* row = picture.row(y);
  float* out = sums.data();
  for (const Span& span : columns) {
    std::array<float, 4> sum{};
    const std::uint8_t* pixel = row + std::size_t{span.first} * channels;
    for (std::uint32_t x = span.first; x <= span.last; ++x, pixel += channels) {
      float weight = x == span.first ? span.first_weight : x == span.last ? span.last_weight : 1.0F;
      if (channels == 4) {
        weight *= static_cast<float>(pixel[3]) / 255.0F;
        sum[3] += weight;
      }
      for (std::uint32_t c = 0; c < std::min(channels, 3U); ++c) {
        sum[c] += weight * linear[pixel[c]];
      }
    }
    out = std::copy_n(sum.begin(), channels, out);
  }
}

void finish_row(const std::vector<float>& sums, const std::vector<Span>& columns, double row_weight,
                std::uint32_t channels, std::uint8_t* out) {
  const float* sum = sums.data();
  for (const Span& span : columns) {
    const double column_weight = span.first == span.last ? static_cast<double>(span.first_weight)
                                                         : static_cast<double>(span.first_weight) + span.last_weight +
                                                               (span.last - span.first - 1);
    const auto area = static_cast<float>(row_weight * column_weight);
    const float alpha_sum = channels == 4 ? sum[3] : area;
    for (std::uint32_t c = 0; c < std::min(channels, 3U); ++c) {
      out[c] = alpha_sum > 0 ? to_srgb(sum[c] / alpha_sum) : 0;
    }
    if (channels == 4) {
      out[3] = to_byte(sum[3] / area);
    }
    sum += channels;
    out += channels;
  }
}

}  // namespace

Size fit(Size size, std::uint32_t edge) {
  const std::uint32_t longer = std::max(size.width, size.height);
  if (longer <= edge || edge == 0) {
    return size;
  }
  const auto scaled = [&](std::uint32_t length) {
    const std::uint64_t rounded = (std::uint64_t{length} * edge + longer / 2) / longer;
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(rounded, 1));
  };
  return {scaled(size.width), scaled(size.height)};
}

Picture scale_down(const Picture& picture, Size size, const tenon::plugins::Poll& poll) {
  if (size.width == picture.width && size.height == picture.height) {
    return picture;
  }
  const auto linear = make_linear_table();
  const auto columns = spans(picture.width, size.width);
  const auto rows = spans(picture.height, size.height);
  Picture result{size.width, size.height, picture.channels, {}};
  result.samples.resize(result.row_bytes() * size.height);
  std::vector<float> row_sums(std::size_t{size.width} * picture.channels);
  std::vector<float> sums(row_sums.size());
  for (std::uint32_t y = 0; y < size.height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    double row_weight = 0;
    const Span& span = rows[y];
    for (std::uint32_t source = span.first; source <= span.last; ++source) {
      poll();
      const float weight = source == span.first ? span.first_weight : source == span.last ? span.last_weight : 1.0F;
      sum_row(picture, source, columns, linear, row_sums);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        sums[i] += weight * row_sums[i];
      }
      row_weight += static_cast<double>(weight);
    }
    finish_row(sums, columns, row_weight, picture.channels, result.row(y));
  }
  return result;
}

Picture make_upright(Picture picture, unsigned orientation) {
  if (orientation < 2 || orientation > 8) {
    return picture;
  }
  const bool swapped = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Picture result{
      swapped ? picture.height : picture.width, swapped ? picture.width : picture.height, picture.channels, {}};
  result.samples.resize(picture.samples.size());
  std::uint8_t* out = result.samples.data();
  for (std::uint32_t y = 0; y < result.height; ++y) {
    for (std::uint32_t x = 0; x < result.width; ++x) {
      std::uint32_t source_x = swapped ? y : x;
      std::uint32_t source_y = swapped ? x : y;
      source_x = from_right ? picture.width - 1 - source_x : source_x;
      source_y = from_bottom ? picture.height - 1 - source_y : source_y;
      out = std::copy_n(picture.row(source_y) + std::size_t{source_x} * picture.channels, picture.channels, out);
    }
  }
  return result;
}

Picture flatten(Picture picture, std::uint32_t background) {
  if (picture.channels != 4) {
    return picture;
  }
  const std::array<unsigned, 3> behind{(background >> 16) & 255U, (background >> 8) & 255U, background & 255U};
  Picture result{picture.width, picture.height, 3, {}};
  result.samples.resize(result.row_bytes() * picture.height);
  std::uint8_t* out = result.samples.data();
  for (std::size_t i = 0; i < picture.samples.size(); i += 4) {
    const unsigned alpha = picture.samples[i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      *out++ = static_cast<std::uint8_t>((picture.samples[i + c] * alpha + behind[c] * (255 - alpha) + 127) / 255);
    }
  }
  return result;
}

}  // namespace image

#include "image/render.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "image/orient.hpp"
#include "image/scale.hpp"

namespace image {
namespace {

void require_size(const ImageInfoT& info, std::uint64_t max_pixels) {
  const std::uint64_t limit = std::min(max_pixels, Downscaler::kMaxPixels);
  const std::uint64_t pixels = std::uint64_t{info.width} * info.height;
  if (pixels > limit) {
    throw PictureError(TENON_TOO_LARGE, "the picture is " + std::to_string(info.width) + "x" +
                                            std::to_string(info.height) + ", which is " + std::to_string(pixels) +
                                            " pixels; the limit is " + std::to_string(limit) +
                                            "; raise `max_pixels` if the file can be trusted");
  }
}

/// `whole` is the picture; `rows` is the form in which it is read.
Picture read_scaled(PictureReader& reader, const Shape& whole, const Rows& rows, const Shape& to) {
  const Shape& from = rows.shape;
  if (from.width == to.width && from.height == to.height) {
    Picture picture(from);
    for (std::uint32_t y = 0; y < from.height; ++y) {
      reader.read_row(picture.row(y));
    }
    return picture;
  }
  Downscaler scaler(whole, rows.divisor, to);
  std::vector<std::uint8_t> row(from.row_bytes());
  for (std::uint32_t y = 0; y < from.height; ++y) {
    reader.read_row(row);
    scaler.add_row(row);
  }
  return scaler.take();
}

}  // namespace

Picture render(PictureReader& reader, const RenderOptions& options, const Poll& poll) {
  const ImageInfoT& info = reader.info();
  require_size(info, options.max_pixels);
  const Rows rows = reader.start(options.edge);
  const Shape whole{info.width, info.height, rows.shape.channels};
  const Shape to = fit(whole, options.edge);
  Picture picture = read_scaled(reader, whole, rows, to);
  reader.finish();
  return upright(std::move(picture), info.orientation, poll);
}

}  // namespace image

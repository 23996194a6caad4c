#include "image/picture.hpp"

#include "image/foreign.hpp"
#include "image/jpeg.hpp"
#include "image/png_picture.hpp"

namespace image {

std::unique_ptr<PictureReader> open_picture(std::span<const std::uint8_t> bytes, const Poll& poll) {
  if (bytes.empty()) {
    throw PictureError(TENON_CORRUPT, "the file is empty; get a complete copy of it");
  }
  if (is_jpeg(bytes)) {
    return open_jpeg(bytes, poll);
  }
  if (is_png(bytes)) {
    return open_png(bytes, poll);
  }
  throw PictureError(TENON_UNSUPPORTED, "is not a JPEG or PNG picture but " + describe_foreign(bytes) +
                                            "; exclude it, or convert it to JPEG or PNG first");
}

}  // namespace image

#include "image/picture.hpp"

#include "image/foreign.hpp"
#include "image/jpeg.hpp"
#include "image/png_picture.hpp"

namespace image {

std::unique_ptr<PictureReader> open_picture(std::span<const std::uint8_t> bytes, const Poll& poll) {
  if (bytes.empty()) {
    throw PictureError(TENON_CORRUPT, "the file is empty; get a whole copy of it");
  }
  if (is_jpeg(bytes)) {
    return open_jpeg(bytes, poll);
  }
  if (is_png(bytes)) {
    return open_png(bytes, poll);
  }
  throw PictureError(TENON_UNSUPPORTED, "is no JPEG or PNG picture, but " + describe_foreign(bytes) +
                                            "; leave it out, or convert it to JPEG or PNG first");
}

}  // namespace image

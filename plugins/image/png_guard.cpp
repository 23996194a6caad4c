#include "image/png_guard.hpp"

#include <string>
#include <string_view>

namespace image {

void PngErrors::on_error(png_structp png, png_const_charp message) {
  static_cast<PngErrors*>(png_get_error_ptr(png))->leave(message);
}

void PngErrors::leave(const char* message) {
  std::snprintf(message_, sizeof(message_), "%s", message);
  std::longjmp(jump_, 1);
}

void PngErrors::leave_at_end() {
  ends_early_ = true;
  leave("the file ends before the picture does");
}

void PngErrors::leave_without_memory() {
  code_ = TENON_OUT_OF_MEMORY;
  leave("no memory for it");
}

void PngErrors::fail(const char* what) const {
  // libpng has no error codes; this is its only text that stands for another code.
  const bool no_memory = code_ == TENON_OUT_OF_MEMORY || std::string_view(message_) == "Out of memory";
  throw PictureError(
      no_memory ? TENON_OUT_OF_MEMORY : code_,
      std::string(what) + ": " + message_ +
          (no_memory ? "; lower `max_pixels`, or give the worker more memory" : "; get a complete copy of the file"),
      ends_early_);
}

}  // namespace image

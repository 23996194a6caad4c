#include <array>
#include <new>

#include "image/output.hpp"
#include "image/png_guard.hpp"
#include "image/png_picture.hpp"

namespace image {
namespace {

constexpr const char* kFailed = "the PNG cannot be written";

struct Target {
  Output* output;
  PngErrors* errors;
};

void write_bytes(png_structp png, png_bytep data, std::size_t size_bytes) {
  auto& target = *static_cast<Target*>(png_get_io_ptr(png));
  if (!target.output->append(data, size_bytes)) {
    target.errors->leave_without_memory();
  }
}

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::on_error, PngErrors::on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
  }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }

  std::vector<std::uint8_t> write(const Picture& picture, const Poll& poll) {
    static constexpr std::array<int, 4> kTypes{PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                               PNG_COLOR_TYPE_RGB_ALPHA};
    errors_.guard(kFailed, [png = png_, info = info_, target = &target_, shape = picture.shape] {
      png_set_write_fn(png, target, write_bytes, [](png_structp) {});
      png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_set_IHDR(png, info, shape.width, shape.height, 8, kTypes[shape.channels - 1], PNG_INTERLACE_NONE,
                   PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
      png_write_info(png, info);
    });
    for (std::uint32_t y = 0; y < picture.shape.height; ++y) {
      poll();
      errors_.guard(kFailed, [png = png_, row = picture.row(y).data()] { png_write_row(png, row); });
    }
    errors_.guard(kFailed, [png = png_, info = info_] { png_write_end(png, info); });
    return output_.take();
  }

 private:
  PngErrors errors_;
  Output output_;
  Target target_{&output_, &errors_};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::vector<std::uint8_t> write_png(const Picture& picture, const Poll& poll) {
  return PngWriter().write(picture, poll);
}

}  // namespace image

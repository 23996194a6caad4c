#include <algorithm>
#include <cstring>
#include <new>

#include "image/exif.hpp"
#include "image/png_guard.hpp"
#include "image/png_picture.hpp"

namespace image {
namespace {

constexpr const char* kBroken = "the PNG cannot be read";
constexpr std::size_t kSignatureBytes = 8;

/// The source from which libpng reads.
struct Source {
  std::span<const std::uint8_t> rest;
  PngErrors* errors;
};

void read_bytes(png_structp png, png_bytep target, std::size_t size_bytes) {
  auto& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (size_bytes > source.rest.size()) {
    source.errors->leave_at_end();
  }
  std::memcpy(target, source.rest.data(), size_bytes);
  source.rest = source.rest.subspan(size_bytes);
}

class PngReader final : public PictureReader {
 public:
  PngReader(std::span<const std::uint8_t> bytes, const Poll& poll) : poll_(poll), source_{bytes, &errors_} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::on_error, PngErrors::on_warning);
    info_struct_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_struct_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    try {
      errors_.guard(kBroken, [png = png_, info = info_struct_, source = &source_] {
        png_set_read_fn(png, source, read_bytes);
        // The caller enforces size limits; libpng's own are narrower and less clear.
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_read_info(png, info);
      });
      describe();
    } catch (...) {
      png_destroy_read_struct(&png_, &info_struct_, nullptr);
      throw;
    }
  }
  ~PngReader() override { png_destroy_read_struct(&png_, &info_struct_, nullptr); }

  [[nodiscard]] const ImageInfoT& info() const noexcept override { return info_; }

  Rows start(std::uint64_t) override {
    errors_.guard(kBroken, [png = png_, info = info_struct_] {
      png_set_expand(png);
      png_set_scale_16(png);
      png_set_interlace_handling(png);
      png_read_update_info(png, info);
    });
    shape_ = {info_.width, info_.height, png_get_channels(png_, info_struct_)};
    if (shape_.channels < 1 || shape_.channels > 4 || png_get_rowbytes(png_, info_struct_) != shape_.row_bytes()) {
      throw PictureError(TENON_UNSUPPORTED, "the PNG has pixels of an unknown kind; save it as RGB of 8 bits");
    }
    if (info_.progressive) {
      read_passes();
    }
    return {shape_, 1};
  }

  void read_row(std::span<std::uint8_t> row) override {
    poll_();
    if (info_.progressive) {
      const auto source = whole_.row(next_row_++);
      std::copy(source.begin(), source.end(), row.begin());
      return;
    }
    errors_.guard(kBroken, [png = png_, target = row.data()] { png_read_row(png, target, nullptr); });
  }

  void finish() override {
    errors_.guard(kBroken, [png = png_] { png_read_end(png, nullptr); });
  }

 private:
  void describe() {
    info_.format = Format::png;
    info_.width = png_get_image_width(png_, info_struct_);
    info_.height = png_get_image_height(png_, info_struct_);
    info_.channels = png_get_channels(png_, info_struct_);
    info_.bits_per_sample = png_get_bit_depth(png_, info_struct_);
    info_.progressive = png_get_interlace_type(png_, info_struct_) != PNG_INTERLACE_NONE;
    const int type = png_get_color_type(png_, info_struct_);
    info_.color = type == PNG_COLOR_TYPE_PALETTE ? "palette" : (type & PNG_COLOR_MASK_COLOR) != 0 ? "rgb" : "gray";
    info_.has_alpha = (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png_, info_struct_, PNG_INFO_tRNS) != 0;
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size_bytes = 0;
    png_bytep exif = nullptr;
    errors_.guard(kBroken, [png = png_, info = info_struct_, size = &size_bytes, data = &exif] {
      if (png_get_eXIf_1(png, info, size, data) == 0) {
        *size = 0;
      }
    });
    if (size_bytes != 0) {
      info_.orientation = exif_orientation({exif, size_bytes});
    }
#endif
  }

  /// The last row of an interlaced picture comes in the last pass, so it is read as a whole.
  void read_passes() {
    whole_ = Picture(shape_);
    constexpr int kPasses = 7;
    for (int pass = 0; pass < kPasses; ++pass) {
      for (std::uint32_t y = 0; y < shape_.height; ++y) {
        poll_();
        errors_.guard(kBroken, [png = png_, target = whole_.row(y).data()] { png_read_row(png, target, nullptr); });
      }
    }
  }

  const Poll& poll_;
  PngErrors errors_;
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_struct_ = nullptr;
  ImageInfoT info_;
  Shape shape_;
  Picture whole_;
  std::uint32_t next_row_ = 0;
};

}  // namespace

bool is_png(std::span<const std::uint8_t> bytes) noexcept {
  return bytes.size() >= kSignatureBytes && png_sig_cmp(bytes.data(), 0, kSignatureBytes) == 0;
}

std::unique_ptr<PictureReader> open_png(std::span<const std::uint8_t> bytes, const Poll& poll) {
  return std::make_unique<PngReader>(bytes, poll);
}

}  // namespace image

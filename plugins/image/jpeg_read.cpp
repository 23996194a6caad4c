#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "image/exif.hpp"
#include "image/jpeg.hpp"
#include "image/jpeg_guard.hpp"

namespace image {
namespace {

constexpr const char* kBroken = "the JPEG cannot be read";
constexpr std::array<std::uint8_t, 3> kStart{0xFF, 0xD8, 0xFF};
constexpr std::array<std::uint8_t, 6> kExifStart{'E', 'x', 'i', 'f', 0, 0};
constexpr int kExifMarker = JPEG_APP0 + 1;

/// Provides bytes in memory to libjpeg, and an error at their end: libjpeg's own source would
/// invent the rest.
struct MemorySource {
  jpeg_source_mgr base;
  JpegErrors* errors;
};

void nothing(j_decompress_ptr) {}

boolean end_of_bytes(j_decompress_ptr jpeg) {
  reinterpret_cast<MemorySource*>(jpeg->src)->errors->leave_at_end();
}

void skip_bytes(j_decompress_ptr jpeg, long count) {
  if (count <= 0) {
    return;
  }
  jpeg_source_mgr& source = *jpeg->src;
  if (static_cast<unsigned long>(count) > source.bytes_in_buffer) {
    end_of_bytes(jpeg);
  }
  source.next_input_byte += count;
  source.bytes_in_buffer -= static_cast<std::size_t>(count);
}

/// Destroyed even if a constructor fails half-way. Destroying a zeroed one is valid.
struct Decompressor {
  Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&jpeg); }

  jpeg_decompress_struct jpeg{};
};

class JpegReader final : public PictureReader {
 public:
  JpegReader(std::span<const std::uint8_t> bytes, const Poll& poll) : errors_(poll) {
    jpeg_.err = errors_.manager();
    errors_.guard(kBroken, [jpeg = &jpeg_] { jpeg_create_decompress(jpeg); });
    jpeg_.progress = errors_.monitor();
    source_.errors = &errors_;
    source_.base.init_source = nothing;
    source_.base.fill_input_buffer = end_of_bytes;
    source_.base.skip_input_data = skip_bytes;
    source_.base.resync_to_restart = jpeg_resync_to_restart;
    source_.base.term_source = nothing;
    source_.base.next_input_byte = bytes.data();
    source_.base.bytes_in_buffer = bytes.size();
    jpeg_.src = &source_.base;
    errors_.guard(kBroken, [jpeg = &jpeg_] {
      jpeg_save_markers(jpeg, kExifMarker, 0xFFFF);
      jpeg_read_header(jpeg, TRUE);
    });
    describe();
  }

  [[nodiscard]] const ImageInfoT& info() const noexcept override { return info_; }

  Rows start(std::uint64_t least_edge) override {
    choose_colours();
    choose_scale(least_edge);
    errors_.guard(kBroken, [jpeg = &jpeg_] { jpeg_start_decompress(jpeg); });
    if (is_cmyk_) {
      cmyk_row_.resize(std::size_t{jpeg_.output_width} * 4);
    }
    const std::uint32_t channels = is_cmyk_ ? 3u : static_cast<std::uint32_t>(jpeg_.output_components);
    return {{jpeg_.output_width, jpeg_.output_height, channels}, jpeg_.scale_denom};
  }

  void read_row(std::span<std::uint8_t> row) override {
    JSAMPROW target = is_cmyk_ ? cmyk_row_.data() : row.data();
    errors_.guard(kBroken, [jpeg = &jpeg_, rows = &target, errors = &errors_] {
      if (jpeg_read_scanlines(jpeg, rows, 1) != 1) {
        errors->leave(TENON_CORRUPT, "a row is missing");
      }
    });
    if (is_cmyk_) {
      to_rgb(row);
    }
  }

  void finish() override {
    errors_.guard(kBroken, [jpeg = &jpeg_] { jpeg_finish_decompress(jpeg); });
  }

 private:
  void describe() {
    info_.format = Format::jpeg;
    info_.width = jpeg_.image_width;
    info_.height = jpeg_.image_height;
    info_.channels = static_cast<std::uint8_t>(jpeg_.num_components);
    info_.bits_per_sample = static_cast<std::uint8_t>(jpeg_.data_precision);
    info_.progressive = jpeg_.progressive_mode != FALSE;
    switch (jpeg_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        info_.color = "gray";
        break;
      case JCS_RGB:
      case JCS_YCbCr:
        info_.color = "rgb";
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        info_.color = "cmyk";
        break;
      default:
        info_.color = "other";
        break;
    }
    for (const jpeg_marker_struct* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::span<const std::uint8_t> data(marker->data, marker->data_length);
      if (marker->marker == kExifMarker && data.size() >= kExifStart.size() &&
          std::equal(kExifStart.begin(), kExifStart.end(), data.begin())) {
        info_.orientation = exif_orientation(data.subspan(kExifStart.size()));
        break;
      }
    }
  }

  void choose_colours() {
    if (info_.color == "gray") {
      jpeg_.out_color_space = JCS_GRAYSCALE;
    } else if (info_.color == "rgb") {
      jpeg_.out_color_space = JCS_RGB;
    } else if (info_.color == "cmyk") {
      jpeg_.out_color_space = JCS_CMYK;
      is_cmyk_ = true;
    } else {
      throw PictureError(TENON_UNSUPPORTED, "the JPEG has " + std::to_string(info_.channels) +
                                                " colours of an unknown kind; save it as gray, RGB or CMYK");
    }
  }

  /// libjpeg can decode at 1/2, 1/4 and 1/8 size at a fraction of the cost. Decodes to at least
  /// twice the requested size and leaves the rest to the exact scaling, which gives better edges.
  void choose_scale(std::uint64_t least_edge) {
    const std::uint64_t longer = std::max(jpeg_.image_width, jpeg_.image_height);
    unsigned divisor = 1;
    while (divisor < 8 && longer / (divisor * 2) / 2 >= least_edge) {
      divisor *= 2;
    }
    jpeg_.scale_num = 1;
    jpeg_.scale_denom = divisor;
  }

  void to_rgb(std::span<std::uint8_t> row) const {
    // Adobe's programs store CMYK inverted, and mark the file.
    const unsigned flip = jpeg_.saw_Adobe_marker ? 0 : 255;
    const std::uint8_t* source = cmyk_row_.data();
    for (std::size_t i = 0; i < row.size(); i += 3, source += 4) {
      const unsigned light = source[3] ^ flip;
      for (std::size_t c = 0; c < 3; ++c) {
        row[i + c] = static_cast<std::uint8_t>(((source[c] ^ flip) * light + 127) / 255);
      }
    }
  }

  JpegErrors errors_;
  MemorySource source_{};
  Decompressor decompressor_;
  jpeg_decompress_struct& jpeg_ = decompressor_.jpeg;
  bool is_cmyk_ = false;
  ImageInfoT info_;
  std::vector<std::uint8_t> cmyk_row_;
};

}  // namespace

bool is_jpeg(std::span<const std::uint8_t> bytes) noexcept {
  return bytes.size() >= kStart.size() && std::equal(kStart.begin(), kStart.end(), bytes.begin());
}

std::unique_ptr<PictureReader> open_jpeg(std::span<const std::uint8_t> bytes, const Poll& poll) {
  return std::make_unique<JpegReader>(bytes, poll);
}

}  // namespace image

#include <array>
#include <string>

#include <jerror.h>

#include "image/jpeg.hpp"
#include "image/jpeg_guard.hpp"
#include "image/output.hpp"

namespace image {
namespace {

constexpr const char* kFailed = "the JPEG cannot be written";

/// Collects libjpeg's output in pieces.
struct MemorySink {
  jpeg_destination_mgr base;
  JpegErrors* errors;
  Output* output;
  std::array<JOCTET, 16384> piece;

  void reset() noexcept {
    base.next_output_byte = piece.data();
    base.free_in_buffer = piece.size();
  }
  void put(std::size_t size_bytes) {
    if (!output->append(piece.data(), size_bytes)) {
      errors->leave(TENON_OUT_OF_MEMORY, "no memory for the file");
    }
    reset();
  }
};

MemorySink& sink_of(j_compress_ptr jpeg) {
  return *reinterpret_cast<MemorySink*>(jpeg->dest);
}

/// Destroyed even if a constructor fails half-way. Destroying a zeroed one is valid.
struct Compressor {
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { jpeg_destroy_compress(&jpeg); }

  jpeg_compress_struct jpeg{};
};

class JpegWriter {
 public:
  explicit JpegWriter(const Poll& poll) : errors_(poll) {
    jpeg_.err = errors_.manager();
    errors_.guard(kFailed, [jpeg = &jpeg_] { jpeg_create_compress(jpeg); });
    jpeg_.progress = errors_.monitor();
    sink_.errors = &errors_;
    sink_.output = &output_;
    sink_.base.init_destination = [](j_compress_ptr jpeg) { sink_of(jpeg).reset(); };
    sink_.base.empty_output_buffer = [](j_compress_ptr jpeg) -> boolean {
      // libjpeg's contract: the whole buffer is full, regardless of free_in_buffer.
      MemorySink& sink = sink_of(jpeg);
      sink.put(sink.piece.size());
      return TRUE;
    };
    sink_.base.term_destination = [](j_compress_ptr jpeg) {
      MemorySink& sink = sink_of(jpeg);
      sink.put(sink.piece.size() - sink.base.free_in_buffer);
    };
    jpeg_.dest = &sink_.base;
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  std::vector<std::uint8_t> write(const Picture& picture, int quality) {
    jpeg_.image_width = picture.shape.width;
    jpeg_.image_height = picture.shape.height;
    jpeg_.input_components = static_cast<int>(picture.shape.channels);
    jpeg_.in_color_space = picture.shape.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    errors_.guard(kFailed, [jpeg = &jpeg_, quality] {
      jpeg_set_defaults(jpeg);
      jpeg_set_quality(jpeg, quality, TRUE);
      jpeg->optimize_coding = TRUE;
      jpeg_start_compress(jpeg, TRUE);
    });
    for (std::uint32_t y = 0; y < picture.shape.height; ++y) {
      // libjpeg's row type is not const, but it only reads the row.
      JSAMPROW row = const_cast<JSAMPROW>(picture.row(y).data());
      errors_.guard(kFailed, [jpeg = &jpeg_, rows = &row] { jpeg_write_scanlines(jpeg, rows, 1); });
    }
    errors_.guard(kFailed, [jpeg = &jpeg_] { jpeg_finish_compress(jpeg); });
    return output_.take();
  }

 private:
  JpegErrors errors_;
  Output output_;
  MemorySink sink_{};
  Compressor compressor_;
  jpeg_compress_struct& jpeg_ = compressor_.jpeg;
};

}  // namespace

std::vector<std::uint8_t> write_jpeg(const Picture& picture, int quality, const Poll& poll) {
  if (picture.shape.width > JPEG_MAX_DIMENSION || picture.shape.height > JPEG_MAX_DIMENSION) {
    throw PictureError(TENON_TOO_LARGE, "it is " + std::to_string(picture.shape.width) + "x" +
                                            std::to_string(picture.shape.height) + " pixels; a JPEG has at most " +
                                            std::to_string(JPEG_MAX_DIMENSION) +
                                            " each way; choose `png` as the `format`");
  }
  return JpegWriter(poll).write(picture, quality);
}

}  // namespace image

// libjpeg reports errors by a longjmp out of its own C frames, so:
//   * a function that calls setjmp has no local object with a destructor, and none changed after setjmp is read after
//     the jump: everything lives in the objects of its caller;
//   * what libjpeg calls back never throws: an exception is kept and goes on after the jump.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include <jpeglib.h>

#include <jerror.h>

#include <tenon/plugin.hpp>

#include "image/codec.hpp"

namespace image {
namespace {

using tenon::plugins::Poll;

/// A progressive file may hold the picture in thousands of scans that take time and add nothing.
constexpr int kMaxScans = 500;
constexpr char kExifHead[] = "Exif\0";

/// What libjpeg's callbacks find through the `client_data` of either struct.
struct Context {
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
  const Poll* poll = nullptr;
  std::exception_ptr thrown;

  /// Throws what happened. To be called after a jump.
  [[noreturn]] void raise(std::string_view path) const {
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    throw_broken(path, "JPEG", message);
  }
};

Context& context_of(j_common_ptr info) {
  return *static_cast<Context*>(info->client_data);
}

[[noreturn]] void on_error(j_common_ptr info) {
  Context& context = context_of(info);
  (*info->err->format_message)(info, context.message);
  std::longjmp(context.jump, 1);
}

/// libjpeg goes on after broken data, with gray where it knows nothing. Here that is an error; remarks are not.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) {
    return;
  }
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_MUST_RESYNC:
      on_error(info);
    default:
      break;
  }
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  Context& context = context_of(info);
  if (info->is_decompressor != 0 && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
    std::snprintf(context.message, sizeof(context.message), "it has more than %d scans", kMaxScans);
    std::longjmp(context.jump, 1);
  }
  try {
    (*context.poll)();
  } catch (...) {
    context.thrown = std::current_exception();
  }
  if (context.thrown) {
    std::longjmp(context.jump, 1);
  }
}

void set_up(Context& context) {
  jpeg_std_error(&context.errors);
  context.errors.error_exit = on_error;
  context.errors.emit_message = on_message;
  context.errors.output_message = on_output;
  context.progress.progress_monitor = on_progress;
}

/// Zeroed by its owner: libjpeg's destroy does nothing with a struct that was never created.
struct Decompressor {
  Context context;
  jpeg_decompress_struct info{};

  explicit Decompressor(const Poll* poll) {
    set_up(context);
    context.poll = poll;
    info.err = &context.errors;
    info.client_data = &context;
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&info); }
};

bool read_header(Decompressor& jpeg, Bytes bytes) {
  if (setjmp(jpeg.context.jump) != 0) {
    return false;
  }
  jpeg_create_decompress(&jpeg.info);
  jpeg.info.client_data = &jpeg.context;
  jpeg_mem_src(&jpeg.info, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&jpeg.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&jpeg.info, TRUE);
  return true;
}

bool start(Decompressor& jpeg) {
  if (setjmp(jpeg.context.jump) != 0) {
    return false;
  }
  if (jpeg.context.poll != nullptr) {
    jpeg.info.progress = &jpeg.context.progress;
  }
  jpeg_start_decompress(&jpeg.info);
  return true;
}

bool read_rows(Decompressor& jpeg, std::uint8_t* out, std::size_t row_bytes) {
  if (setjmp(jpeg.context.jump) != 0) {
    return false;
  }
  while (jpeg.info.output_scanline < jpeg.info.output_height) {
    JSAMPROW row = out + std::size_t{jpeg.info.output_scanline} * row_bytes;
    jpeg_read_scanlines(&jpeg.info, &row, 1);
  }
  jpeg_finish_decompress(&jpeg.info);
  return true;
}

unsigned orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::size_t kHeadBytes = 6;
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length > kHeadBytes &&
        std::memcmp(marker->data, kExifHead, kHeadBytes) == 0) {
      return exif_orientation(Bytes(marker->data, marker->data_length).subspan(kHeadBytes));
    }
  }
  return 1;
}

/// Ink to light. Adobe's programs store ink the wrong way round, and so does nearly everyone who stores CMYK.
Picture cmyk_to_rgb(const Picture& cmyk, bool inverted) {
  Picture rgb{cmyk.width, cmyk.height, 3, {}};
  rgb.samples.resize(rgb.row_bytes() * rgb.height);
  std::uint8_t* out = rgb.samples.data();
  for (std::size_t i = 0; i < cmyk.samples.size(); i += 4) {
    const unsigned flip = inverted ? 0 : 255;
    const unsigned black = cmyk.samples[i + 3] ^ flip;
    for (std::size_t c = 0; c < 3; ++c) {
      *out++ = static_cast<std::uint8_t>(((cmyk.samples[i + c] ^ flip) * black + 127) / 255);
    }
  }
  return rgb;
}

bool is_cmyk(const jpeg_decompress_struct& info) {
  return info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
}

struct Compressor {
  Context context;
  jpeg_compress_struct info{};
  unsigned char* buffer = nullptr;
  unsigned long size_bytes = 0;

  explicit Compressor(const Poll* poll) {
    set_up(context);
    context.poll = poll;
    info.err = &context.errors;
    info.client_data = &context;
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() {
    jpeg_destroy_compress(&info);
    std::free(buffer);  // NOLINT: libjpeg takes it from malloc
  }
};

bool compress(Compressor& jpeg, const Picture& picture, int quality) {
  if (setjmp(jpeg.context.jump) != 0) {
    return false;
  }
  jpeg_create_compress(&jpeg.info);
  jpeg.info.client_data = &jpeg.context;
  jpeg.info.progress = &jpeg.context.progress;
  jpeg_mem_dest(&jpeg.info, &jpeg.buffer, &jpeg.size_bytes);
  jpeg.info.image_width = picture.width;
  jpeg.info.image_height = picture.height;
  jpeg.info.input_components = static_cast<int>(picture.channels);
  jpeg.info.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&jpeg.info);
  jpeg_set_quality(&jpeg.info, quality, TRUE);
  jpeg.info.optimize_coding = TRUE;
  jpeg_start_compress(&jpeg.info, TRUE);
  while (jpeg.info.next_scanline < jpeg.info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.row(jpeg.info.next_scanline));  // NOLINT: libjpeg only reads
    jpeg_write_scanlines(&jpeg.info, &row, 1);
  }
  jpeg_finish_compress(&jpeg.info);
  return true;
}

}  // namespace

ImageInfoT probe_jpeg(Bytes bytes, std::string_view path) {
  Decompressor jpeg(nullptr);
  if (!read_header(jpeg, bytes)) {
    jpeg.context.raise(path);
  }
  ImageInfoT info;
  info.format = Format::jpeg;
  info.width = jpeg.info.image_width;
  info.height = jpeg.info.image_height;
  info.channels = static_cast<std::uint8_t>(jpeg.info.num_components);
  info.bits_per_sample = static_cast<std::uint8_t>(jpeg.info.data_precision);
  info.color = jpeg.info.jpeg_color_space == JCS_GRAYSCALE ? "gray" : is_cmyk(jpeg.info) ? "cmyk" : "rgb";
  info.progressive = jpeg.info.progressive_mode != 0;
  info.orientation = static_cast<std::uint8_t>(orientation_of(jpeg.info));
  return info;
}

Decoded decode_jpeg(Bytes bytes, const DecodeOptions& options, const Poll& poll) {
  Decompressor jpeg(&poll);
  if (!read_header(jpeg, bytes)) {
    jpeg.context.raise(options.path);
  }
  check_pixels(jpeg.info.image_width, jpeg.info.image_height, options.max_pixels, options.path);
  Decoded decoded;
  decoded.stored = {jpeg.info.image_width, jpeg.info.image_height};
  decoded.orientation = orientation_of(jpeg.info);
  jpeg.info.out_color_space = jpeg.info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE
                              : is_cmyk(jpeg.info)                        ? JCS_CMYK
                                                                          : JCS_RGB;
  if (options.target_edge != 0) {
    // The decoder scales by a power of two for nearly nothing; the rest is done with care afterwards.
    const std::uint64_t longer = std::max(jpeg.info.image_width, jpeg.info.image_height);
    jpeg.info.scale_num = 1;
    for (jpeg.info.scale_denom = 8;
         jpeg.info.scale_denom > 1 && longer / jpeg.info.scale_denom < std::uint64_t{options.target_edge} * 2;) {
      jpeg.info.scale_denom /= 2;
    }
  }
  if (!start(jpeg)) {
    jpeg.context.raise(options.path);
  }
  Picture& picture = decoded.picture;
  picture.width = jpeg.info.output_width;
  picture.height = jpeg.info.output_height;
  picture.channels = static_cast<std::uint32_t>(jpeg.info.output_components);
  picture.samples.resize(picture.row_bytes() * picture.height);
  if (!read_rows(jpeg, picture.samples.data(), picture.row_bytes())) {
    jpeg.context.raise(options.path);
  }
  if (is_cmyk(jpeg.info)) {
    picture = cmyk_to_rgb(picture, jpeg.info.saw_Adobe_marker != 0);
  }
  return decoded;
}

std::vector<std::uint8_t> encode_jpeg(const Picture& picture, unsigned quality, const Poll& poll) {
  if (quality < 1 || quality > 100) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`quality` is " + std::to_string(quality) + "; it goes from 1 to 100");
  }
  if (picture.channels == 4) {
    throw tenon::TaskError(TENON_INTERNAL, "a picture with alpha must be flattened before it becomes a JPEG");
  }
  if (picture.width > JPEG_MAX_DIMENSION || picture.height > JPEG_MAX_DIMENSION) {
    throw tenon::TaskError(TENON_TOO_LARGE, "a JPEG is at most " + std::to_string(JPEG_MAX_DIMENSION) +
                                                " pixels wide and high, the picture has " +
                                                std::to_string(picture.width) + " x " + std::to_string(picture.height) +
                                                "; set `format` to png");
  }
  Compressor jpeg(&poll);
  if (!compress(jpeg, picture, static_cast<int>(quality))) {
    jpeg.context.raise("result");
  }
  return {jpeg.buffer, jpeg.buffer + jpeg.size_bytes};
}

}  // namespace image

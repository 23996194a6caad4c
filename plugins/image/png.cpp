// libpng reports errors by a longjmp out of its own C frames; the rules at the head of jpeg.cpp hold here as well.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include <png.h>

#include <tenon/plugin.hpp>

#include "image/codec.hpp"

namespace image {
namespace {

using tenon::plugins::Poll;

/// Texts, profiles and the like in a PNG: none of them needs more.
constexpr png_alloc_size_t kMaxChunkBytes = 8u << 20;

struct Context {
  std::jmp_buf jump{};
  char message[256] = {};
  /// What is read, and how far.
  Bytes input;
  std::size_t position = 0;
  /// What is written.
  std::vector<std::uint8_t> output;
  const Poll* poll = nullptr;
  std::exception_ptr thrown;

  /// Throws what happened. To be called after a jump.
  [[noreturn]] void raise(std::string_view path) const {
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    throw_broken(path, "PNG", message);
  }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& context = *static_cast<Context*>(png_get_error_ptr(png));
  std::snprintf(context.message, sizeof(context.message), "%s", message);
  std::longjmp(context.jump, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, png_size_t size) {
  auto& context = *static_cast<Context*>(png_get_io_ptr(png));
  if (size > context.input.size() - context.position) {
    png_error(png, "it ends too early; the file is cut off");
  }
  std::memcpy(out, context.input.data() + context.position, size);
  context.position += size;
}

void on_write(png_structp png, png_bytep data, png_size_t size) {
  auto& context = *static_cast<Context*>(png_get_io_ptr(png));
  try {
    context.output.insert(context.output.end(), data, data + size);
  } catch (...) {
    context.thrown = std::current_exception();
  }
  if (context.thrown) {
    png_error(png, "out of memory");
  }
}

void on_flush(png_structp) {}

/// Asks whether to go on; false when not.
bool may_go_on(Context& context) {
  try {
    (*context.poll)();
    return true;
  } catch (...) {
    context.thrown = std::current_exception();
    return false;
  }
}

struct Reader {
  Context context;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Reader(Bytes bytes, const Poll* poll) {
    context.input = bytes;
    context.poll = poll;
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &context, on_error, on_warning);
    info = png != nullptr ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

bool read_header(Reader& reader) {
  if (setjmp(reader.context.jump) != 0) {
    return false;
  }
  png_set_read_fn(reader.png, &reader.context, on_read);
  png_set_chunk_malloc_max(reader.png, kMaxChunkBytes);
  png_set_user_limits(reader.png, 0x7FFFFFFF, 0x7FFFFFFF);
  png_read_info(reader.png, reader.info);
  return true;
}

/// Everything to 8 bits of gray, RGB or RGBA.
bool start(Reader& reader) {
  if (setjmp(reader.context.jump) != 0) {
    return false;
  }
  png_set_expand(reader.png);
  png_set_scale_16(reader.png);
  const bool transparent = png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0 ||
                           (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_ALPHA) != 0;
  if (transparent) {
    png_set_gray_to_rgb(reader.png);
  }
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(Reader& reader, std::uint8_t* out, std::size_t row_bytes, std::uint32_t height) {
  if (setjmp(reader.context.jump) != 0) {
    return false;
  }
  const int passes = png_get_interlace_type(reader.png, reader.info) == PNG_INTERLACE_NONE ? 1 : 7;
  for (int pass = 0; pass < passes; ++pass) {
    for (std::uint32_t y = 0; y < height; ++y) {
      if (!may_go_on(reader.context)) {
        return false;
      }
      png_read_row(reader.png, out + std::size_t{y} * row_bytes, nullptr);
    }
  }
  png_read_end(reader.png, reader.info);
  return true;
}

unsigned orientation_of(Reader& reader) {
#ifdef PNG_eXIf_SUPPORTED
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(reader.png, reader.info, &size, &exif) != 0 && exif != nullptr) {
    return exif_orientation(Bytes(exif, size));
  }
#endif
  return 1;
}

struct Writer {
  Context context;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Writer(const Poll* poll) {
    context.poll = poll;
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &context, on_error, on_warning);
    info = png != nullptr ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) {
      png_destroy_write_struct(&png, nullptr);
      throw std::bad_alloc();
    }
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

bool write_picture(Writer& writer, const Picture& picture) {
  if (setjmp(writer.context.jump) != 0) {
    return false;
  }
  png_set_write_fn(writer.png, &writer.context, on_write, on_flush);
  png_set_user_limits(writer.png, 0x7FFFFFFF, 0x7FFFFFFF);
  const int color = picture.channels == 1   ? PNG_COLOR_TYPE_GRAY
                    : picture.channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA
                                            : PNG_COLOR_TYPE_RGB;
  png_set_IHDR(writer.png, writer.info, picture.width, picture.height, 8, color, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    if (!may_go_on(writer.context)) {
      return false;
    }
    png_write_row(writer.png, picture.row(y));
  }
  png_write_end(writer.png, writer.info);
  return true;
}

const char* color_name(int color_type) {
  return (color_type & PNG_COLOR_MASK_PALETTE) != 0 ? "palette"
         : (color_type & PNG_COLOR_MASK_COLOR) != 0 ? "rgb"
                                                    : "gray";
}

}  // namespace

ImageInfoT probe_png(Bytes bytes, std::string_view path) {
  Reader reader(bytes, nullptr);
  if (!read_header(reader)) {
    reader.context.raise(path);
  }
  const int color_type = png_get_color_type(reader.png, reader.info);
  ImageInfoT info;
  info.format = Format::png;
  info.width = png_get_image_width(reader.png, reader.info);
  info.height = png_get_image_height(reader.png, reader.info);
  info.channels = png_get_channels(reader.png, reader.info);
  info.bits_per_sample = png_get_bit_depth(reader.png, reader.info);
  info.color = color_name(color_type);
  info.has_alpha =
      (color_type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0;
  info.progressive = png_get_interlace_type(reader.png, reader.info) != PNG_INTERLACE_NONE;
  info.orientation = static_cast<std::uint8_t>(orientation_of(reader));
  return info;
}

Decoded decode_png(Bytes bytes, const DecodeOptions& options, const Poll& poll) {
  Reader reader(bytes, &poll);
  if (!read_header(reader)) {
    reader.context.raise(options.path);
  }
  Decoded decoded;
  decoded.stored = {png_get_image_width(reader.png, reader.info), png_get_image_height(reader.png, reader.info)};
  check_pixels(decoded.stored.width, decoded.stored.height, options.max_pixels, options.path);
  if (!start(reader)) {
    reader.context.raise(options.path);
  }
  Picture& picture = decoded.picture;
  picture.width = decoded.stored.width;
  picture.height = decoded.stored.height;
  picture.channels = png_get_channels(reader.png, reader.info);
  picture.samples.resize(picture.row_bytes() * picture.height);
  if (!read_rows(reader, picture.samples.data(), picture.row_bytes(), picture.height)) {
    reader.context.raise(options.path);
  }
  decoded.orientation = orientation_of(reader);
  return decoded;
}

std::vector<std::uint8_t> encode_png(const Picture& picture, const Poll& poll) {
  Writer writer(&poll);
  if (!write_picture(writer, picture)) {
    writer.context.raise("result");
  }
  return std::move(writer.context.output);
}

}  // namespace image

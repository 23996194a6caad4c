#include "pictures.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <jpeglib.h>
#include <png.h>

namespace tenon::test {
namespace {

void append(FileBytes& bytes, std::uint32_t value, unsigned size_bytes, bool little_endian) {
  for (unsigned i = 0; i < size_bytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * (little_endian ? i : size_bytes - 1 - i))));
  }
}

Canvas decode_jpeg(std::span<const std::uint8_t> bytes) {
  // The default error handler of libjpeg exits the test with a message.
  jpeg_error_mgr errors{};
  jpeg_decompress_struct jpeg{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  jpeg_start_decompress(&jpeg);
  Canvas canvas(jpeg.output_width, jpeg.output_height, static_cast<unsigned>(jpeg.output_components));
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = canvas.at(0, jpeg.output_scanline);
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return canvas;
}

Canvas decode_png(std::span<const std::uint8_t> bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) {
    throw std::runtime_error(std::string("no PNG: ") + png.message);
  }
  const bool alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  const bool colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  png.format = alpha ? PNG_FORMAT_RGBA : colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Canvas canvas(png.width, png.height, alpha ? 4 : colour ? 3 : 1);
  if (png_image_finish_read(&png, nullptr, canvas.samples.data(), 0, nullptr) == 0) {
    throw std::runtime_error(std::string("broken PNG: ") + png.message);
  }
  return canvas;
}

}  // namespace

Canvas::Canvas(unsigned made_width, unsigned made_height, unsigned made_channels)
    : width(made_width),
      height(made_height),
      channels(made_channels),
      samples(std::size_t{made_width} * made_height * made_channels) {}

Canvas filled(unsigned width, unsigned height, std::vector<std::uint8_t> colour) {
  Canvas canvas(width, height, static_cast<unsigned>(colour.size()));
  for (std::size_t i = 0; i < canvas.samples.size(); ++i) {
    canvas.samples[i] = colour[i % colour.size()];
  }
  return canvas;
}

Canvas gradient(unsigned width, unsigned height, unsigned channels) {
  Canvas canvas(width, height, channels);
  for (unsigned y = 0; y < height; ++y) {
    for (unsigned x = 0; x < width; ++x) {
      const unsigned across = x * 255 / std::max(1u, width - 1);
      const unsigned down = y * 255 / std::max(1u, height - 1);
      const std::array<unsigned, 4> values{across, down, (across + down) / 2, 255 - across / 2};
      for (unsigned c = 0; c < channels; ++c) {
        canvas.at(x, y)[c] = static_cast<std::uint8_t>(values[channels == 2 && c == 1 ? 3 : c]);
      }
    }
  }
  return canvas;
}

std::vector<double> mean_colour(const Canvas& canvas) {
  std::vector<double> sums(canvas.channels);
  for (std::size_t i = 0; i < canvas.samples.size(); ++i) {
    sums[i % canvas.channels] += canvas.samples[i];
  }
  for (double& sum : sums) {
    sum /= static_cast<double>(canvas.width) * canvas.height;
  }
  return sums;
}

int largest_difference(const Canvas& a, const Canvas& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) {
    return 256;
  }
  int largest = 0;
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.samples[i]} - int{b.samples[i]}));
  }
  return largest;
}

FileBytes exif_block(std::uint16_t orientation, bool little_endian) {
  FileBytes bytes(2, little_endian ? 'I' : 'M');
  append(bytes, 42, 2, little_endian);
  append(bytes, 8, 4, little_endian);
  append(bytes, 1, 2, little_endian);
  append(bytes, 0x0112, 2, little_endian);
  append(bytes, 3, 2, little_endian);
  append(bytes, 1, 4, little_endian);
  append(bytes, orientation, 2, little_endian);
  append(bytes, 0, 2, little_endian);
  append(bytes, 0, 4, little_endian);
  return bytes;
}

FileBytes encode_jpeg(const Canvas& canvas, const JpegOptions& options) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct jpeg{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long size_bytes = 0;
  jpeg_mem_dest(&jpeg, &data, &size_bytes);
  jpeg.image_width = canvas.width;
  jpeg.image_height = canvas.height;
  jpeg.input_components = static_cast<int>(canvas.channels);
  jpeg.in_color_space = canvas.channels == 1 ? JCS_GRAYSCALE : canvas.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, options.quality, TRUE);
  if (options.progressive) {
    jpeg_simple_progression(&jpeg);
  }
  if (canvas.channels == 4 && !options.adobe) {
    jpeg.write_Adobe_marker = FALSE;
  }
  jpeg_start_compress(&jpeg, TRUE);
  for (std::size_t left = options.padding_bytes; left > 0;) {
    const FileBytes padding(std::min<std::size_t>(left, 60000), 0x55);
    jpeg_write_marker(&jpeg, JPEG_APP0 + 7, padding.data(), static_cast<unsigned>(padding.size()));
    left -= padding.size();
  }
  if (options.orientation != 0) {
    FileBytes block{'E', 'x', 'i', 'f', 0, 0};
    const FileBytes tiff = exif_block(options.orientation, options.little_endian);
    block.insert(block.end(), tiff.begin(), tiff.end());
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, block.data(), static_cast<unsigned>(block.size()));
  }
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(canvas.at(0, jpeg.next_scanline));
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  FileBytes bytes(data, data + size_bytes);
  std::free(data);
  return bytes;
}

FileBytes encode_png(const Canvas& canvas, const PngOptions& options) {
  // The default error handler of libpng exits the test with a message.
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  FileBytes bytes;
  png_set_write_fn(
      png, &bytes,
      [](png_structp self, png_bytep data, std::size_t size_bytes) {
        auto& out = *static_cast<FileBytes*>(png_get_io_ptr(self));
        out.insert(out.end(), data, data + size_bytes);
      },
      [](png_structp) {});
  static constexpr std::array<int, 5> kTypes{0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                             PNG_COLOR_TYPE_RGB_ALPHA};
  const int type = options.palette.empty() ? kTypes[canvas.channels] : PNG_COLOR_TYPE_PALETTE;
  png_set_IHDR(png, info, canvas.width, canvas.height, options.bit_depth, type,
               options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
               PNG_FILTER_TYPE_BASE);
  std::vector<png_color> palette;
  for (const auto& colour : options.palette) {
    palette.push_back({colour[0], colour[1], colour[2]});
  }
  if (!palette.empty()) {
    png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  }
  if (!options.palette_alpha.empty()) {
    png_set_tRNS(png, info, options.palette_alpha.data(), static_cast<int>(options.palette_alpha.size()), nullptr);
  }
  if (options.transparent_gray >= 0) {
    png_color_16 level{};
    level.gray = static_cast<png_uint_16>(options.transparent_gray);
    png_set_tRNS(png, info, nullptr, 0, &level);
  }
  FileBytes exif = exif_block(options.orientation, false);
  if (options.orientation != 0) {
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), exif.data());
  }
  png_write_info(png, info);

  const std::size_t row_samples = std::size_t{canvas.width} * canvas.channels;
  std::vector<FileBytes> rows(canvas.height);
  for (unsigned y = 0; y < canvas.height; ++y) {
    FileBytes& row = rows[y];
    const std::uint8_t* samples = canvas.at(0, y);
    if (options.bit_depth == 16) {
      for (std::size_t i = 0; i < row_samples; ++i) {
        // Repeating the byte keeps the same fraction of the full range.
        row.push_back(samples[i]);
        row.push_back(samples[i]);
      }
    } else if (options.bit_depth < 8) {
      const auto bits = static_cast<unsigned>(options.bit_depth);
      row.resize((row_samples * bits + 7) / 8);
      for (std::size_t i = 0; i < row_samples; ++i) {
        const unsigned value = options.palette.empty() ? samples[i] >> (8 - bits) : samples[i];
        const auto shift = static_cast<unsigned>(8 - bits - i * bits % 8);
        row[i * bits / 8] = static_cast<std::uint8_t>(row[i * bits / 8] | value << shift);
      }
    } else {
      row.assign(samples, samples + row_samples);
    }
  }
  std::vector<png_bytep> pointers;
  for (FileBytes& row : rows) {
    pointers.push_back(row.data());
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

Canvas decode(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 4) {
    throw std::runtime_error("no picture");
  }
  return bytes[0] == 0xFF ? decode_jpeg(bytes) : decode_png(bytes);
}

}  // namespace tenon::test

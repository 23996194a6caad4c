/// Pictures from and to bytes: JPEG by libjpeg-turbo, PNG by libpng.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/poll.hpp"
#include "image/picture.hpp"
#include "image_generated.h"

namespace image {

using Bytes = std::span<const std::uint8_t>;

/// The format of a file by its first bytes. Throws TaskError TENON_INVALID_ARGUMENT, naming `path`, for what is neither
/// JPEG nor PNG; TENON_CORRUPT for an empty file.
Format detect_format(Bytes bytes, std::string_view path);

/// How to decode.
struct DecodeOptions {
  /// More pixels than this are TENON_TOO_LARGE, found out from the header alone.
  std::uint64_t max_pixels = 100'000'000;
  /// If not 0, the picture may come at a fraction of its size whose longer edge is at least twice this many pixels.
  std::uint32_t target_edge = 0;
  /// For messages.
  std::string_view path;
};

/// A decoded picture as it is stored, and how it is to be turned.
struct Decoded {
  Picture picture;
  /// As the header says it, before any scaling.
  Size stored;
  unsigned orientation = 1;
};

/// These throw TaskError: TENON_CORRUPT for a broken or cut off file, TENON_TOO_LARGE, and what `poll` throws.
ImageInfoT probe_jpeg(Bytes bytes, std::string_view path);
ImageInfoT probe_png(Bytes bytes, std::string_view path);
Decoded decode_jpeg(Bytes bytes, const DecodeOptions& options, const tenon::plugins::Poll& poll);
Decoded decode_png(Bytes bytes, const DecodeOptions& options, const tenon::plugins::Poll& poll);

/// A picture with alpha is refused: flatten it first. `quality` is 1 to 100.
std::vector<std::uint8_t> encode_jpeg(const Picture& picture, unsigned quality, const tenon::plugins::Poll& poll);
std::vector<std::uint8_t> encode_png(const Picture& picture, const tenon::plugins::Poll& poll);

/// The orientation in EXIF data, which begins with its TIFF header; 1 if it has none or is broken.
unsigned exif_orientation(Bytes exif);

/// What all decoders say. [[noreturn]] TaskError TENON_CORRUPT; TENON_TOO_LARGE if there are too many pixels.
[[noreturn]] void throw_broken(std::string_view path, std::string_view format, std::string_view why);
void check_pixels(std::uint64_t width, std::uint64_t height, std::uint64_t max_pixels, std::string_view path);

}  // namespace image

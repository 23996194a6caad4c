#include "image/codec.hpp"

#include <algorithm>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace image {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;

bool begins_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char expected, std::uint8_t byte) { return static_cast<std::uint8_t>(expected) == byte; });
}

/// Formats that people take for pictures that this plugin reads.
std::string_view foreign_name(Bytes bytes) {
  struct Known {
    std::string_view magic;
    std::string_view name;
  };
  static constexpr Known kKnown[] = {{"GIF8", "a GIF"},
                                     {"RIFF", "a RIFF file, as WebP is"},
                                     {"BM", "a BMP"},
                                     {std::string_view("II*\0", 4), "a TIFF"},
                                     {std::string_view("MM\0*", 4), "a TIFF"},
                                     {"%PDF", "a PDF"},
                                     {"<svg", "an SVG"},
                                     {"<?xml", "XML"},
                                     {"\xFF\x0A", "a JPEG XL"}};
  for (const Known& known : kKnown) {
    if (begins_with(bytes, known.magic)) {
      return known.name;
    }
  }
  return "of another format";
}

/// Reads numbers of a TIFF structure, 0 beyond its end.
class TiffReader {
 public:
  TiffReader(Bytes bytes, bool little_endian) : bytes_(bytes), little_endian_(little_endian) {}
  [[nodiscard]] std::uint32_t number(std::uint64_t at, unsigned size) const {
    std::uint32_t value = 0;
    if (at + size > bytes_.size()) {
      return 0;
    }
    for (unsigned i = 0; i < size; ++i) {
      value = (value << 8) | bytes_[static_cast<std::size_t>(at) + (little_endian_ ? size - 1 - i : i)];
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool little_endian_;
};

}  // namespace

void throw_broken(std::string_view path, std::string_view format, std::string_view why) {
  throw TaskError(TENON_CORRUPT, quote(path) + ": the " + std::string(format) + " is broken: " + std::string(why));
}

void check_pixels(std::uint64_t width, std::uint64_t height, std::uint64_t max_pixels, std::string_view path) {
  if (width * height > max_pixels) {
    throw TaskError(TENON_TOO_LARGE, quote(path) + ": has " + std::to_string(width) + " x " + std::to_string(height) +
                                         " pixels, the limit is " + std::to_string(max_pixels) +
                                         " in all; raise `max_pixels`");
  }
}

Format detect_format(Bytes bytes, std::string_view path) {
  if (bytes.empty()) {
    throw TaskError(TENON_CORRUPT, quote(path) + ": is empty, not a picture");
  }
  if (begins_with(bytes, "\xFF\xD8\xFF")) {
    return Format::jpeg;
  }
  if (begins_with(bytes, "\x89PNG\r\n\x1A\n")) {
    return Format::png;
  }
  throw TaskError(TENON_INVALID_ARGUMENT, quote(path) + ": is no JPEG and no PNG but " +
                                              std::string(foreign_name(bytes)) + "; leave it out or convert it first");
}

unsigned exif_orientation(Bytes exif) {
  constexpr std::uint32_t kOrientationTag = 0x0112;
  constexpr std::uint32_t kShort = 3;
  const bool little_endian = begins_with(exif, std::string_view("II*\0", 4));
  if (!little_endian && !begins_with(exif, std::string_view("MM\0*", 4))) {
    return 1;
  }
  const TiffReader tiff(exif, little_endian);
  const std::uint64_t directory = tiff.number(4, 4);
  const std::uint32_t count = tiff.number(directory, 2);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t entry = directory + 2 + std::uint64_t{i} * 12;
    if (tiff.number(entry, 2) == kOrientationTag && tiff.number(entry + 2, 2) == kShort) {
      const std::uint32_t value = tiff.number(entry + 8, 2);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

}  // namespace image

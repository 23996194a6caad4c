#include "image/foreign.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace image {
namespace {

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

using std::string_view_literals::operator""sv;

constexpr auto kSignatures = std::to_array<Signature>({
    {0, "GIF87a"sv, "a GIF picture"},
    {0, "GIF89a"sv, "a GIF picture"},
    {8, "WEBP"sv, "a WebP picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {0, "II+\0"sv, "a BigTIFF picture"},
    {0, "MM\0+"sv, "a BigTIFF picture"},
    {4, "ftypheic"sv, "a HEIC picture"},
    {4, "ftypheix"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIF picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftypavis"sv, "an AVIF picture"},
    {4, "ftyp"sv, "a video"},
    {0, "\0\0\0\x0CjP  \r\n\x87\n"sv, "a JPEG 2000 picture"},
    {0, "\xFF\x4F\xFF\x51"sv, "a JPEG 2000 picture"},
    {0, "\0\0\0\x0CJXL "sv, "a JPEG XL picture"},
    {0, "\xFF\x0A"sv, "a JPEG XL picture"},
    {0, "8BPS"sv, "a Photoshop picture"},
    {0, "\x8AMNG"sv, "an MNG animation"},
    {0, "\0\0\1\0"sv, "an icon"},
    {0, "BM"sv, "a BMP picture"},
    {0, "%PDF"sv, "a PDF document"},
    {0, "%!PS"sv, "a PostScript document"},
    {0, "PK\3\4"sv, "a ZIP archive"},
    {0, "\x1F\x8B"sv, "a gzip file"},
    {0, "\x28\xB5\x2F\xFD"sv, "a zstd file"},
    {0, "\x7F\x45LF"sv, "a program"},
    {0, "#!"sv, "a script"},
    {0, "<svg"sv, "an SVG picture"},
    {0, "<?xml"sv, "an XML document"},
    {0, "<!DOCTYPE"sv, "an HTML document"},
    {0, "<!doctype"sv, "an HTML document"},
    {0, "<html"sv, "an HTML document"},
});

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\r' || byte == '\t';
  });
}

std::string_view name_of(std::string_view bytes) {
  for (const Signature& signature : kSignatures) {
    if (bytes.size() >= signature.offset && bytes.substr(signature.offset).starts_with(signature.bytes)) {
      return signature.name;
    }
  }
  constexpr std::size_t kTextBytes = 64;
  return is_text(bytes.substr(0, kTextBytes)) ? "a text" : "of an unknown kind";
}

}  // namespace

std::string describe_foreign(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kShownBytes = 4;
  std::string text(name_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  text += " (it starts with";
  for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), kShownBytes))) {
    text += ' ';
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text + ')';
}

}  // namespace image

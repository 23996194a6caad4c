#include "common/foreign.hpp"

#include <array>

namespace tenon::plugins {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kUnpack = "unpack it first; only gzip and zstd are supported";
constexpr std::string_view kConvert = "convert it first, for example with `iconv -t UTF-8`";
constexpr std::string_view kLeaveOut = "exclude such files";

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  ForeignKind kind;
};

constexpr auto kSignatures = std::to_array<Signature>({
    {0, "\xFD\x37zXZ\0"sv, {"an xz file", kUnpack}},
    {4, "1AY&SY"sv, {"a bzip2 file", kUnpack}},
    {4, "\x17\x72\x45\x38\x50\x90"sv, {"a bzip2 file", kUnpack}},
    {0, "\x04\x22\x4D\x18"sv, {"an LZ4 file", kUnpack}},
    {0, "\x02\x21\x4C\x18"sv, {"an LZ4 file", kUnpack}},
    {0, "\x5D\0\0"sv, {"an LZMA file", kUnpack}},
    {0, "LZIP\1"sv, {"an lzip file", kUnpack}},
    {0, "\x89LZO\0\r\n"sv, {"an lzop file", kUnpack}},
    {0, "\x1F\x9D"sv, {"a file of `compress`", kUnpack}},
    {0, "\x1F\x8B"sv, {"a gzip file", kUnpack}},
    {0, "\x28\xB5\x2F\xFD"sv, {"a zstd file", kUnpack}},
    {0, "7z\xBC\xAF\x27\x1C"sv, {"a 7z archive", kUnpack}},
    {0, "PK\3\4"sv, {"a ZIP archive, or a document in one", kUnpack}},
    {0, "PK\5\6"sv, {"an empty ZIP archive", kUnpack}},
    {0, "Rar!\x1A\7"sv, {"a RAR archive", kUnpack}},
    {257, "ustar"sv, {"a tar archive", kUnpack}},
    {0, "\xFF\xFE"sv, {"UTF-16 text", kConvert}},
    {0, "\xFE\xFF"sv, {"UTF-16 text", kConvert}},
    {0, "\0\0\xFE\xFF"sv, {"UTF-32 text", kConvert}},
    {0, "\x89PNG\r\n\x1A\n"sv, {"a PNG picture", kLeaveOut}},
    {0, "\xFF\xD8\xFF"sv, {"a JPEG picture", kLeaveOut}},
    {0, "GIF87a"sv, {"a GIF picture", kLeaveOut}},
    {0, "GIF89a"sv, {"a GIF picture", kLeaveOut}},
    {8, "WEBPVP8"sv, {"a WebP picture", kLeaveOut}},
    {0, "II*\0"sv, {"a TIFF picture", kLeaveOut}},
    {0, "MM\0*"sv, {"a TIFF picture", kLeaveOut}},
    {0, "\0\0\1\0"sv, {"an icon", kLeaveOut}},
    {8, "WAVEfmt "sv, {"a sound file", kLeaveOut}},
    {0, "OggS\0"sv, {"an Ogg file", kLeaveOut}},
    {0, "fLaC\0"sv, {"a FLAC file", kLeaveOut}},
    {0, "ID3\2"sv, {"an MP3 file", kLeaveOut}},
    {0, "ID3\3"sv, {"an MP3 file", kLeaveOut}},
    {0, "ID3\4"sv, {"an MP3 file", kLeaveOut}},
    {4, "ftypisom"sv, {"a video", kLeaveOut}},
    {4, "ftypmp4"sv, {"a video", kLeaveOut}},
    {4, "ftypqt  "sv, {"a video", kLeaveOut}},
    {4, "ftypavif"sv, {"an AVIF picture", kLeaveOut}},
    {4, "ftypheic"sv, {"a HEIC picture", kLeaveOut}},
    {0, "\x1A\x45\xDF\xA3"sv, {"a Matroska or WebM file", kLeaveOut}},
    {0, "%PDF-"sv, {"a PDF document", "extract its text first, for example with `pdftotext`"}},
    {0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, {"a document of an old office program", kLeaveOut}},
    {0, "SQLite format 3\0"sv, {"an SQLite database", kLeaveOut}},
    {0, "\x7F\x45LF"sv, {"a program, a library or an object file", kLeaveOut}},
    {0, "\xCF\xFA\xED\xFE"sv, {"a program or a library", kLeaveOut}},
    {0, "\xCA\xFE\xBA\xBE"sv, {"a Java class or a universal program", kLeaveOut}},
    {0, "!<arch>\n"sv, {"a static library or a Debian package", kLeaveOut}},
    {0, "\0asm"sv, {"a WebAssembly module", kLeaveOut}},
    {0, "wOF2\0"sv, {"a font", kLeaveOut}},
    {0, "\0\1\0\0\0"sv, {"a font", kLeaveOut}},
});

}  // namespace

ForeignKind foreign_kind(std::span<const std::uint8_t> head) noexcept {
  const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Signature& signature : kSignatures) {
    const bool bzip2 = signature.offset != 4 || signature.kind.name != "a bzip2 file" || bytes.starts_with("BZh");
    if (bytes.size() > signature.offset && bzip2 && bytes.substr(signature.offset).starts_with(signature.bytes)) {
      return signature.kind;
    }
  }
  return {};
}

}  // namespace tenon::plugins

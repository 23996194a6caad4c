// Broken, truncated, foreign and huge files give an error or a picture, never a crash. Run it with
// AddressSanitizer.
#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "image_calls.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/text.hpp"

using tenon::test::Canvas;
using tenon::test::encode_jpeg;
using tenon::test::encode_png;
using tenon::test::file_of;
using tenon::test::FileBytes;
using tenon::test::filled;
using tenon::test::gradient;
using tenon::test::has;
using tenon::test::Outcome;
using tenon::test::Worker;

namespace {

FileBytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

/// Returns small files of every kind.
std::vector<FileBytes> samples() {
  return {encode_jpeg(gradient(20, 14, 3), {.orientation = 6}),
          encode_jpeg(gradient(20, 14, 1)),
          encode_jpeg(gradient(20, 14, 3), {.progressive = true}),
          encode_jpeg(gradient(20, 14, 4)),
          encode_png(gradient(20, 14, 3), {.orientation = 5}),
          encode_png(gradient(20, 14, 4), {.interlaced = true}),
          encode_png(gradient(20, 14, 1), {.bit_depth = 2}),
          encode_png(gradient(20, 14, 3), {.interlaced = true, .bit_depth = 16}),
          encode_png(filled(20, 14, {1}), {.palette = {{1, 2, 3}, {4, 5, 6}}, .palette_alpha = {7}})};
}

/// Returns whether the outcome is an error that names the file, or a picture that can be decoded.
bool is_sound(const Outcome& outcome) {
  if (!outcome.ok()) {
    return has(outcome.message, "'in/picture.bin': ");
  }
  const Canvas made = tenon::test::picture_of(outcome);
  return made.width > 0 && made.height > 0;
}

/// The limit of pixels is small, so that a flipped bit in the size costs no time.
Outcome thumbnail(Worker& worker, FileBytes bytes) {
  image::ThumbnailParamsT params;
  params.edge = 8;
  params.max_pixels = 1'000'000;
  return worker.call("thumbnail", file_of(std::move(bytes)), params);
}

/// Computes the CRC of a PNG chunk. Source: PNG specification, annex D.
std::uint32_t crc(std::string_view bytes) {
  std::uint32_t value = 0xFFFFFFFF;
  for (const char byte : bytes) {
    value ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320 : 0);
    }
  }
  return ~value;
}

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// Returns a PNG file that declares this size and ends there.
FileBytes png_of_size(std::uint32_t width, std::uint32_t height, char interlace) {
  const std::string header = "IHDR" + big_endian(width) + big_endian(height) + std::string({8, 6, 0, 0, interlace});
  const std::string data = "IDAT";
  return bytes_of("\x89PNG\r\n\x1a\n" + big_endian(13) + header + big_endian(crc(header)) + big_endian(0) + data +
                  big_endian(crc(data)));
}

/// Returns a JPEG file whose frame header is changed to another size.
FileBytes jpeg_of_size(std::uint16_t width, std::uint16_t height, bool progressive) {
  FileBytes bytes = encode_jpeg(gradient(16, 16, 3), {.progressive = progressive});
  const std::vector<std::uint8_t> frame{0xFF, static_cast<std::uint8_t>(progressive ? 0xC2 : 0xC0)};
  const auto at = std::search(bytes.begin(), bytes.end(), frame.begin(), frame.end());
  at[5] = static_cast<std::uint8_t>(height >> 8);
  at[6] = static_cast<std::uint8_t>(height);
  at[7] = static_cast<std::uint8_t>(width >> 8);
  at[8] = static_cast<std::uint8_t>(width);
  return bytes;
}

}  // namespace

TEST_CASE("Hostile: the whole files are good") {
  Worker worker;
  for (const FileBytes& bytes : samples()) {
    const auto outcome = thumbnail(worker, bytes);
    CHECK(outcome.message.empty());
    CHECK(outcome.ok());
  }
}

TEST_CASE("Hostile: every truncated file is an error that says so") {
  Worker worker;
  for (const FileBytes& bytes : samples()) {
    std::size_t unsound = 0;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const FileBytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto outcome = thumbnail(worker, part);
      const bool right = !outcome.ok() && is_sound(outcome) &&
                         (outcome.status == TENON_CORRUPT || (size < 8 && outcome.status == TENON_UNSUPPORTED));
      unsound += right ? 0 : 1;
      const auto probed = worker.call("probe", file_of(part));
      unsound += probed.ok() || is_sound(probed) ? 0 : 1;
    }
    CHECK(unsound == 0);
  }
}

TEST_CASE("Hostile: flipped bits give an error or a picture") {
  Worker worker;
  std::mt19937 random(20240517);
  for (const FileBytes& bytes : samples()) {
    std::size_t unsound = 0;
    for (int round = 0; round < 400; ++round) {
      FileBytes changed = bytes;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
        changed[random() % changed.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
      }
      const auto outcome = thumbnail(worker, changed);
      unsound += is_sound(outcome) ? 0 : 1;
    }
    CHECK(unsound == 0);
  }
}

TEST_CASE("Hostile: bytes replaced by 0 and 255 give an error or a picture") {
  Worker worker;
  for (const FileBytes& bytes : samples()) {
    std::size_t unsound = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const std::uint8_t value : {std::uint8_t{0}, std::uint8_t{0xFF}}) {
        FileBytes changed = bytes;
        changed[at] = value;
        unsound += is_sound(thumbnail(worker, changed)) ? 0 : 1;
      }
    }
    CHECK(unsound == 0);
  }
}

TEST_CASE("Hostile: random bytes behind a true start are an error") {
  Worker worker;
  std::mt19937 random(7);
  for (const std::string_view start : {std::string_view("\xFF\xD8\xFF"), std::string_view("\x89PNG\r\n\x1a\n")}) {
    for (int round = 0; round < 200; ++round) {
      FileBytes bytes = bytes_of(start);
      while (bytes.size() < 300) {
        bytes.push_back(static_cast<std::uint8_t>(random()));
      }
      const auto outcome = thumbnail(worker, bytes);
      CHECK_FALSE(outcome.ok());
      CHECK(is_sound(outcome));
    }
  }
}

TEST_CASE("Hostile: a picture that says it is huge is refused before memory is taken") {
  Worker worker;
  for (const FileBytes& bytes :
       {png_of_size(0x7FFFFFFF, 0x7FFFFFFF, 0), png_of_size(0x7FFFFFFF, 0x7FFFFFFF, 1), png_of_size(200000, 200000, 0),
        jpeg_of_size(65500, 65500, false), jpeg_of_size(65500, 65500, true)}) {
    const auto outcome = worker.call("thumbnail", file_of(bytes));
    CHECK(outcome.status == TENON_TOO_LARGE);
    CHECK(has(outcome.message, "max_pixels"));
    CHECK(worker.call("probe", file_of(bytes)).ok());
  }
}

TEST_CASE("Hostile: a picture of no width or height is an error") {
  Worker worker;
  for (const FileBytes& bytes : {png_of_size(0, 5, 0), png_of_size(5, 0, 0), png_of_size(0x80000000, 5, 0),
                                 jpeg_of_size(0, 5, false), jpeg_of_size(5, 0, true)}) {
    const auto outcome = worker.call("thumbnail", file_of(bytes));
    CHECK_FALSE(outcome.ok());
    CHECK(is_sound(outcome));
  }
}

TEST_CASE("Hostile: a progressive JPEG with thousands of scans is refused") {
  Worker worker;
  const FileBytes whole = encode_jpeg(gradient(64, 64, 3), {.progressive = true});
  const std::vector<std::uint8_t> start{0xFF, 0xDA};
  // A refinement of some coefficients that is repeated many times: the last scan of the file.
  const auto last = std::find_end(whole.begin(), whole.end(), start.begin(), start.end());
  FileBytes bytes(whole.begin(), last);
  const FileBytes scan(last, whole.end() - 2);
  for (int i = 0; i < 3000; ++i) {
    bytes.insert(bytes.end(), scan.begin(), scan.end());
  }
  bytes.push_back(0xFF);
  bytes.push_back(0xD9);
  const auto outcome = worker.call("thumbnail", file_of(bytes));
  CHECK_FALSE(outcome.ok());
  CHECK(is_sound(outcome));
}

TEST_CASE("Hostile: an empty file is an error that says so") {
  Worker worker;
  const auto outcome = worker.call("thumbnail", file_of(FileBytes{}, "nothing.png"));
  CHECK(outcome.status == TENON_CORRUPT);
  CHECK(has(outcome.message, "'nothing.png': the file is empty"));
}

TEST_CASE("Hostile: a foreign file is an error that names it and says what it is") {
  Worker worker;
  using std::string_view_literals::operator""sv;
  const std::vector<std::pair<std::string_view, const char*>> files{
      {"GIF89a\1\0\1\0"sv, "a GIF picture"},
      {"RIFF\0\0\0\0WEBPVP8 "sv, "a WebP picture"},
      {"II*\0\10\0\0\0"sv, "a TIFF picture"},
      {"\0\0\0\x1c"
       "ftypheic"sv,
       "a HEIC picture"},
      {"\0\0\0\x1c"
       "ftypmp42"sv,
       "a video"},
      {"BM\0\0\0\0"sv, "a BMP picture"},
      {"%PDF-1.7"sv, "a PDF document"},
      {"PK\3\4\0\0"sv, "a ZIP archive"},
      {"\x7F"
       "ELF\2\1"sv,
       "a program"},
      {"<svg xmlns="sv, "an SVG picture"},
      {"Dear all,\n"sv, "a text"},
      {"x"sv, "a text"},
      {"\1\2\3\4\5\6"sv, "of an unknown kind (it starts with 01 02 03 04)"},
  };
  for (const auto& [bytes, name] : files) {
    for (const char* task : {"thumbnail", "probe", "convert"}) {
      const auto outcome = worker.call(task, file_of(bytes_of(bytes), "odd/file.jpg"));
      CHECK(outcome.status == TENON_UNSUPPORTED);
      CHECK(has(outcome.message, "'odd/file.jpg': is not a JPEG or PNG picture but " + std::string(name)));
    }
  }
}

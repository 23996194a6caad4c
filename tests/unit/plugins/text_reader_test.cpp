#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/text_reader.hpp"
#include "packed.hpp"
#include "tenon_test/catch.hpp"

using tenon::plugins::Content;
using tenon::test::gzip;
using tenon::test::zstd;

namespace {

std::string unpack(const std::string& packed, std::size_t piece = 1000, std::uint64_t limit = 1u << 30) {
  Content content("packed", {reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()});
  tenon::plugins::TextReader reader(content, limit);
  std::string text;
  std::vector<std::uint8_t> buffer(piece);
  while (const std::size_t size = reader.read(buffer)) {
    text.append(reinterpret_cast<const char*>(buffer.data()), size);
  }
  return text;
}

tenon_status_t status_of(const std::string& packed, std::uint64_t limit = 1u << 30) {
  try {
    unpack(packed, 1000, limit);
    return TENON_OK;
  } catch (const tenon::TaskError& error) {
    CHECK(std::string(error.what()).rfind("'packed': ", 0) == 0);
    return error.code();
  }
}

std::string sample() {
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += "line " + std::to_string(i * 7919) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("TextReader: plain, gzip and zstd give the same text, in pieces of any size") {
  const std::string text = sample();
  for (const std::string& packed : {text, gzip(text), zstd(text)}) {
    for (const std::size_t piece : {1u, 7u, 1000u, 1000000u}) {
      CHECK(unpack(packed, piece) == text);
    }
  }
  CHECK(unpack("").empty());
  CHECK(unpack(gzip("")).empty());
  CHECK(unpack(zstd("")).empty());
  CHECK(unpack("\x1F") == "\x1F");
}

TEST_CASE("TextReader: several members are one text") {
  CHECK(unpack(gzip("a") + gzip("") + gzip("b")) == "ab");
  CHECK(unpack(zstd("a") + zstd("") + zstd("b")) == "ab");
  CHECK(unpack(gzip("a") + std::string(500, '\0')) == "a");
}

TEST_CASE("TextReader: every cut of a packed file is an error") {
  const std::string text = sample().substr(0, 600);
  for (const std::string& packed : {gzip(text), zstd(text)}) {
    for (std::size_t size = 4; size < packed.size(); ++size) {
      INFO(size << " of " << packed.size());
      CHECK(status_of(packed.substr(0, size)) == TENON_CORRUPT);
    }
  }
}

TEST_CASE("TextReader: a changed byte is an error or changes nothing") {
  const std::string text = sample().substr(0, 600);
  const std::string packed = gzip(text);
  for (std::size_t at = 10; at < packed.size(); ++at) {
    std::string changed = packed;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    CHECK(status_of(changed) == TENON_CORRUPT);
  }
  CHECK(status_of(gzip("a") + "rubbish") == TENON_CORRUPT);
  CHECK(status_of(zstd("a") + "rubbish") == TENON_CORRUPT);
}

TEST_CASE("TextReader: a bomb ends at the limit") {
  const std::string zeros(20u << 20, '\0');
  for (const std::string& packed : {gzip(zeros), zstd(zeros)}) {
    CHECK(packed.size() < 100000);
    CHECK(status_of(packed, 1u << 20) == TENON_TOO_LARGE);
    CHECK(status_of(packed, zeros.size()) == TENON_OK);
  }
}

TEST_CASE("TextReader: skippable frames of zstd, with any magic and anywhere, are no text") {
  const std::string text = sample();
  for (int magic = 0x50; magic <= 0x5F; ++magic) {
    std::string frame{static_cast<char>(magic), '\x2A', '\x4D', '\x18', 4, 0, 0, 0, 'a', 'b', 'c', 'd'};
    CHECK(unpack(frame + zstd(text)) == text);
    CHECK(unpack(zstd("a\n") + frame + zstd("b\n") + frame) == "a\nb\n");
    CHECK(unpack(frame).empty());
    CHECK(status_of(frame.substr(0, 9)) == TENON_CORRUPT);
    CHECK(status_of(frame + "rubbish") == TENON_CORRUPT);
  }
}

TEST_CASE("TextReader: what is known not to be text is told, also when it is packed") {
  const auto message_of = [](const std::string& packed) -> std::string {
    try {
      unpack(packed);
      return "";
    } catch (const tenon::TaskError& error) {
      CHECK(error.code() == TENON_UNSUPPORTED);
      return error.what();
    }
  };
  const std::string png = std::string("\x89PNG\r\n\x1A\n") + std::string(600, '\0');
  CHECK(message_of(png) == "'packed': is a PNG picture, not text; exclude such files");
  CHECK(message_of(std::string("\xFD\x37zXZ\0....", 10)) ==
        "'packed': is an xz file, not text; unpack it first; only gzip and zstd are supported");
  CHECK(message_of("\xFF\xFEh").find("'packed': is UTF-16 text, not text; convert it first") == 0);
  CHECK(message_of(gzip(png)).find("'packed': the gzip file contains a PNG picture, not text") == 0);
  CHECK(message_of(zstd(gzip("text"))).find("'packed': the zstd file contains a gzip file") == 0);
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  CHECK(message_of(gzip(tar)).find("'packed': the gzip file contains a tar archive") == 0);
  const std::string skippable("\x50\x2A\x4D\x18\x00\x00\x00\x00", 8);
  CHECK(message_of(skippable + "\x04\x22\x4D\x18....").find("the data after a skippable frame is an LZ4 file") !=
        std::string::npos);
}

TEST_CASE("TextReader: unknown bytes, and words that begin like a signature, remain text") {
  for (const std::string& text : {std::string(5000, '\0'), std::string("BM is no picture"), std::string("PK or II*"),
                                  std::string("ustar"), std::string("LZIP and Rar!"), std::string("\x01\x02\x03")}) {
    CHECK(unpack(text, 3) == text);
  }
}

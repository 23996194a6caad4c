#include "serve/frame.hpp"

#include <string>
#include <vector>

#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

Buffer frame(const std::string& content) {
  const auto header = frame_header(content.size());
  Buffer bytes(header.begin(), header.end());
  bytes.insert(bytes.end(), content.begin(), content.end());
  return bytes;
}

std::vector<std::string> read_all(FrameReader& reader, BytesView input) {
  std::vector<std::string> frames;
  while (!input.empty()) {
    auto next = reader.next(input);
    REQUIRE(next);
    if (*next) {
      frames.emplace_back((*next)->begin(), (*next)->end());
    }
  }
  return frames;
}

}  // namespace

TEST_CASE("FrameReader: frames come out as they went in, however the bytes are cut") {
  Buffer bytes = frame("one");
  for (const std::string& content : {std::string("x"), std::string(5000, 'y')}) {
    const Buffer more = frame(content);
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{4096}, bytes.size()}) {
    FrameReader reader(kMaxFrameBytes);
    std::vector<std::string> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      for (std::string& one : read_all(reader, BytesView(bytes).subspan(at, std::min(step, bytes.size() - at)))) {
        frames.push_back(std::move(one));
      }
    }
    REQUIRE(frames.size() == 3);
    CHECK(frames[0] == "one");
    CHECK(frames[1] == "x");
    CHECK(frames[2] == std::string(5000, 'y'));
    CHECK_FALSE(reader.inside());
  }
}

TEST_CASE("FrameReader: what is no frame is told from its first bytes") {
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n"), std::string("T\0", 2), std::string("TNS\2....")}) {
    FrameReader reader(kMaxFrameBytes);
    BytesView input(reinterpret_cast<const std::uint8_t*>(garbage.data()), garbage.size());
    const auto read = reader.next(input);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("FrameReader: sizes at and beyond the limit") {
  const Buffer at_limit = frame(std::string(100, 'a'));
  FrameReader reader(100);
  CHECK(read_all(reader, at_limit).size() == 1);

  const Buffer beyond = frame(std::string(101, 'a'));
  BytesView input = beyond;
  CHECK(FrameReader(100).next(input).error().code == ErrorCode::kTooLarge);

  const Buffer empty = frame("");
  input = empty;
  CHECK(FrameReader(100).next(input).error().code == ErrorCode::kCorrupt);

  // A huge size in a header uses no memory and is refused.
  const auto giant = frame_header(0xFFFFFFFF);
  input = giant;
  CHECK(FrameReader(kMaxFrameBytes).next(input).error().code == ErrorCode::kTooLarge);
}

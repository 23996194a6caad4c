#include "ipc/frames.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

Buffer sequence_of(const std::vector<std::string>& texts) {
  std::vector<BytesView> frames;
  for (const std::string& text : texts) {
    frames.emplace_back(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
  Buffer buffer(*frames_size_bytes(frames));
  REQUIRE(write_frames(frames, buffer));
  return buffer;
}

}  // namespace

TEST_CASE("frames: none, one and many come back as they went in") {
  for (const auto& texts : std::vector<std::vector<std::string>>{
           {}, {""}, {"a"}, {"", "sixteen bytes ok", "seventeen bytes !"}, std::vector<std::string>(1000, "x")}) {
    const Buffer buffer = sequence_of(texts);
    auto frames = read_frames(buffer);
    REQUIRE(frames);
    REQUIRE(frames->size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(std::string((*frames)[i].begin(), (*frames)[i].end()) == texts[i]);
      CHECK(((*frames)[i].data() - buffer.data()) % 16 == 0);
    }
  }
}

TEST_CASE("frames: every cut of a sequence is refused or reads inside it") {
  const Buffer whole = sequence_of({"one", "two and a half", std::string(100, 'z')});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto frames = read_frames(cut);
    if (frames) {
      CHECK(size >= whole.size() - 15);  // Only the last padding is missing.
    } else {
      CHECK(frames.error().code == ErrorCode::kCorrupt);
    }
  }
}

TEST_CASE("frames: hostile counts and sizes are refused") {
  Buffer buffer = sequence_of({"one", "two"});
  const auto with = [&buffer](std::size_t at, std::uint64_t value, std::size_t bytes) {
    Buffer changed = buffer;
    std::memcpy(changed.data() + at, &value, bytes);
    return read_frames(changed);
  };
  CHECK_FALSE(with(0, 0xffffffff, 4));
  CHECK_FALSE(with(0, 3, 4));
  CHECK_FALSE(with(4, 1, 4));
  CHECK_FALSE(with(16, ~std::uint64_t{0}, 8));
  CHECK_FALSE(with(16, ~std::uint64_t{0} - 15, 8));
  CHECK_FALSE(with(16, 33, 8));
  CHECK_FALSE(with(24, 1, 8));
  CHECK(with(16, 3, 8));
}

TEST_CASE("frames: a target that is too small is not written") {
  const BytesView frame;
  Buffer small(31);
  CHECK(write_frames(std::span(&frame, 1), small).error().code == ErrorCode::kInvalidArgument);
}

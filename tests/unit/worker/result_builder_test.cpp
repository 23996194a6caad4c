#include "worker/result_builder.hpp"

#include <cstring>
#include <string>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;
using tenon::ErrorCode;

namespace {

constexpr std::uint64_t kArenaBytes = std::uint64_t{4} << 20;

struct Bench {
  Arena arena = std::move(*Arena::create("test", 7, kArenaBytes, false));
  alignas(16) ResultBuilder::Scratch scratch{};
  [[nodiscard]] ResultBuilder::Options options(std::uint32_t max_results = 0) {
    return {.arena = &arena, .scratch = &scratch, .limit_bytes = kArenaBytes, .max_results = max_results};
  }
};

void fill(std::uint8_t* data, std::string_view text) {
  std::memcpy(data, text.data(), text.size());
}

std::string text(const ResultBlob& blob) {
  return {reinterpret_cast<const char*>(blob.bytes.data()), blob.bytes.size()};
}

}  // namespace

TEST_CASE("ResultBuilder: what is committed is the result, in the arena or private") {
  Bench bench;
  for (const std::uint64_t size : {16, 4096, 5000, 1'000'000}) {
    for (Arena* arena : {&bench.arena, static_cast<Arena*>(nullptr)}) {
      auto options = bench.options();
      options.arena = arena;
      options.scratch = arena == nullptr ? nullptr : &bench.scratch;
      ResultBuilder builder(options);
      std::uint8_t* data = *builder.reserve(size);
      REQUIRE(reinterpret_cast<std::uintptr_t>(data) % 16 == 0);
      std::memset(data, 'x', size);
      REQUIRE(builder.commit(data, size));
      REQUIRE(builder.results().size() == 1);
      REQUIRE(text(builder.results().front()) == std::string(size, 'x'));
    }
  }
  REQUIRE(bench.arena.allocate(kArenaBytes / 2));  // No block is left in use.
}

TEST_CASE("ResultBuilder: grow_down keeps both ends") {
  Bench bench;
  ResultBuilder builder(bench.options());
  std::uint8_t* data = *builder.reserve(32);
  fill(data, "front");
  fill(data + 32 - 4, "back");
  data = *builder.grow_down(10'000, 4, 5);
  REQUIRE(std::memcmp(data, "front", 5) == 0);
  REQUIRE(std::memcmp(data + 10'000 - 4, "back", 4) == 0);
  REQUIRE(builder.commit(data + 10'000 - 4, 4));
  REQUIRE(text(builder.results().front()) == "back");
}

TEST_CASE("ResultBuilder: grow_down moves nothing while there is room in front of the block") {
  Bench bench;
  ResultBuilder builder(bench.options());
  std::uint64_t size = 8192;
  std::uint8_t* data = *builder.reserve(size);
  const std::uint8_t* end = data + size;
  fill(data, "front");
  fill(data + size - 4, "back");
  while (size < kArenaBytes / 4) {
    size = size * 3 / 2 / 16 * 16;
    data = *builder.grow_down(size, 4, 5);
    REQUIRE(data + size == end);
    REQUIRE(std::memcmp(data, "front", 5) == 0);
    REQUIRE(std::memcmp(end - 4, "back", 4) == 0);
  }
  // A block whose size is not a multiple of the alignment moves, but also keeps both ends.
  data = *builder.grow_down(size + 5, 4, 5);
  REQUIRE(reinterpret_cast<std::uintptr_t>(data) % 16 == 0);
  REQUIRE(std::memcmp(data, "front", 5) == 0);
  REQUIRE(std::memcmp(data + size + 5 - 4, "back", 4) == 0);
  REQUIRE(builder.grow_down(kArenaBytes + 16, 4, 5).error().code == ErrorCode::kTooLarge);
  REQUIRE(builder.commit(data, 5));
  REQUIRE(text(builder.results().front()) == "front");
}

TEST_CASE("ResultBuilder: a result begins at an aligned place") {
  Bench bench;
  ResultBuilder builder(bench.options());
  std::uint8_t* data = *builder.reserve(8192);
  fill(data + 8192 - 5, "hello");
  REQUIRE(builder.commit(data + 8192 - 5, 5));
  REQUIRE(reinterpret_cast<std::uintptr_t>(builder.results().front().bytes.data()) % 16 == 0);
  REQUIRE(text(builder.results().front()) == "hello");
}

TEST_CASE("ResultBuilder: a second commit replaces the first, a source's adds") {
  Bench bench;
  {
    ResultBuilder builder(bench.options());
    fill(*builder.reserve(16), "one");
    REQUIRE(builder.commit(*builder.reserve(16), 3));
    std::uint8_t* data = *builder.reserve(16);
    fill(data, "two");
    REQUIRE(builder.commit(data, 3));
    REQUIRE(builder.results().size() == 1);
    REQUIRE(text(builder.results().front()) == "two");
  }
  ResultBuilder builder(bench.options(2));
  for (const char* word : {"one", "two"}) {
    std::uint8_t* data = *builder.reserve(16);
    fill(data, word);
    REQUIRE(builder.commit(data, 3));
  }
  REQUIRE(text(builder.results()[0]) == "one");
  REQUIRE(text(builder.results()[1]) == "two");
  REQUIRE(builder.commit(*builder.reserve(16), 1).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("ResultBuilder: wrong use is an error and changes nothing") {
  Bench bench;
  ResultBuilder builder(bench.options());
  std::uint8_t byte = 0;
  REQUIRE(builder.commit(&byte, 1).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(builder.grow_down(10, 0, 0).error().code == ErrorCode::kInvalidArgument);
  std::uint8_t* data = *builder.reserve(64);
  REQUIRE(builder.commit(data + 60, 100).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(builder.commit(data - 1, 1).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(builder.commit(data, ~std::uint64_t{0}).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(builder.grow_down(32, 64, 0).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(builder.reserve(kArenaBytes + 1).error().code == ErrorCode::kTooLarge);
  data = *builder.reserve(64);
  REQUIRE(builder.commit(data, 64));
}

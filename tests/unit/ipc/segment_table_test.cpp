#include "ipc/segment_table.hpp"

#include <array>
#include <limits>

#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

std::shared_ptr<const Mapping> mapping(std::uint64_t size_bytes) {
  auto made = Mapping::anonymous(size_bytes);
  REQUIRE(made);
  return std::make_shared<const Mapping>(std::move(*made));
}

}  // namespace

TEST_CASE("SegmentTable: adds, finds and removes; refuses reserved and double numbers") {
  SegmentTable table;
  CHECK_FALSE(table.contains(1));
  REQUIRE(table.add(1, mapping(4096)));
  CHECK(table.contains(1));
  CHECK_FALSE(table.add(1, mapping(4096)));
  CHECK_FALSE(table.add(kNoSegment, mapping(4096)));
  CHECK_FALSE(table.add(kInlineSegment, mapping(4096)));
  CHECK_FALSE(table.add(2, nullptr));
  CHECK(table.remove(1));
  CHECK_FALSE(table.contains(1));
  CHECK_FALSE(table.remove(1));
}

TEST_CASE("SegmentTable: resolve accepts what fits and names what does not") {
  SegmentTable table;
  REQUIRE(table.add(5, mapping(4096)));
  const std::array<std::uint8_t, 8> slot{};
  const auto resolve = [&](BlockRef block) { return table.resolve(block, slot, "argument"); };
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

  CHECK(resolve({})->empty());
  CHECK(resolve({.segment = kInlineSegment, .size_bytes = 8})->size() == 8);
  CHECK(resolve({.segment = 5, .offset_bytes = 0, .size_bytes = 4096})->size() == 4096);
  CHECK(resolve({.segment = 5, .offset_bytes = 4096, .size_bytes = 0})->empty());
  CHECK(resolve({.segment = 5, .offset_bytes = 4080, .size_bytes = 16})->size() == 16);

  CHECK(resolve({.segment = 6, .size_bytes = 1}).error().code == ErrorCode::kNotFound);
  for (const BlockRef& broken :
       {BlockRef{.segment = kNoSegment, .size_bytes = 1}, BlockRef{.segment = kNoSegment, .offset_bytes = 16},
        BlockRef{.segment = kInlineSegment, .size_bytes = 9}, BlockRef{.segment = kInlineSegment, .size_bytes = kMax},
        BlockRef{.segment = kInlineSegment, .offset_bytes = 16, .size_bytes = 1},
        BlockRef{.segment = 5, .offset_bytes = 8, .size_bytes = 1},
        BlockRef{.segment = 5, .offset_bytes = 0, .size_bytes = 4097},
        BlockRef{.segment = 5, .offset_bytes = 4096, .size_bytes = 1},
        BlockRef{.segment = 5, .offset_bytes = 16, .size_bytes = kMax - 8},
        BlockRef{.segment = 5, .offset_bytes = kMax - 15, .size_bytes = 16}}) {
    const auto result = resolve(broken);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::kCorrupt);
    CHECK_THAT(result.error().message, Catch::Matchers::StartsWith("argument: "));
  }
}

#include "base/checked.hpp"

#include <limits>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("checked_add: gives the sum up to the largest value and nothing beyond") {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  CHECK(checked_add<std::uint64_t>(0, 0) == 0u);
  CHECK(checked_add<std::uint64_t>(kMax - 1, 1) == kMax);
  CHECK_FALSE(checked_add<std::uint64_t>(kMax, 1).has_value());
  CHECK_FALSE(checked_add<std::uint8_t>(200, 56).has_value());
}

TEST_CASE("checked_multiply: knows zero, the boundary and the overflow") {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  CHECK(checked_multiply<std::uint64_t>(0, kMax) == 0u);
  CHECK(checked_multiply<std::uint64_t>(kMax, 1) == kMax);
  CHECK_FALSE(checked_multiply<std::uint64_t>(kMax / 2 + 1, 2).has_value());
}

TEST_CASE("checked_align_up: rounds, and refuses what wraps around") {
  CHECK(checked_align_up<std::uint64_t>(0, 64) == 0u);
  CHECK(checked_align_up<std::uint64_t>(1, 64) == 64u);
  CHECK(checked_align_up<std::uint64_t>(64, 64) == 64u);
  CHECK_FALSE(checked_align_up<std::uint64_t>(std::numeric_limits<std::uint64_t>::max(), 64).has_value());
}

TEST_CASE("range_fits: sees offsets and sizes that would overflow") {
  CHECK(range_fits(0, 0, 0));
  CHECK(range_fits(10, 0, 10));
  CHECK(range_fits(0, 10, 10));
  CHECK_FALSE(range_fits(1, 10, 10));
  CHECK_FALSE(range_fits(11, 0, 10));
  CHECK_FALSE(range_fits(8, std::numeric_limits<std::uint64_t>::max() - 4, 16));
}

TEST_CASE("checked_cast: keeps the value or says no") {
  CHECK(checked_cast<std::uint8_t>(255) == std::uint8_t{255});
  CHECK_FALSE(checked_cast<std::uint8_t>(256).has_value());
  CHECK_FALSE(checked_cast<std::uint32_t>(-1).has_value());
  CHECK_FALSE(checked_cast<std::int32_t>(0xffffffffu).has_value());
}

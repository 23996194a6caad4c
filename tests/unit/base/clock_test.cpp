#include "base/clock.hpp"

#include <chrono>
#include <limits>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("deadline_after: bounds what cannot be counted") {
  CHECK(deadline_after(std::chrono::nanoseconds::max()) == kNever);
  const MonotonicNs passed = deadline_after(std::chrono::hours(-1));
  CHECK(passed <= monotonic_now_ns());
  const MonotonicNs before = monotonic_now_ns();
  CHECK(deadline_after(std::chrono::seconds(5)) > before);
}

TEST_CASE("remaining_ms: rounds up, so that no wait ends early, and knows never and passed") {
  CHECK(remaining_ms(kNever) == -1);
  CHECK(remaining_ms(0) == 0);
  CHECK(remaining_ms(monotonic_now_ns() + 10'000'000'000) > 9'000);
  CHECK(remaining_ms(kNever - 1) == std::numeric_limits<int>::max());
}

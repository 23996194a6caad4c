#include "platform/doorbell.hpp"

#include <atomic>
#include <limits>
#include <new>
#include <thread>

#include "child_process.hpp"
#include "platform/shared_memory.hpp"

using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("wait_on_word: returns at once when the word differs, at the deadline when nobody wakes") {
  const std::atomic<std::uint32_t> word{5};
  CHECK(wait_on_word(word, 4, kNever) == WaitResult::kWoken);
  CHECK(wait_on_word(word, 5, 0) == WaitResult::kTimeout);
  CHECK(wait_on_word(word, 5, -1) == WaitResult::kTimeout);
  CHECK(wait_on_word(word, 5, monotonic_now_ns() + 1'000'000) == WaitResult::kTimeout);
}

TEST_CASE("wait_on_word: sleeps on a page that is mapped read-only and is woken through another mapping") {
  auto memory = SharedMemory::create("bell", 4096);
  REQUIRE(memory);
  auto writer = memory->map(Access::kReadWrite);
  auto reader = memory->map(Access::kReadOnly);
  REQUIRE(writer);
  REQUIRE(reader);
  auto& bell = *new (writer->writable_data()) std::atomic<std::uint32_t>(0);
  const auto& seen = *reinterpret_cast<const std::atomic<std::uint32_t>*>(reader->data());
  std::thread ringer([&bell] {
    for (std::uint32_t ring = 1; ring <= 1000; ++ring) {
      bell.store(ring, std::memory_order_seq_cst);
      wake_word(bell, 1);
      if (ring % 100 == 0) {
        std::this_thread::yield();
      }
    }
  });
  for (std::uint32_t last = 0; last < 1000; last = seen.load(std::memory_order_seq_cst)) {
    if (wait_on_word(seen, last, soon()) == WaitResult::kTimeout) {
      FAIL("a wake-up was lost");
    }
  }
  ringer.join();
}

TEST_CASE("AdaptiveSpin: looks once even without a budget, and never spins on one core") {
  AdaptiveSpin one({.limit_ns = 1'000'000'000, .cores = 1});
  int looks = 0;
  CHECK(one.spin([&looks] { return ++looks == 1; }));
  looks = 0;
  CHECK_FALSE(one.spin([&looks] {
    ++looks;
    return false;
  }));
  CHECK(looks == 1);
}

TEST_CASE("AdaptiveSpin: vain spins make it stop, successes bring it back") {
  AdaptiveSpin spin({.limit_ns = 64'000, .cores = 2});
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(spin.spin([] { return false; }));
  }
  CHECK(spin.budget_ns() < 1'000);
  int calls = 0;
  for (int i = 0; i < 200 && spin.budget_ns() < 64'000; ++i) {
    calls = 0;
    // True at the second check, so it succeeds within the spin if there is one.
    static_cast<void>(spin.spin([&calls] { return ++calls > 1; }));
  }
  CHECK(spin.budget_ns() == 64'000);
}

TEST_CASE("usable_core_count: is at least one") {
  CHECK(usable_core_count() >= 1);
}

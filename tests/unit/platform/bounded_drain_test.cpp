#include "platform/bounded_drain.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;
using namespace std::chrono_literals;

namespace {

using Drain = BoundedDrain<std::string>;

/// The taken items, and a gate at which `take` waits while it is closed. It outlives an abandoned
/// drain.
struct Taken {
  Guarded<std::vector<std::string>> lines;
  std::promise<void> entered;
  std::promise<void> gate;
  std::atomic<bool> waits{false};
  std::atomic<bool> fails{false};

  void enter_gate() {
    if (waits.exchange(false)) {
      entered.set_value();
      gate.get_future().wait();
    }
  }
};

std::unique_ptr<Drain> drain_of(const std::shared_ptr<Taken>& taken, std::size_t max_bytes = 1000) {
  return std::make_unique<Drain>(Drain::Options{
      .thread_name = "test-drain",
      .max_bytes = max_bytes,
      .max_source_bytes = max_bytes / 4,
      .report_interval = 10ms,
      .take =
          [taken](const std::string& line) {
            taken->enter_gate();
            if (taken->fails) {
              return false;
            }
            taken->lines.lock()->push_back(line);
            return true;
          },
      .report = [](std::uint64_t source,
                   std::uint64_t count) { return std::to_string(count) + " of " + std::to_string(source); }});
}

constexpr DrainPatience kPatient{.idle = 60s, .total = 60s};

}  // namespace

TEST_CASE("BoundedDrain: items are taken in order on another thread") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  for (int i = 0; i < 5; ++i) {
    drain->push(std::to_string(i), 1);
  }
  REQUIRE(drain->flush(kPatient));
  CHECK(taken->lines.get() == std::vector<std::string>{"0", "1", "2", "3", "4"});
}

TEST_CASE("BoundedDrain: while take blocks, pushing does not wait and what does not fit is counted") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  taken->waits = true;
  drain->push("first", 100);
  taken->entered.get_future().wait();
  for (int i = 0; i < 100; ++i) {
    drain->push("x", 100);
  }
  CHECK_FALSE(drain->flush({.idle = 20ms, .total = 60s}));
  taken->gate.set_value();
  REQUIRE(drain->flush(kPatient));
  const auto lines = taken->lines.lock();
  // At most 1,000 bytes wait, including the item that is being taken.
  REQUIRE(lines->size() == 11);
  CHECK(std::count(lines->begin(), lines->end(), "91 of 0") == 1);
  CHECK(std::count(lines->begin(), lines->end(), "x") == 9);
}

TEST_CASE("BoundedDrain: one source leaves room for the others") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  taken->waits = true;
  drain->push("first", 1);
  taken->entered.get_future().wait();
  for (int i = 0; i < 10; ++i) {
    drain->push("loud", 100, 7);
  }
  drain->push("quiet", 100, 8);
  drain->note_dropped(9, 5);
  taken->gate.set_value();
  REQUIRE(drain->flush(kPatient));
  const auto lines = taken->lines.lock();
  CHECK(std::count(lines->begin(), lines->end(), "loud") == 2);
  CHECK(std::count(lines->begin(), lines->end(), "quiet") == 1);
  CHECK(std::count(lines->begin(), lines->end(), "8 of 7") == 1);
  CHECK(std::count(lines->begin(), lines->end(), "5 of 9") == 1);
}

TEST_CASE("BoundedDrain: dropped items are reported though no further item comes") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  drain->note_dropped(3, 2);
  for (int i = 0; i < 6000 && taken->lines.lock()->empty(); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK(taken->lines.get() == std::vector<std::string>{"2 of 3"});
}

TEST_CASE("BoundedDrain: what take refuses or throws at is counted, and reported once it takes again") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  taken->fails = true;
  drain->push("lost", 1);
  REQUIRE(drain->flush(kPatient));
  taken->fails = false;
  drain->push("kept", 1);
  REQUIRE(drain->flush(kPatient));
  CHECK(taken->lines.lock()->back() == "kept");

  Drain throwing({.take = [](const std::string&) -> bool { throw std::runtime_error("no"); }});
  throwing.push("lost", 1);
  CHECK(throwing.flush(kPatient));
}

TEST_CASE("BoundedDrain: closing returns though take hangs, and nothing is taken afterwards") {
  const auto taken = std::make_shared<Taken>();
  {
    const auto drain = drain_of(taken);
    taken->waits = true;
    drain->push("hangs", 1);
    drain->push("dropped", 1);
    taken->entered.get_future().wait();
    CHECK_FALSE(drain->close({.idle = 20ms, .total = 60s}));
    drain->push("late", 1);
  }
  taken->gate.set_value();
  for (int i = 0; i < 6000 && taken->lines.lock()->empty(); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK(taken->lines.get() == std::vector<std::string>{"hangs"});
}

TEST_CASE("BoundedDrain: waiting ends when it is asked to stop") {
  const auto taken = std::make_shared<Taken>();
  const auto drain = drain_of(taken);
  taken->waits = true;
  drain->push("hangs", 1);
  taken->entered.get_future().wait();
  CHECK_FALSE(drain->flush(kPatient, [] { return true; }));
  taken->gate.set_value();
  CHECK(drain->flush(kPatient));
}

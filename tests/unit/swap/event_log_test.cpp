#include "swap/event_log.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon_test/catch.hpp>

using namespace tenon;
using namespace tenon::internal;

namespace {

void add(EventLog& log, const std::string& message = {}) {
  SwapEvent event;
  event.message = message;
  log.add(std::move(event));
}

}  // namespace

TEST_CASE("EventLog: the newest events are kept, and their numbers go on rising") {
  EventLog log({});
  CHECK(log.since(0).empty());
  constexpr std::uint64_t kAdded = EventLog::kKept + 500;
  for (std::uint64_t i = 1; i <= kAdded; ++i) {
    add(log, std::to_string(i));
    if (i == 1) {
      CHECK(log.since(0).size() == 1);
    }
    if (i == EventLog::kKept) {
      CHECK(log.since(0).front().number == 1);
    }
  }
  // A request for events that are gone returns the remaining events; their numbers show the gap.
  for (const std::uint64_t asked : {std::uint64_t{0}, std::uint64_t{1}, kAdded - EventLog::kKept}) {
    const auto events = log.since(asked);
    REQUIRE(events.size() == EventLog::kKept);
    CHECK(events.front().number == kAdded - EventLog::kKept + 1);
    CHECK(events.back().number == kAdded);
    bool rising = true;
    for (std::size_t i = 0; i < events.size(); ++i) {
      rising = rising && events[i].number == events.front().number + i &&
               events[i].message == std::to_string(events[i].number);
    }
    CHECK(rising);
  }
  CHECK(log.since(kAdded - EventLog::kKept + 1).size() == EventLog::kKept - 1);
  CHECK(log.since(kAdded - 1).size() == 1);
  CHECK(log.since(kAdded).empty());
  CHECK(log.since(kAdded + 1000).empty());
}

TEST_CASE("EventLog: a listener hears every event also beyond what is kept") {
  EventLog log({});
  add(log);  // This event comes before the listener.
  std::vector<std::uint64_t> heard;
  const auto subscription = log.subscribe([&](const SwapEvent& event) { heard.push_back(event.number); });
  for (std::size_t i = 0; i < EventLog::kKept + 10; ++i) {
    add(log);
  }
  log.deliver();
  REQUIRE(heard.size() == EventLog::kKept + 10);
  CHECK(heard.front() == 2);
  CHECK(heard.back() == EventLog::kKept + 11);
}

TEST_CASE("EventLog: a listener that ends its subscription, or another's, from inside is not called again") {
  EventLog log({});
  std::vector<std::string> heard;
  std::optional<EventSubscription> first;
  std::optional<EventSubscription> second;
  const auto captured = std::make_shared<int>(7);
  first = log.subscribe([&heard, &first, captured](const SwapEvent& event) {
    heard.push_back("first " + event.message);
    first.reset();
    // The objects that the function has captured still exist.
    heard.push_back("captured " + std::to_string(*captured));
  });
  second = log.subscribe([&](const SwapEvent& event) { heard.push_back("second " + event.message); });
  const auto third = log.subscribe([&](const SwapEvent& event) {
    heard.push_back("third " + event.message);
    second.reset();
  });
  add(log, "a");
  add(log, "b");
  log.deliver();
  CHECK(heard == std::vector<std::string>{"first a", "captured 7", "second a", "third a", "third b"});
  CHECK(captured.use_count() == 1);
}

// What the watch swaps, and which events it reports.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include <tenon_test/catch.hpp>

#include "coordinator_place.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("SwapCoordinator: a watched change that fails for a passing reason is tried again") {
  std::atomic<int> asked{0};
  HotSwapOptions options;
  options.watch = true;
  options.debounce = std::chrono::milliseconds(1);
  options.rescan = std::chrono::milliseconds(20);
  options.admit = [&](const PluginInfo&) -> Result<void> {
    return ++asked < 3 ? fail(ErrorCode::kUnavailable, "the licence server does not answer") : Result<void>();
  };
  Place place(options);
  place.put("good", "1.3.0");
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "licence server"));
  CHECK(place.wait_for(SwapEvent::Kind::kSwitched));
  CHECK(place.current() == "1.3.0");
  CHECK(asked == 3);
}

TEST_CASE("SwapCoordinator: the watch swaps what changes, once for many updates, and a deletion swaps nothing") {
  HotSwapOptions options;
  options.watch = true;
  options.swaps = quick();
  Place place(options);
  for (int i = 0; i < 20; ++i) {
    place.put("good", "1." + std::to_string(i % 9) + ".9");
  }
  place.put("good", "2.0.0");
  REQUIRE(place.wait_for(SwapEvent::Kind::kSwitched));
  CHECK(eventually([&] { return place.current() == "2.0.0"; }));
  CHECK(place.coordinator->generations().size() < 10);
  fs::remove(place.plugins / "good.so");
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "was deleted; good 2.0.0"));
  CHECK(place.current() == "2.0.0");
}

TEST_CASE("SwapCoordinator: a watched directory that goes and comes back is told, and watched again") {
  HotSwapOptions options;
  options.watch = true;
  options.swaps = quick();
  Place place(options);
  const fs::path away = place.directory / "away";
  SECTION("removed, and made again") {
    fs::remove_all(place.plugins);
  }
  SECTION("renamed away, and another one in its place") {
    fs::rename(place.plugins, away);
  }
  const std::string directory = "'" + place.plugins.string() + "'";
  const bool told = place.wait_for(SwapEvent::Kind::kWatch, directory);
  INFO(place.events_text());
  CHECK(told);
  CHECK(place.number_of(SwapEvent::Kind::kWatch, "the loaded versions stay current") != 0);
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "was deleted; good 1.2.3"));
  CHECK(place.current() == "1.2.3");
  if (fs::exists(away)) {
    // Changes in that directory no longer matter.
    fs::remove(away / "good.so");
  }

  fs::create_directory(place.plugins);
  CHECK(place.wait_for(SwapEvent::Kind::kWatch, "plugin directory " + directory + " is there again"));
  place.put("good", "1.3.0");
  CHECK(eventually([&] { return place.current() == "1.3.0"; }));
  place.put("good", "1.4.0");
  CHECK(eventually([&] { return place.current() == "1.4.0"; }));
  place.put("larger", "1.2.3");
  CHECK(eventually([&] { return static_cast<bool>(place.fleet->current("larger")); }));
  INFO(place.events_text());
  const auto count = [&](SwapEvent::Kind kind) {
    const auto events = place.coordinator->events_since(0);
    return std::count_if(events.begin(), events.end(), [kind](const SwapEvent& event) { return event.kind == kind; });
  };
  CHECK(eventually([&] { return count(SwapEvent::Kind::kSwitched) == 3; }));
  CHECK(count(SwapEvent::Kind::kWatch) == 2);  // Each was reported once.
}

TEST_CASE("SwapCoordinator: a watched directory that comes back with a new version in it swaps to that") {
  HotSwapOptions options;
  options.watch = true;
  options.swaps = quick();
  Place place(options);
  fs::rename(place.plugins, place.directory / "away");
  CHECK(place.wait_for(SwapEvent::Kind::kWatch, place.plugins.string()));
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "was deleted"));
  // The directory is as before: there is nothing to do.
  fs::rename(place.directory / "away", place.plugins);
  CHECK(place.wait_for(SwapEvent::Kind::kWatch, "is there again"));
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "the file holds what is current already"));
  // Another directory replaces it in one step.
  fs::create_directory(place.directory / "next");
  fs::rename(place.put("good", "1.3.0"), place.directory / "next" / "good.so");
  fs::remove_all(place.plugins);
  fs::rename(place.directory / "next", place.plugins);
  CHECK(eventually([&] { return place.current() == "1.3.0"; }));
  INFO(place.events_text());
  CHECK(place.number_of(SwapEvent::Kind::kRefused) == 0);
}

TEST_CASE("SwapCoordinator: a listener may unsubscribe from inside and hears no more") {
  Place place;
  std::atomic<int> heard = 0;
  std::optional<EventSubscription> subscription;
  subscription = place.coordinator->on_event([&](const SwapEvent&) {
    ++heard;
    subscription.reset();
  });
  std::atomic<bool> drained = false;
  const auto other = place.coordinator->on_event(
      [&](const SwapEvent& event) { drained = drained || event.kind == SwapEvent::Kind::kDrained; });
  place.put("good", "1.3.0");
  REQUIRE(place.coordinator->swap("good", quick()));
  CHECK(eventually([&] { return drained.load(); }));
  CHECK(heard == 1);
}

TEST_CASE("SwapCoordinator: listeners hear events in order, may not swap, and may stop the runtime") {
  Place place;
  std::promise<ErrorCode> refused;
  std::uint64_t last = 0;
  bool in_order = true;
  auto subscription = place.coordinator->on_event([&](const SwapEvent& event) {
    in_order = in_order && event.number > last;
    last = event.number;
    if (event.kind == SwapEvent::Kind::kSwitched) {
      refused.set_value(place.coordinator->swap("good", quick()).error().code);
      place.coordinator->stop();
    }
  });
  place.put("good", "1.3.0");
  REQUIRE(place.coordinator->swap("good", quick()));
  CHECK(refused.get_future().get() == ErrorCode::kInvalidArgument);
  place.coordinator->stop();
  CHECK(in_order);
}

TEST_CASE("SwapCoordinator: a requested swap that waits is not pushed out by the watch of the same file") {
  HotSwapOptions options;
  options.watch = true;
  Place place(options);
  place.fleet->change([](FakeFleet::State& state) { state.hold_warm = true; });
  place.put("good", "1.3.0");  // The watch swaps it, and that is held up.
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.warming == 1; }));
  auto requested = std::async(std::launch::async, [&] { return place.coordinator->swap("good", quick()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  place.put("good", "1.4.0");  // The watch sees this while the request waits.
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  place.fleet->change([](FakeFleet::State& state) { state.hold_warm = false; });
  const auto report = requested.get();
  if (!report) {
    FAIL(report.error().to_string());
  }
  CHECK(place.current() == "1.4.0");
}

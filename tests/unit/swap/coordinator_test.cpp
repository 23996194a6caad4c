// Requested swaps, refusals and rollbacks.
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

#include <tenon_test/catch.hpp>

#include "coordinator_place.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("SwapCoordinator: a swap makes what the file holds current") {
  Place place;
  const fs::path stored = place.fleet->current("good")->plugin->file;
  CHECK(has(stored.string(), "/objects/"));
  place.put("good", "1.3.0");
  const auto report = place.coordinator->swap("good", quick());
  INFO((report ? "" : report.error().to_string()));
  REQUIRE(report);
  CHECK(report->before.version == "1.2.3");
  CHECK(report->now.version == "1.3.0");
  CHECK(report->now.state == GenerationState::kCurrent);
  CHECK(report->overridden.empty());
  CHECK(place.current() == "1.3.0");
  CHECK(place.wait_for(SwapEvent::Kind::kDrained));
  const auto generations = place.coordinator->generations();
  REQUIRE(generations.size() == 2);
  CHECK(generations[0].number > generations[1].number);
  CHECK(generations[1].state == GenerationState::kRetired);
}

TEST_CASE("SwapCoordinator: a swap to what is current already is a success without work") {
  Place place;
  const auto report = place.coordinator->swap("good", quick());
  REQUIRE(report);
  CHECK(report->now.number == report->before.number);
  CHECK(place.coordinator->generations().size() == 1);
}

TEST_CASE("SwapCoordinator: a version is found in the store, and errors tell those there are") {
  Place place;
  place.put("good", "1.3.0");
  REQUIRE(place.coordinator->swap("good", quick()));
  REQUIRE(place.coordinator->swap("good@1.2.3", quick()));
  CHECK(place.current() == "1.2.3");
  const auto unknown = place.coordinator->swap("good@9.9.9", quick());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::kNotFound);
  CHECK(has(unknown.error().message, "1.3.0"));
  CHECK(has(place.coordinator->swap("goof", quick()).error().message, "did you mean 'good'"));
  CHECK(place.coordinator->swap(missing_path("good.so").string(), quick()).error().code == ErrorCode::kNotFound);
}

TEST_CASE("SwapCoordinator: a break of the schema is refused, unless forced") {
  Place place;
  place.put("good", "1.3.0", "weight", "weighs");
  const auto refused = place.coordinator->swap("good", quick());
  REQUIRE_FALSE(refused);
  INFO(refused.error().to_string());
  CHECK(refused.error().code == ErrorCode::kIncompatible);
  CHECK(has(refused.error().message, "weight"));
  CHECK(place.current() == "1.2.3");
  SwapOptions force = quick();
  force.force = true;
  const auto report = place.coordinator->swap("good", force);
  REQUIRE(report);
  CHECK_FALSE(report->overridden.empty());
  CHECK(place.wait_for(SwapEvent::Kind::kForced, "weight"));
  place.fleet->change([](FakeFleet::State& state) { CHECK(state.keeps_queued.back()); });
}

TEST_CASE("SwapCoordinator: garbage, truncation and crashes are refused with their reason") {
  Place place;
  std::ofstream(place.directory / "new") << "no plugin at all";
  fs::rename(place.directory / "new", place.plugins / "good.so");
  CHECK(place.coordinator->swap("good", quick()).error().code == ErrorCode::kCorrupt);
  fs::remove(place.plugins / "good.so");
  CHECK(place.coordinator->swap("good", quick()).error().code == ErrorCode::kNotFound);
  CHECK(place.current() == "1.2.3");

  // It is new to the catalog and crashes, so no host that shares the store loads it again.
  const fs::path crashes = place.put("crash_constructor", "1.2.3");
  CHECK(place.coordinator->swap("crash_constructor", quick()).error().code == ErrorCode::kCrashed);
  const auto again = place.coordinator->swap(crashes.string(), quick());
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kRejected);
  CHECK(has(again.error().message, "quarantine"));
  CHECK(place.wait_for(SwapEvent::Kind::kQuarantined));
}

TEST_CASE("SwapCoordinator: a plugin that the catalog does not have is added") {
  Place place;
  place.put("larger", "1.2.3");
  const auto report = place.coordinator->swap("larger", quick());
  INFO((report ? "" : report.error().to_string()));
  REQUIRE(report);
  CHECK(report->before.number == 0);
  CHECK(place.fleet->current("larger"));
}

TEST_CASE("SwapCoordinator: workers that do not start refuse the version") {
  Place place;
  place.put("good", "1.3.0");
  place.fleet->change([](FakeFleet::State& state) { state.warm_error = Error{ErrorCode::kFailed, "no licence", {}}; });
  const auto refused = place.coordinator->swap("good", quick());
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message, "no licence"));
  CHECK(has(refused.error().message, "1.2.3"));
  CHECK(place.coordinator->generations().front().state == GenerationState::kRefused);
}

TEST_CASE("SwapCoordinator: a roll-back goes one version back and keeps what goes away") {
  Place place;
  const auto nothing = place.coordinator->rollback("good", {});
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == ErrorCode::kNotFound);
  CHECK(place.coordinator->rollback("bad", {}).error().code == ErrorCode::kNotFound);
  for (const char* version : {"1.3.0", "1.4.0"}) {
    place.put("good", version);
    REQUIRE(place.coordinator->swap("good", quick()));
  }
  REQUIRE(place.coordinator->rollback("good", "too dark"));
  CHECK(place.current() == "1.3.0");
  CHECK(place.wait_for(SwapEvent::Kind::kRolledBack, "too dark"));
  CHECK(has(place.coordinator->swap("good", quick()).error().message, "too dark"));
  // This is further back than the versions that are kept ready.
  REQUIRE(place.coordinator->rollback("good", {}));
  CHECK(place.current() == "1.2.3");
}

TEST_CASE("SwapCoordinator: a start after a roll-back goes on with what was served, and not with the bad file") {
  Place place;
  place.put("good", "1.3.0");
  REQUIRE(place.coordinator->swap("good", quick()));
  REQUIRE(place.coordinator->rollback("good", "too dark"));
  place.coordinator->stop();
  SECTION("each time") {
    for (int start = 0; start < 2; ++start) {
      place.start({});
      REQUIRE(place.fleet->current("good"));
      CHECK(place.current() == "1.2.3");
      CHECK(has(place.fleet->current("good")->plugin->file.string(), "/objects/"));
      CHECK(place.wait_for(SwapEvent::Kind::kRefused, "too dark"));
      CHECK(place.wait_for(SwapEvent::Kind::kRefused, "served before, is served again"));
      place.coordinator->stop();
    }
  }
  SECTION("and a mended file becomes current as ever") {
    HotSwapOptions watch;
    watch.watch = true;
    watch.debounce = std::chrono::milliseconds(1);
    watch.rescan = std::chrono::milliseconds(50);
    place.start(watch);
    place.put("good", "1.4.0");
    CHECK(place.wait_for(SwapEvent::Kind::kSwitched));
    CHECK(place.current() == "1.4.0");
    place.coordinator->stop();
    place.start({});
    CHECK(place.current() == "1.4.0");
  }
  SECTION("unless it has left the store") {
    for (const auto& content : fs::directory_iterator(place.directory / "store" / "objects")) {
      fs::remove_all(content);
    }
    place.start({});
    CHECK_FALSE(place.fleet->current("good"));
    CHECK(place.wait_for(SwapEvent::Kind::kRefused, "too dark"));
  }
  SECTION("unless it is in quarantine too") {
    for (const auto& content : fs::directory_iterator(place.directory / "store" / "objects")) {
      REQUIRE(Quarantine(place.directory / "store" / "quarantine", 10)
                  .add(content.path().filename().string(), "all of them", std::chrono::system_clock::now()));
    }
    place.start({});
    CHECK_FALSE(place.fleet->current("good"));
  }
}

TEST_CASE(
    "SwapCoordinator: what was current in a named host is current again after a restart, and so is the way back") {
  HotSwapOptions named;
  named.instance = "a test";
  Place place(named);
  const fs::path other = place.directory / "other" / "good.so";
  fs::create_directory(other.parent_path());
  place.put("good", "1.3.0");
  fs::rename(place.plugins / "good.so", other);
  place.put("good", "1.2.3");
  REQUIRE(place.coordinator->swap(other.string(), quick()));
  CHECK(has(place.coordinator->generations().front().note, "another content"));
  for (int start = 0; start < 2; ++start) {
    // As after kill -9: nothing is written at the end.
    place.start(named);
    CHECK(place.current() == "1.3.0");
    CHECK(place.wait_for(SwapEvent::Kind::kRestored, other.string()));
    CHECK(has(place.coordinator->generations().front().note, "'tenon swap good' makes it current"));
  }
  SECTION("it can be rolled back, which outlives the next restart") {
    const auto back = place.coordinator->rollback("good", "too dark");
    INFO((back ? "" : back.error().to_string()));
    REQUIRE(back);
    CHECK(place.current() == "1.2.3");
    place.start(named);
    CHECK(place.current() == "1.2.3");
    const auto again = place.coordinator->swap(other.string(), quick());
    REQUIRE_FALSE(again);
    CHECK(has(again.error().message, "too dark"));
    SwapOptions force = quick();
    force.force = true;
    const auto forced = place.coordinator->swap(other.string(), force);
    REQUIRE(forced);
    REQUIRE(forced->overridden.size() == 1);
    CHECK(has(forced->overridden.front(), "too dark"));
    CHECK(place.wait_for(SwapEvent::Kind::kForced, "too dark"));
    place.start(named);
    CHECK(place.current() == "1.3.0");
  }
  SECTION("a watch takes a file that has changed in between") {
    place.put("good", "1.4.0");
    place.start(named);
    CHECK(place.current() == "1.3.0");
    named.watch = true;
    place.start(named);
    CHECK(place.current() == "1.4.0");
    REQUIRE(place.coordinator->rollback("good", {}));
    CHECK(place.current() == "1.3.0");
  }
  SECTION("also without its files") {
    fs::remove(other);
    fs::remove(place.plugins / "good.so");
    place.start(named);
    CHECK(place.current() == "1.3.0");
    CHECK(place.wait_for(SwapEvent::Kind::kRestored, "is gone"));
  }
  SECTION("not where the plugins come from another directory") {
    const fs::path before = place.plugins;
    place.plugins = place.directory / "moved";
    fs::create_directory(place.plugins);
    place.put("good", "1.2.4");
    place.start(named);
    CHECK(place.current() == "1.2.4");
    fs::remove(place.plugins / "good.so");
    place.plugins = place.directory / "empty";
    fs::create_directory(place.plugins);
    place.start(named);
    CHECK(place.fleet->current("good") == nullptr);
  }
  SECTION("a host of another name is not concerned") {
    named.instance = "another";
    place.start(named);
    CHECK(place.current() == "1.2.3");
    REQUIRE(place.coordinator->swap(other.string(), quick()));
  }
}

TEST_CASE("SwapCoordinator: a roll-back binds its host only, a quarantine all of the store") {
  Place place;
  place.put("good", "1.3.0");
  REQUIRE(place.coordinator->swap("good", quick()));
  REQUIRE(place.coordinator->rollback("good", "too dark"));
  HotSwapOptions other;
  other.instance = "another";
  place.start(other);
  CHECK(place.current() == "1.3.0");
}

TEST_CASE("SwapCoordinator: a roll-back while a version is on trial turns that one back") {
  Place place;
  place.put("good", "1.3.0");
  SwapOptions canary = quick();
  canary.canary_share = 0.5;
  canary.canary_time = std::chrono::minutes(10);
  auto swap = std::async(std::launch::async, [&] { return place.coordinator->swap("good", canary); });
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.trial != 0; }));
  const auto back = place.coordinator->rollback("good", "looks wrong");
  REQUIRE(back);
  CHECK(back->before.version == "1.3.0");
  CHECK(back->now.version == "1.2.3");
  const auto refused = swap.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCancelled);
  CHECK(has(refused.error().message, "turned back while on trial: looks wrong"));
  CHECK(place.current() == "1.2.3");
  CHECK(place.wait_for(SwapEvent::Kind::kQuarantined));
  CHECK(place.fleet->wait([](const FakeFleet::State& state) { return state.retired.contains(state.trial); }));
  // There was no version before 1.2.3, and there still is none.
  CHECK(place.coordinator->rollback("good", {}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("SwapCoordinator: a roll-back by itself with nothing to go back to is told") {
  Place place;
  const std::string first = place.fleet->current("good")->plugin->sha256;
  const std::uint64_t number = swap_watched(place);
  // Another host with the same store found that the previous version is bad.
  REQUIRE(Quarantine(place.directory / "store" / "quarantine", 10).add(first, "bad", std::chrono::system_clock::now()));
  place.fleet->change([&](FakeFleet::State& state) { state.tallies[number] = {.calls = 1000, .crashed = 100}; });
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "100 of 1000 calls crashed"));
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "no version of 'good' before 1.3.0"));
  CHECK(place.current() == "1.3.0");
}

TEST_CASE("SwapCoordinator: of several that wait the newest alone is made; a stop ends the rest") {
  Place place;
  place.put("good", "1.3.0");
  place.fleet->change([](FakeFleet::State& state) { state.hold_warm = true; });
  const auto swap = [&] { return place.coordinator->swap("good", quick()); };
  auto first = std::async(std::launch::async, swap);
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.warming == 1; }));
  place.put("good", "1.4.0");
  auto second = std::async(std::launch::async, swap);
  auto third = std::async(std::launch::async, swap);
  // One of the two swaps is pushed out by the other.
  while (second.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready &&
         third.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
  }
  auto& pushed_out = second.wait_for(std::chrono::seconds(0)) == std::future_status::ready ? second : third;
  auto& newest = &pushed_out == &second ? third : second;
  const auto cancelled = pushed_out.get();
  CHECK(cancelled.error().code == ErrorCode::kCancelled);
  CHECK(has(cancelled.error().message, "a newer version of 'good' came meanwhile"));
  SECTION("goes on") {
    place.fleet->change([](FakeFleet::State& state) { state.hold_warm = false; });
    CHECK(first.get());
    CHECK(newest.get());
    CHECK(place.current() == "1.4.0");
  }
  SECTION("stops") {
    place.coordinator->stop();
    CHECK(first.get().error().code == ErrorCode::kCancelled);
    CHECK(newest.get().error().code == ErrorCode::kCancelled);
    CHECK(place.current() == "1.2.3");
  }
}

TEST_CASE("SwapCoordinator: a stop ends an inspection that hangs") {
  Place place;
  place.put("hang_entry", "1.2.3");
  SwapOptions patient = quick();
  patient.step_timeout = std::chrono::minutes(10);
  auto swap = std::async(std::launch::async, [&] { return place.coordinator->swap("hang_entry", patient); });
  REQUIRE(place.wait_for(SwapEvent::Kind::kStaged));
  place.coordinator->stop();
  CHECK(swap.get().error().code == ErrorCode::kCancelled);
}

// Canary, shadow and probation.
#include <algorithm>
#include <future>
#include <string>

#include <tenon_test/catch.hpp>

#include "coordinator_place.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("SwapCoordinator: a canary turns a version back that crashes, and another plugin swaps meanwhile") {
  Place place;
  place.put("good", "1.3.0");
  SwapOptions canary = quick();
  canary.canary_share = 0.5;
  canary.canary_time = std::chrono::minutes(10);
  auto swap = std::async(std::launch::async, [&] { return place.coordinator->swap("good", canary); });
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.trial != 0; }));
  place.put("larger", "1.2.3");
  CHECK(place.coordinator->swap("larger", quick()));
  SECTION("back") {
    place.fleet->change([](FakeFleet::State& state) { state.tallies[state.trial] = {.calls = 10, .crashed = 1}; });
    const auto refused = swap.get();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kRejected);
    CHECK(has(refused.error().message, "1 of 10 calls crashed their worker (limit 1 %)"));
    CHECK(place.current() == "1.2.3");
    CHECK(place.wait_for(SwapEvent::Kind::kQuarantined));
  }
  SECTION("well") {
    place.fleet->change([](FakeFleet::State& state) { state.tallies[state.trial] = {.calls = 200}; });
    const auto made = swap.get();
    REQUIRE(made);
    CHECK(made->untried.empty());
    CHECK(place.current() == "1.3.0");
  }
  SECTION("the runtime stops") {
    place.coordinator->stop();
    CHECK(swap.get().error().code == ErrorCode::kCancelled);
    CHECK(place.coordinator->swap("good", quick()).error().code == ErrorCode::kRejected);
  }
}

TEST_CASE("SwapCoordinator: a canary or shadow that can try no call says so, and the version is current") {
  Place place;
  SwapOptions options = quick();
  options.canary_time = std::chrono::milliseconds(100);
  const bool shadow = GENERATE(false, true);
  if (shadow) {
    options.shadow = true;
  } else {
    options.canary_share = 0.5;
  }
  const std::string no_trial = shadow ? "no shadow run: " : "no canary: ";
  const auto check_untried = [&](const Result<SwapReport>& report, const std::string& why) {
    INFO((report ? "" : report.error().to_string()) << place.events_text());
    REQUIRE(report);
    CHECK(has(report->untried, why));
    const std::uint64_t told = place.number_of(SwapEvent::Kind::kCanary, no_trial + report->untried);
    CHECK(told != 0);
    CHECK(told < place.number_of(SwapEvent::Kind::kSwitched));
  };

  SECTION("as no task is idempotent") {
    place.start_without_idempotent_task();
    place.put("good", "1.3.0", "idempotent", "idempotens");
    check_untried(place.coordinator->swap("good", options), "none of its tasks is idempotent");
    CHECK(place.current() == "1.3.0");
    place.fleet->change([](FakeFleet::State& state) { CHECK(state.trial == 0); });
  }
  SECTION("as nobody calls one") {
    place.put("good", "1.3.0");
    const auto report = place.coordinator->swap("good", options);
    check_untried(report, "no call of an idempotent task has ended on it within 100 ms");
    CHECK(report->tried >= options.canary_time);
    CHECK(place.current() == "1.3.0");
  }
  SECTION("as it is the first version") {
    place.put("larger", "1.2.3");
    check_untried(place.coordinator->swap("larger", options), "it is the first version");
    CHECK(place.fleet->current("larger"));
  }
}

TEST_CASE("SwapCoordinator: a roll-back is not tried, and neither is what nobody wants tried") {
  Place place;
  place.start_without_idempotent_task();
  place.put("good", "1.3.0", "idempotent", "idempotens");
  const auto report = place.coordinator->swap("good", quick());
  REQUIRE(report);
  CHECK(report->untried.empty());
  const auto back = place.coordinator->rollback("good", {});
  REQUIRE(back);
  CHECK(back->untried.empty());
  CHECK(place.number_of(SwapEvent::Kind::kCanary) == 0);
}

TEST_CASE("SwapCoordinator: a version that crashes in its probation is rolled back by itself") {
  Place place;
  const std::uint64_t number = swap_watched(place);
  place.fleet->change([&](FakeFleet::State& state) { state.tallies[number] = {.calls = 1000, .crashed = 100}; });
  CHECK(place.wait_for(SwapEvent::Kind::kRolledBack, "100 of 1000 calls crashed"));
  CHECK(place.current() == "1.2.3");
}

TEST_CASE("SwapCoordinator: a roll-back by itself that fails leaves the new version") {
  Place place;
  const std::uint64_t number = swap_watched(place);
  place.fleet->change([&](FakeFleet::State& state) {
    state.warm_error = Error{ErrorCode::kUnavailable, "no more processes", {}};
    state.tallies[number] = {.calls = 10, .crashed = 10};
  });
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "cannot go back"));
  CHECK(place.current() == "1.3.0");
}

TEST_CASE("SwapCoordinator: a version that comes during a roll-back by itself is made after it") {
  Place place;
  const std::uint64_t number = swap_watched(place);
  place.fleet->change([&](FakeFleet::State& state) {
    state.hold_warm = true;
    state.tallies[number] = {.calls = 10, .crashed = 10};
  });
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.warming == 1; }));
  place.put("good", "1.4.0");
  auto third = std::async(std::launch::async, [&] { return place.coordinator->swap("good", quick()); });
  // Nothing has changed while it waits: only the rollback is under way.
  CHECK(third.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  CHECK(place.current() == "1.3.0");

  SECTION("and the roll-back works") {
    place.fleet->change([](FakeFleet::State& state) { state.hold_warm = false; });
    const auto made = third.get();
    INFO(place.events_text());
    REQUIRE(made);
    CHECK(made->before.version == "1.2.3");
    CHECK(made->now.version == "1.4.0");
    const std::uint64_t back = place.number_of(SwapEvent::Kind::kRolledBack, "10 of 10 calls crashed");
    CHECK(back != 0);
    CHECK(back < place.number_of(SwapEvent::Kind::kStaged, made->now.sha256));
    CHECK(place.number_of(SwapEvent::Kind::kQuarantined) != 0);
  }
  SECTION("and the roll-back fails") {
    place.fleet->change([](FakeFleet::State& state) {
      state.hold_warm = false;
      state.warm_error = Error{ErrorCode::kUnavailable, "no more processes", {}};
    });
    CHECK(place.wait_for(SwapEvent::Kind::kRefused, "cannot go back"));
    const auto refused = third.get();
    INFO(place.events_text());
    // The outcome depends on the same processes: the bad version continues, and the next one may
    // replace it.
    REQUIRE_FALSE(refused);
    CHECK(place.current() == "1.3.0");
    place.fleet->change([](FakeFleet::State& state) { state.warm_error.reset(); });
    REQUIRE(place.coordinator->swap("good", quick()));
  }
  SECTION("and the runtime stops") {
    place.coordinator->stop();
    CHECK(third.get().error().code == ErrorCode::kCancelled);
    CHECK(place.current() == "1.3.0");
    return;
  }
  CHECK(place.current() == "1.4.0");
  const auto generations = place.coordinator->generations();
  CHECK(std::count_if(generations.begin(), generations.end(),
                      [](const GenerationInfo& info) { return info.state == GenerationState::kCurrent; }) == 1);
}

TEST_CASE("SwapCoordinator: a shadow whose end differs turns the version back") {
  Place place;
  place.put("good", "1.3.0");
  SwapOptions shadow = quick();
  shadow.shadow = true;
  shadow.canary_time = std::chrono::minutes(10);
  auto swap = std::async(std::launch::async, [&] { return place.coordinator->swap("good", shadow); });
  REQUIRE(place.fleet->wait([](const FakeFleet::State& state) { return state.trial != 0; }));
  decltype(TrialOptions::shadow) compare;
  place.fleet->change([&](FakeFleet::State& state) { compare = state.trial_options.shadow; });
  const Schema schema = *place.fleet->current("good")->plugin->schema;
  const TaskInfo& task = *schema.find_task("echo");
  // Differences that the environment causes do not count.
  compare(task, fail(ErrorCode::kFailed, "no"), fail(ErrorCode::kCancelled, "shutting down"));
  compare(task, fail(ErrorCode::kFailed, "no"), fail(ErrorCode::kFailed, "not at all"));
  compare(task, fail(ErrorCode::kFailed, "no"), fail(ErrorCode::kNotFound, "no such leaf"));
  const auto refused = swap.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kRejected);
  CHECK(has(refused.error().message, "1 of 2 compared results differ"));
  CHECK(has(refused.error().message, "no such leaf"));
  CHECK(place.current() == "1.2.3");
}

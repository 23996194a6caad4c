#include "host/swap/coordinator.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <optional>
#include <string>
#include <thread>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "fake_fleet.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Polls; false when it does not hold within a minute.
template <typename Condition>
bool eventually(Condition holds) {
  for (int i = 0; i < 6000; ++i) {
    if (holds()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

SwapOptions quick() {
  SwapOptions options;
  options.probation = std::chrono::milliseconds(0);
  options.step_timeout = std::chrono::seconds(60);
  return options;
}

/// A directory with the plugin "good" 1.2.3, a store, and a coordinator of workers that only count.
struct Place {
  TemporaryDirectory directory;
  fs::path plugins = directory / "plugins";
  std::shared_ptr<FakeFleet> fleet;
  std::unique_ptr<SwapCoordinator> coordinator;

  explicit Place(HotSwapOptions options = {}) {
    fs::create_directory(plugins);
    put("good", "1.2.3");
    start(std::move(options));
  }
  CatalogOptions inspection() const {
    CatalogOptions options;
    options.plugin_dirs = {plugins};
    options.use_environment = false;
    options.cache_dir = directory / "cache";
    options.worker_executable = TENON_TEST_INSPECTOR;
    options.inspect_timeout = std::chrono::seconds(60);
    return options;
  }
  /// Stops, and starts with a catalog in which no task is idempotent.
  void start_without_idempotent_task() {
    coordinator->stop();
    put("good", "1.2.3", "idempotent", "idempotens");
    start({});
  }
  void start(HotSwapOptions options) {
    options.store_dir = directory / "store";
    auto catalog = Catalog::open(inspection());
    REQUIRE(catalog);
    auto candidates = open_candidates(options, inspection());
    INFO((candidates ? "" : candidates.error().to_string()));
    REQUIRE(candidates);
    StagedCatalog staged = stage_catalog(*candidates, *catalog, {plugins});
    fleet = std::make_shared<FakeFleet>(staged.catalog);
    auto started = SwapCoordinator::start(options, fleet, std::move(*candidates), std::move(staged), {});
    REQUIRE(started);
    coordinator = std::move(*started);
  }
  /// Renames a version into place, as builders should. Its version has five letters.
  fs::path put(const std::string& name, const std::string& version, const std::string& from = {},
               const std::string& to = {}) const {
    std::string content = replaced(text_of(fs::path(TENON_TEST_VARIANTS) / (name + ".so")), "1.2.3", version);
    if (!from.empty()) {
      content = replaced(content, from, to);
    }
    const fs::path temporary = directory / "new";
    std::ofstream(temporary, std::ios::binary | std::ios::trunc) << content;
    fs::rename(temporary, plugins / (name + ".so"));
    return plugins / (name + ".so");
  }
  std::string current() const { return fleet->current("good")->plugin->version; }
  /// Waits until an event of a kind is there whose message has a part.
  bool wait_for(SwapEvent::Kind kind, const std::string& part = {}) const {
    return eventually([&] { return number_of(kind, part) != 0; });
  }
  /// Of the first event of a kind whose message has a part; 0 when there is none.
  std::uint64_t number_of(SwapEvent::Kind kind, const std::string& part = {}) const {
    for (const SwapEvent& event : coordinator->events_since(0)) {
      if (event.kind == kind && has(event.message, part)) {
        return event.number;
      }
    }
    return 0;
  }
  std::string events_text() const {
    std::string text;
    for (const SwapEvent& event : coordinator->events_since(0)) {
      text += std::string(swap_event_name(event.kind)) + " " + event.version + ": " + event.message + "\n";
    }
    return text;
  }
};

/// Swaps to a version 1.3.0 that is watched for long. Gives its number.
std::uint64_t swap_watched(Place& place) {
  place.put("good", "1.3.0");
  SwapOptions watched = quick();
  watched.probation = std::chrono::minutes(10);
  const auto report = place.coordinator->swap("good", watched);
  REQUIRE(report);
  return report->now.number;
}

}  // namespace

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
  CHECK(place.coordinator->swap("/nowhere/good.so", quick()).error().code == ErrorCode::kNotFound);
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

  // New to the catalog, and it crashes: not loaded again, by nobody who shares the store.
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

TEST_CASE("SwapCoordinator: a roll-back goes one version back and quarantines what goes") {
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
  // Further back than what is kept ready.
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
      CHECK(place.wait_for(SwapEvent::Kind::kRefused, "served before, goes on"));
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
  // There was nothing before 1.2.3, and there still is not.
  CHECK(place.coordinator->rollback("good", {}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("SwapCoordinator: a roll-back by itself with nothing to go back to is told") {
  Place place;
  const std::string first = place.fleet->current("good")->plugin->sha256;
  const std::uint64_t number = swap_watched(place);
  // Another host of the same store found that the version before is bad.
  REQUIRE(Quarantine(place.directory / "store" / "quarantine", 10).add(first, "bad", std::chrono::system_clock::now()));
  place.fleet->change([&](FakeFleet::State& state) { state.tallies[number] = {.calls = 1000, .crashed = 100}; });
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "100 of 1000 calls crashed"));
  CHECK(place.wait_for(SwapEvent::Kind::kRefused, "no version of 'good' before 1.3.0"));
  CHECK(place.current() == "1.3.0");
}

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
  // While it waits nothing has changed: the roll-back alone is under way.
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
    // Depends on the same processes: the bad one goes on, and the next may replace it.
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
  // One of both is pushed out by the other.
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
  CHECK(place.number_of(SwapEvent::Kind::kWatch, "the versions that are loaded go on") != 0);
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "was deleted; good 1.2.3"));
  CHECK(place.current() == "1.2.3");
  if (fs::exists(away)) {
    // What happens there is no concern any more.
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
  CHECK(count(SwapEvent::Kind::kWatch) == 2);  // Each was told once.
}

TEST_CASE("SwapCoordinator: a watched directory that comes back with a new version in it swaps to that") {
  HotSwapOptions options;
  options.watch = true;
  options.swaps = quick();
  Place place(options);
  fs::rename(place.plugins, place.directory / "away");
  CHECK(place.wait_for(SwapEvent::Kind::kWatch, place.plugins.string()));
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "was deleted"));
  // As it was: nothing has to be done.
  fs::rename(place.directory / "away", place.plugins);
  CHECK(place.wait_for(SwapEvent::Kind::kWatch, "is there again"));
  CHECK(place.wait_for(SwapEvent::Kind::kDetected, "the file holds what is current already"));
  // Another one in one step.
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
  // What is the surroundings' doing is no difference.
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

/// Code that the tests of the coordinator share: a directory with a plugin, and fake workers that
/// only count.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "fake_fleet.hpp"
#include "swap/coordinator.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/text.hpp"

namespace tenon::test {

namespace fs = std::filesystem;
using internal::open_candidates;
using internal::stage_catalog;
using internal::StagedCatalog;
using internal::SwapCoordinator;
inline std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// Polls a condition; returns false if it does not hold within a minute.
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

inline SwapOptions quick() {
  SwapOptions options;
  options.probation = std::chrono::milliseconds(0);
  options.step_timeout = std::chrono::seconds(60);
  return options;
}

/// A directory with the plugin "good" 1.2.3, a store, and a coordinator of fake workers that only
/// count.
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
    options.worker_executable = build_dir() / "tests" / "plugin_inspector";
    options.limits.start_timeout = std::chrono::seconds(60);
    return options;
  }
  /// Stops, and starts again with a catalog in which no task is idempotent.
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
  /// Renames a version into place, as builders should do. Its version has five characters.
  fs::path put(const std::string& name, const std::string& version, const std::string& from = {},
               const std::string& to = {}) const {
    std::string content =
        replaced(text_of(build_dir() / "tests" / "plugin_variants" / (name + ".so")), "1.2.3", version);
    if (!from.empty()) {
      content = replaced(content, from, to);
    }
    const fs::path temporary = directory / "new";
    std::ofstream(temporary, std::ios::binary | std::ios::trunc) << content;
    fs::rename(temporary, plugins / (name + ".so"));
    return plugins / (name + ".so");
  }
  std::string current() const { return fleet->current("good")->plugin->version; }
  /// Waits for an event of a kind whose message contains `part`.
  bool wait_for(SwapEvent::Kind kind, const std::string& part = {}) const {
    return eventually([&] { return number_of(kind, part) != 0; });
  }
  /// Returns the number of the first event of a kind whose message contains `part`; 0 if there is
  /// none.
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

/// Swaps to a version 1.3.0 with a long probation. Returns its number.
inline std::uint64_t swap_watched(Place& place) {
  place.put("good", "1.3.0");
  SwapOptions watched = quick();
  watched.probation = std::chrono::minutes(10);
  const auto report = place.coordinator->swap("good", watched);
  REQUIRE(report);
  return report->now.number;
}

}  // namespace tenon::test

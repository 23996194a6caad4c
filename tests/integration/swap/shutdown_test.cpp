// A runtime that shuts down while a version is being prepared. Each of these tests would take an
// hour if the shutdown did not end it; the time-out of the test catches that.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "process_state.hpp"
#include "scene.hpp"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
namespace fs = std::filesystem;

SwapOptions patient() {
  SwapOptions options;
  options.step_timeout = std::chrono::hours(1);
  return options;
}

SceneOptions short_grace() {
  SceneOptions options;
  options.cancel_grace = std::chrono::milliseconds(200);
  return options;
}

std::future<Result<SwapReport>> swap_beside(Scene& scene, const fs::path& file) {
  return std::async(std::launch::async, [&scene, file] { return scene.runtime.swap(file.string(), patient()); });
}

std::size_t incoming(const Scene& scene) {
  return files_below(scene.store() / "incoming");
}

/// Returns whether a version that is inspected, but not yet current, has a worker in addition to
/// those of the first one.
bool is_warming(const Scene& scene) {
  const auto trial = scene.newest(GenerationState::kTrial);
  return trial && trial->number != 0 && children().size() > 2;
}

void check_nothing_left(const Scene& scene) {
  CHECK(incoming(scene) == 0);
  CHECK(eventually([] { return children().empty(); }));
}

void check_cancelled(const Result<SwapReport>& swapped) {
  REQUIRE_FALSE(swapped.has_value());
  INFO(swapped.error().to_string());
  CHECK(swapped.error().code == ErrorCode::kCancelled);
}

}  // namespace

TEST_CASE("Swap: a shutdown ends a version that is being warmed up") {
  Scene scene(short_grace());
  auto swapped = swap_beside(scene, variant_file("hang_worker_init"));
  REQUIRE(eventually([&] { return is_warming(scene); }));
  scene.callers.stop();
  scene.runtime.shutdown();
  check_cancelled(swapped.get());
  check_nothing_left(scene);
}

TEST_CASE("Swap: a shutdown ends a version that is being inspected") {
  Scene scene(short_grace());
  auto swapped = swap_beside(scene, variant_file("hang_init"));
  REQUIRE(scene.events.wait_for(SwapEvent::Kind::kStaged).has_value());
  scene.callers.stop();
  scene.runtime.shutdown();
  check_cancelled(swapped.get());
  check_nothing_left(scene);
}

TEST_CASE("Swap: a shutdown ends the wait for a file that is still being written") {
  Scene scene(short_grace());
  const fs::path file = scene.place_for("never_done");
  write_file(file, read_file(variant_file("probe_2")));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    std::ofstream out(file, std::ios::binary | std::ios::app);
    while (!stop) {
      out.put('\0').flush();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  auto swapped = swap_beside(scene, file);
  REQUIRE(scene.events.wait_for(SwapEvent::Kind::kDetected).has_value());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  scene.callers.stop();
  scene.runtime.shutdown();
  check_cancelled(swapped.get());
  stop = true;
  writer.join();
  check_nothing_left(scene);
}

TEST_CASE("Swap: a shutdown in the middle of a copy leaves no half file in the store") {
  Scene scene(short_grace());
  const fs::path file = scene.place_for("large");
  write_file(file, read_file(variant_file("probe_2")));
  fs::resize_file(file, std::uintmax_t{64} << 20);
  auto swapped = swap_beside(scene, file);
  // A fast machine may have copied it already, which is fine too.
  const bool found = eventually(
      [&] { return incoming(scene) > 0 || swapped.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  CHECK(found);
  scene.callers.stop();
  scene.runtime.shutdown();
  const auto end = swapped.get();
  if (!end) {
    check_cancelled(end);
  }
  check_nothing_left(scene);
}

TEST_CASE("Swap: the end of a runtime ends what its watch has begun") {
  SceneOptions options = short_grace();
  options.hot_swap.watch = true;
  options.hot_swap.swaps = patient();
  Scene scene(options);
  replace_file(scene.file(), read_file(variant_file("hang_worker_init")));
  REQUIRE(eventually([&] { return is_warming(scene); }));
  scene.callers.stop();
  { const Runtime ends = std::move(scene.runtime); }
  check_nothing_left(scene);
  CHECK(scene.events.count(SwapEvent::Kind::kSwitched) == 0);
}

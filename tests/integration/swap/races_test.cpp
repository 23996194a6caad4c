// Several changes at the same time.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "process_state.hpp"
#include "scene.hpp"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
namespace fs = std::filesystem;

std::future<Result<SwapReport>> swap_beside(Scene& scene, std::string what, SwapOptions options = {}) {
  return std::async(std::launch::async,
                    [&scene, what = std::move(what), options] { return scene.runtime.swap(what, options); });
}

/// Returns a probe of version 1 with a stamp, in a separate file.
std::string stamped_file(const Scene& scene, std::uint64_t stamp) {
  const fs::path file = scene.place_for("stamp_" + std::to_string(stamp));
  write_file(file, stamped_probe(stamp));
  return file.string();
}

}  // namespace

TEST_CASE("Swap: of several that wait for one under way, the newest alone is made") {
  Scene scene;
  std::vector<std::string> files;
  for (std::uint64_t stamp = 1; stamp <= 4; ++stamp) {
    files.push_back(stamped_file(scene, stamp));
  }
  // The first swap is slow: its init hangs.
  SwapOptions options;
  options.step_timeout = std::chrono::milliseconds(1500);
  auto first = swap_beside(scene, variant_file("hang_init").string(), options);
  REQUIRE(scene.events.wait_for(SwapEvent::Kind::kStaged).has_value());
  std::vector<std::future<Result<SwapReport>>> waiting;
  for (const std::string& file : files) {
    waiting.push_back(swap_beside(scene, file));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK_FALSE(first.get().has_value());
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto swapped = waiting[i].get();
    if (i + 1 == waiting.size()) {
      INFO(scene.events.text());
      CHECK(swapped.has_value());
    } else {
      REQUIRE_FALSE(swapped.has_value());
      CHECK(swapped.error().code == ErrorCode::kCancelled);
    }
  }
  CHECK(stamp_of_answer(scene.runtime) == 4u);
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kSwitched) == 1; }));
  scene.end();
}

TEST_CASE("Swap: many at once from many threads end in one of them, and none hangs") {
  Scene scene;
  std::vector<std::string> files;
  for (std::uint64_t stamp = 1; stamp <= 8; ++stamp) {
    files.push_back(stamped_file(scene, stamp));
  }
  std::vector<std::future<Result<SwapReport>>> swaps;
  for (const std::string& file : files) {
    swaps.push_back(swap_beside(scene, file));
  }
  std::size_t made = 0;
  for (auto& swap : swaps) {
    const auto swapped = swap.get();
    made += swapped ? 1 : 0;
    if (!swapped) {
      CHECK(swapped.error().code == ErrorCode::kCancelled);
    }
  }
  CHECK(made >= 1);
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kSwitched) == made; }));
  const auto stamp = stamp_of_answer(scene.runtime);
  REQUIRE(stamp.has_value());
  CHECK(*stamp >= 1);
  scene.end();
}

TEST_CASE("Swap: a roll-back while a third version arrives leaves one of both, whole") {
  Scene scene;
  scene.callers.allow({1, 2, 3});
  REQUIRE(scene.runtime.swap(variant_file("probe_2").string()).has_value());
  auto third = swap_beside(scene, variant_file("probe_3").string());
  auto back = std::async(std::launch::async, [&] { return scene.runtime.rollback("probe", "too early"); });
  const auto third_end = third.get();
  const auto back_end = back.get();
  INFO((third_end ? "swapped" : third_end.error().to_string())
       << "\n"
       << (back_end ? "rolled back" : back_end.error().to_string()) << "\n"
       << scene.events.text() << scene.generations_text());
  // The later request wins; the other one reports that.
  CHECK((third_end.has_value() || back_end.has_value()));
  const auto version = version_of_answer(scene.runtime);
  REQUIRE(version.has_value());
  if (third_end && !back_end) {
    CHECK(*version == 3);
  }
  if (!third_end && back_end) {
    CHECK(*version == 1);
  }
  CHECK(scene.current().workers > 0);
  scene.end();
}

TEST_CASE("Swap: a third version that arrives while the second is rolled back by itself is current in the end") {
  // Covers the time from before the rollback to after it, depending on the machine.
  const auto delay = std::chrono::milliseconds(GENERATE(0, 5, 20, 60));
  SceneOptions scene_options;
  scene_options.callers.call.max_attempts = 100;
  Scene scene(scene_options);
  scene.callers.allow({1, 3});
  const auto second = scene.runtime.swap(variant_file("crash_call").string());
  REQUIRE(second.has_value());
  REQUIRE(eventually([&] {
    const auto generations = scene.runtime.generations();
    return std::any_of(generations.begin(), generations.end(),
                       [](const GenerationInfo& generation) { return generation.crashed > 0; });
  }));
  std::this_thread::sleep_for(delay);
  const auto third = scene.runtime.swap(variant_file("probe_3").string());
  INFO("after " << delay.count() << " ms\n" << scene.events.text() << scene.generations_text());
  REQUIRE(third.has_value());
  CHECK((third->before.version == "1.0.0" || third->before.version == "1.9.0"));
  CHECK(third->now.version == "1.2.0");
  CHECK(version_of_answer(scene.runtime) == 3u);
  CHECK(scene.callers.wait_for_answers(3, 50));
  CHECK(scene.current().version == "1.2.0");
  // The second version never comes back, not even automatically.
  if (third->before.version == "1.0.0") {
    CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kQuarantined) == 1; }));
    CHECK_FALSE(scene.runtime.swap(variant_file("crash_call").string()).has_value());
  }
  scene.end();
}

TEST_CASE("Swap: a roll-back and what came before it, on and on") {
  Scene scene;
  scene.callers.allow({1, 2, 3});
  REQUIRE(scene.runtime.swap(variant_file("probe_2").string()).has_value());
  REQUIRE(scene.runtime.swap(variant_file("probe_3").string()).has_value());
  const auto back = scene.runtime.rollback("probe", "once");
  REQUIRE(back.has_value());
  CHECK(back->now.version == "1.1.0");
  CHECK(version_of_answer(scene.runtime) == 2u);
  // Only another version can follow: 3 is in quarantine now.
  CHECK_FALSE(scene.runtime.swap(variant_file("probe_3").string()).has_value());
  REQUIRE(scene.runtime.swap(stamped_file(scene, 7)).has_value());
  CHECK(stamp_of_answer(scene.runtime) == 7u);
  REQUIRE(scene.runtime.swap("probe@1.1.0").has_value());
  CHECK(version_of_answer(scene.runtime) == 2u);
  scene.end();
}

TEST_CASE("Swap: calls that run when it happens end on the version they began on") {
  Scene scene;
  scene.callers.allow({1, 2});
  std::uint32_t from = 1;
  bool overlapped = false;
  // On a busy machine a swap may take longer than the calls; then longer calls are tried, with a
  // swap back and forth.
  for (std::uint64_t duration_ms = 600; !overlapped && duration_ms < 60'000; duration_ms *= 3) {
    const Buffer argument = sleep_for(duration_ms);
    auto slow = scene.runtime.submit("probe.sleep", argument);
    auto slower = scene.runtime.submit("probe.sleep", argument);
    while (!slow.started() || !slower.started()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const std::uint32_t to = from == 1 ? 2 : 1;
    REQUIRE(scene.runtime.swap(variant_file("probe_" + std::to_string(to)).string()).has_value());
    CHECK(version_of_answer(scene.runtime) == to);
    // The swap did not wait for the calls that were under way.
    overlapped = !(slow.ready() && slower.ready());
    for (auto* call : {&slow, &slower}) {
      const auto reply = call->get();
      REQUIRE(reply.has_value());
      CHECK(version_of(*reply) == from);
    }
    from = to;
  }
  CHECK(overlapped);
  scene.end();
}

TEST_CASE("Swap: no process has the old code once it has drained") {
  Scene scene;
  scene.callers.allow({1, 2});
  const std::string old_hash = scene.current().sha256;
  REQUIRE(old_hash.size() == 64);
  const auto has_old_code = [&] {
    bool found = false;
    for (const std::int64_t pid : children()) {
      found = found || maps(pid, old_hash);
    }
    return found;
  };
  REQUIRE(has_old_code());
  REQUIRE(scene.runtime.swap(variant_file("probe_2").string()).has_value());
  REQUIRE(scene.events.wait_for(SwapEvent::Kind::kDrained).has_value());
  CHECK(eventually([&] { return !has_old_code(); }));
  CHECK_FALSE(maps(::getpid(), "/probe.so"));  // The host never maps it.
  const auto where = mapped_lines(scene.runtime);
  REQUIRE_FALSE(where.empty());
  for (const std::string& line : where) {
    CHECK(line.find(scene.current().sha256) != std::string::npos);
  }
  scene.end();
}

TEST_CASE("Swap: old workers end by themselves, not by the grace of a kill") {
  SceneOptions options;
  options.cancel_grace = std::chrono::seconds(60);
  Scene scene(options);
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0;
  // Calls in windows, so that the switch finds calls that have been sent but not started.
  std::thread submitter([&] {
    const Buffer argument = ask(0);
    while (!stop) {
      std::vector<Future<Reply>> window;
      for (int i = 0; i < 300; ++i) {
        window.push_back(scene.runtime.submit("probe.tag", argument));
      }
      for (auto& call : window) {
        failed += call.get() ? 0 : 1;
      }
    }
  });
  bool drained = true;
  for (std::size_t swap = 1; swap <= 40 && drained; ++swap) {
    const auto swapped = scene.runtime.swap(stamped_file(scene, swap));
    INFO((swapped ? "" : swapped.error().to_string()));
    CHECK(swapped.has_value());
    drained =
        eventually([&] { return scene.events.count(SwapEvent::Kind::kDrained) == swap; }, std::chrono::seconds(20));
  }
  stop = true;
  submitter.join();
  CHECK(drained);
  CHECK(failed == 0);
  scene.end();
}

TEST_CASE("Swap: events come in order, each once, and end with their subscription") {
  Scene scene;
  scene.callers.allow({1, 2, 3});
  std::size_t heard = 0;
  {
    std::mutex mutex;
    const auto subscription = scene.runtime.on_event([&](const SwapEvent&) {
      const std::lock_guard lock(mutex);
      ++heard;
    });
    REQUIRE(scene.runtime.swap(variant_file("probe_2").string()).has_value());
    CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kDrained) == 1; }));
  }
  const std::size_t before = heard;
  CHECK(before >= 3);
  REQUIRE(scene.runtime.swap(variant_file("probe_3").string()).has_value());
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kSwitched) == 2; }));
  CHECK(heard == before);
  const auto events = scene.events.all();
  for (std::size_t i = 1; i < events.size(); ++i) {
    CHECK(events[i].number == events[i - 1].number + 1);
    CHECK(events[i].plugin == "probe");
  }
  scene.end();
}

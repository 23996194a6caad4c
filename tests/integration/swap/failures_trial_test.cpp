// Versions whose faults only show while they run calls: a canary or shadow refuses them, or they
// are rolled back.
#include <chrono>
#include <string>
#include <thread>

#include "scene.hpp"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
using std::chrono::milliseconds;

/// Callers with as many attempts as needed: a swap must not fail a call whose task may run again.
SceneOptions patient(milliseconds run_timeout = milliseconds(0)) {
  SceneOptions options;
  options.callers.call.max_attempts = 100;
  if (run_timeout.count() != 0) {
    options.callers.call.run_timeout = run_timeout;
  }
  return options;
}

SwapOptions canary(double share = 0.5) {
  SwapOptions options;
  options.canary_share = share;
  options.canary_calls = 50;
  return options;
}

SwapOptions shadow() {
  SwapOptions options;
  options.shadow = true;
  options.canary_calls = 50;
  return options;
}

/// Swaps to a variant that becomes current and is rolled back automatically.
void check_rolled_back(Scene& scene, const std::string& variant, const SwapOptions& options, const char* why) {
  INFO(variant);
  scene.callers.allow({1, 9});
  const auto swapped = scene.runtime.swap(variant_file(variant).string(), options);
  REQUIRE(swapped.has_value());
  const auto back = scene.events.wait_for(SwapEvent::Kind::kRolledBack);
  INFO(scene.events.text() << scene.generations_text());
  REQUIRE(back.has_value());
  CHECK(back->message.find(why) != std::string::npos);
  CHECK(eventually([&] { return scene.current().version == "1.0.0"; }));
  CHECK(scene.callers.wait_for_answers(1, 50));
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kQuarantined) == 1; }));
  const auto again = scene.runtime.swap(variant_file(variant).string(), options);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kRejected);
  scene.end();
}

/// Swaps to a variant that a trial beside the first version refuses.
void check_turned_back(Scene& scene, const std::string& variant, const SwapOptions& options, const char* why) {
  INFO(variant);
  const auto swapped = scene.runtime.swap(variant_file(variant).string(), options);
  REQUIRE_FALSE(swapped.has_value());
  scene.check_serves_on(swapped.error(), ErrorCode::kRejected, {why});
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kCanary) == 1; }));
  scene.end();
}

}  // namespace

TEST_CASE("Swap: a version whose first call crashes is rolled back, and no call that may run again fails") {
  Scene scene(patient());
  check_rolled_back(scene, "crash_call", {}, "crash");
}

TEST_CASE("Swap: a version whose first call ends the process is rolled back") {
  Scene scene(patient());
  check_rolled_back(scene, "leave_call", {}, "crash");
}

TEST_CASE("Swap: a version whose thousandth call crashes is rolled back") {
  Scene scene(patient());
  SwapOptions options;
  options.max_crash_rate = 0.0001;
  check_rolled_back(scene, "crash_later", options, "crash");
}

TEST_CASE("Swap: a version whose workers die again and again is rolled back, however many calls it answers") {
  Scene scene(patient());
  // The old version's record without deaths must be long enough: ten times as many calls as between
  // two deaths of the new version. A shorter record would not distinguish the versions, however
  // slowly the machine runs both.
  REQUIRE(scene.callers.wait_for_answers(1, 10'000));
  SwapOptions options;
  options.probation = std::chrono::minutes(5);
  // One call in a thousand: far below the limit for the share of failures.
  check_rolled_back(scene, "crash_later", options, "died of it");
}

TEST_CASE("Swap: a version that answers with errors is rolled back") {
  SceneOptions scene_options = patient();
  Scene scene(scene_options);
  // An error of the task is a result, which no attempt repeats: these callers must expect it.
  scene.callers.stop();
  REQUIRE(scene.runtime.swap(variant_file("fail_call").string()).has_value());
  int failed = 0;
  const bool back = eventually([&] {
    failed += version_of_answer(scene.runtime) ? 0 : 1;
    return scene.events.count(SwapEvent::Kind::kRolledBack) == 1;
  });
  INFO(scene.events.text() << scene.generations_text());
  CHECK(back);
  CHECK(failed > 0);
  CHECK(scene.events.wait_for(SwapEvent::Kind::kRolledBack)->message.find("calls failed") != std::string::npos);
  CHECK(version_of_answer(scene.runtime) == 1u);
  CHECK(version_of_answer(scene.runtime) == 1u);
  scene.end();
}

TEST_CASE("Swap: a canary whose calls crash never becomes current, and its calls are answered by the old version") {
  Scene scene(patient());
  check_turned_back(scene, "crash_call", canary(), "crash");
}

TEST_CASE("Swap: a canary whose calls hang never becomes current") {
  Scene scene(patient(milliseconds(300)));
  SwapOptions options = canary(0.2);
  // A call that hangs ends with its own time-out, as an error that the swap must not hide.
  scene.callers.stop();
  std::atomic<bool> stop = false;
  std::atomic<int> late = 0;
  std::thread caller([&] {
    CallOptions call;
    call.run_timeout = milliseconds(300);
    call.max_attempts = 100;
    while (!stop) {
      late += version_of_answer(scene.runtime, call) ? 0 : 1;
    }
  });
  const auto swapped = scene.runtime.swap(variant_file("hang_call").string(), options);
  stop = true;
  caller.join();
  INFO(scene.events.text() << scene.generations_text());
  CHECK_FALSE(swapped.has_value());
  CHECK(scene.current().version == "1.0.0");
  CHECK(version_of_answer(scene.runtime) == 1u);
  scene.end();
}

TEST_CASE("Swap: a canary that is slower than allowed never becomes current") {
  SceneOptions scene_options = patient();
  scene_options.callers.threads = 2;
  Scene scene(scene_options);
  scene.callers.allow({1, 9});
  SwapOptions options = canary();
  options.canary_calls = 400;
  const auto swapped = scene.runtime.swap(variant_file("slow").string(), options);
  INFO(scene.events.text() << scene.generations_text());
  REQUIRE_FALSE(swapped.has_value());
  scene.check_serves_on(swapped.error(), ErrorCode::kRejected, {"p99"});
  scene.end();
}

TEST_CASE("Swap: a canary that works becomes current") {
  Scene scene(patient());
  scene.callers.allow({1, 2});
  const auto swapped = scene.runtime.swap(variant_file("probe_2").string(), canary());
  INFO(scene.events.text() << scene.generations_text());
  REQUIRE(swapped.has_value());
  CHECK(swapped->tried.count() > 0);
  CHECK(scene.callers.wait_for_answers(2, 20));
  scene.end();
}

TEST_CASE("Swap: wrong results are found by a shadow, and nobody gets one") {
  Scene scene(patient());
  check_turned_back(scene, "wrong", shadow(), "checksum");
}

TEST_CASE("Swap: a shadow that crashes hurts no call") {
  Scene scene(patient());
  check_turned_back(scene, "crash_call", shadow(), "crash");
}

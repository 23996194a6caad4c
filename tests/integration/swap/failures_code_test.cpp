// Versions whose code is broken at any point where it runs before a swap: they never become
// current.
#include <chrono>
#include <string>

#include "process_state.hpp"
#include "scene.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
using std::chrono::milliseconds;

/// Options for versions that hang; other versions have the default time.
SwapOptions impatient() {
  SwapOptions options;
  options.step_timeout = milliseconds(1500);
  return options;
}

enum class Again { kQuarantined, kTriedAnew };

void check_refused(const std::string& variant, ErrorCode code, const std::vector<std::string>& words,
                   Again again = Again::kQuarantined, const SwapOptions& options = {}) {
  INFO(variant);
  Scene scene;
  const auto swapped = scene.runtime.swap(variant_file(variant).string(), options);
  REQUIRE_FALSE(swapped.has_value());
  scene.check_serves_on(swapped.error(), code, words);
  const auto refused = scene.newest(GenerationState::kRefused);
  REQUIRE(refused.has_value());
  CHECK(refused->reason.find(words.front()) != std::string::npos);
  CHECK(refused->workers == 0);

  if (again == Again::kQuarantined) {
    CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kQuarantined) == 1; }));
    const auto begin = std::chrono::steady_clock::now();
    const auto second = scene.runtime.swap(variant_file(variant).string(), options);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::kRejected);
    CHECK(second.error().message.find("quarantine") != std::string::npos);
    CHECK(second.error().message.find(words.front()) != std::string::npos);
    if (code == ErrorCode::kDeadline) {  // It is not tried again.
      CHECK(std::chrono::steady_clock::now() - begin < options.step_timeout);
    }
  }
  scene.end();
}

}  // namespace

TEST_CASE("Swap: a version without an entry is refused") {
  check_refused("no_entry", ErrorCode::kIncompatible, {"tenon_plugin_entry"}, Again::kTriedAnew);
}

TEST_CASE("Swap: a version that crashes before its first call is refused, with the place") {
  check_refused("crash_constructor", ErrorCode::kCrashed, {"while it was loaded"});
  check_refused("crash_entry", ErrorCode::kCrashed, {"in tenon_plugin_entry"});
  check_refused("crash_init", ErrorCode::kCrashed, {"in init"});
  check_refused("crash_fini", ErrorCode::kCrashed, {"in fini"});
}

TEST_CASE("Swap: a version that ends its process before its first call is refused, with the place") {
  check_refused("leave_constructor", ErrorCode::kCrashed, {"while it was loaded"});
  check_refused("leave_entry", ErrorCode::kCrashed, {"in tenon_plugin_entry"});
  check_refused("leave_init", ErrorCode::kCrashed, {"in init"});
  check_refused("leave_fini", ErrorCode::kCrashed, {"in fini"});
}

TEST_CASE("Swap: a version that hangs before its first call is refused, with the place") {
  for (const auto& [variant, where] :
       {std::pair("hang_constructor", "while it was loaded"), std::pair("hang_entry", "in tenon_plugin_entry"),
        std::pair("hang_init", "in init"), std::pair("hang_fini", "in fini")}) {
    check_refused(variant, ErrorCode::kDeadline, {where}, Again::kQuarantined, impatient());
  }
}

TEST_CASE("Swap: a version that hung is tried again with a longer limit, and only then") {
  for (const char* const variant : {"hang_init", "hang_worker_init"}) {
    INFO(variant);
    Scene scene;
    SwapOptions options;
    options.step_timeout = milliseconds(1000);
    const auto swap = [&] { return scene.runtime.swap(variant_file(variant).string(), options); };
    const auto first = swap();
    REQUIRE_FALSE(first.has_value());
    CHECK(first.error().code == ErrorCode::kDeadline);
    const auto same_limit = swap();
    REQUIRE_FALSE(same_limit.has_value());
    CHECK(same_limit.error().code == ErrorCode::kRejected);
    options.step_timeout = milliseconds(1500);
    const auto longer_limit = swap();
    REQUIRE_FALSE(longer_limit.has_value());
    CHECK(longer_limit.error().code == ErrorCode::kDeadline);
    const auto same_again = swap();
    REQUIRE_FALSE(same_again.has_value());
    CHECK(same_again.error().code == ErrorCode::kRejected);
    scene.end();
  }
}

TEST_CASE("Swap: a version that works in its trial and not in a worker is refused") {
  check_refused("crash_worker_init", ErrorCode::kCrashed, {"init"});
  check_refused("leave_worker_init", ErrorCode::kCrashed, {"init"});
  check_refused("hang_worker_init", ErrorCode::kDeadline, {"1.5 s"}, Again::kQuarantined, impatient());
  check_refused("fail_init", ErrorCode::kFailed, {"init of plugin 'probe' failed"}, Again::kTriedAnew);
}

TEST_CASE("Runtime: an init that hangs only in a worker ends it after the plugin's start_timeout") {
  const TemporaryDirectory directory;
  RuntimeOptions options = runtime_options(1);
  CatalogOptions inspection;
  inspection.plugin_dirs = {variant_file("hang_worker_init").parent_path()};
  inspection.use_environment = false;
  inspection.cache_dir = directory / "cache";
  inspection.worker_executable = options.worker_executable;
  auto catalog = Catalog::open(inspection);
  REQUIRE(catalog);
  options.catalog = *catalog;
  options.cache_dir = inspection.cache_dir;
  options.limits_of_plugins["probe"].start_timeout = milliseconds(100);
  auto runtime = Runtime::start(std::move(options));
  REQUIRE(runtime);
  const auto ended = runtime->call("probe.tag", ask(1), {.max_attempts = 1});
  REQUIRE_FALSE(ended);
  INFO(ended.error().to_string());
  CHECK(ended.error().code == ErrorCode::kCrashed);
  const std::string text = ended.error().to_string();
  CHECK(text.find("'probe' has not loaded within 1100 ms") != std::string::npos);
  CHECK(text.find("[plugins.probe] start_timeout") != std::string::npos);
}

TEST_CASE("Swap: a version that leaks threads ends with its workers") {
  Scene scene;
  scene.callers.allow({1, 9});
  REQUIRE(scene.runtime.swap(variant_file("leak_threads").string()).has_value());
  REQUIRE(scene.callers.wait_for_answers(9, 50));
  scene.callers.allow({2, 9});  // A call that was under way may still complete.
  REQUIRE(scene.runtime.swap(variant_file("probe_2").string()).has_value());
  REQUIRE(scene.callers.wait_for_answers(2, 50));
  scene.end();
}

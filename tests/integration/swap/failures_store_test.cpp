// A store that cannot be used, a full disk, a host that is killed.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "platform/process.hpp"
#include "process_state.hpp"
#include "scene.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
namespace fs = std::filesystem;

std::string start_error(const fs::path& store) {
  TemporaryDirectory directory;
  RuntimeOptions options = runtime_options(1);
  options.cache_dir = directory / "cache";
  options.hot_swap.emplace();
  options.hot_swap->store_dir = store;
  const auto runtime = Runtime::start(options);
  REQUIRE_FALSE(runtime.has_value());
  return runtime.error().to_string();
}

void place_first_version(const TemporaryDirectory& directory) {
  fs::create_directory(directory / "plugins");
  fs::copy_file(variant_file("probe_1"), directory / "plugins" / "probe.so");
}

internal::SpawnOptions swap_host(const char* mode, const TemporaryDirectory& directory) {
  return {.executable = build_dir() / "tests" / "swap_host",
          .arguments = {mode, directory.path().string()},
          .standard_output = internal::StreamMode::kPipe};
}

}  // namespace

TEST_CASE("Swap: a store that cannot be used is told at the start") {
  TemporaryDirectory directory;
  write_file(directory / "file", "x");
  const std::string below_file = start_error(directory / "file" / "store");
  INFO(below_file);
  CHECK(below_file.find((directory / "file").string()) != std::string::npos);
  if (::geteuid() != 0) {  // Root may write everywhere.
    fs::create_directory(directory / "locked");
    fs::permissions(directory / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    const std::string locked = start_error(directory / "locked" / "store");
    CHECK(locked.find((directory / "locked").string()) != std::string::npos);
  }
}

TEST_CASE("Swap: a store that cannot be written any more is told, and works again once it can") {
  Scene scene;
  const fs::path incoming = scene.store() / "incoming";
  fs::rename(incoming, scene.directory / "aside");
  write_file(incoming, "in the way");
  const auto swapped = scene.runtime.swap(variant_file("probe_2").string());
  REQUIRE_FALSE(swapped.has_value());
  INFO(swapped.error().to_string());
  CHECK(swapped.error().message.find(scene.store().string()) != std::string::npos);
  CHECK(scene.callers.wait_for_answers(1, 20));
  fs::remove(incoming);
  fs::rename(scene.directory / "aside", incoming);
  scene.callers.allow({1, 2});
  CHECK(scene.runtime.swap(variant_file("probe_2").string()).has_value());
  CHECK(scene.callers.wait_for_answers(2, 20));
  scene.end();
}

TEST_CASE("Swap: a disk without room refuses the version, and nothing else") {
  TemporaryDirectory directory;
  place_first_version(directory);
  auto run = internal::run_captured(swap_host("full", directory), internal::deadline_after(std::chrono::seconds(100)),
                                    std::size_t{1} << 20);
  REQUIRE(run.has_value());
  REQUIRE(run->status.has_value());
  INFO(run->standard_output << run->standard_error);
  if (run->status->exit_code == 77) {
    WARN("skipped: this user may not mount a small disk");
    return;
  }
  CHECK(run->status->success());
  CHECK(run->standard_output.find("No space left") != std::string::npos);
}

TEST_CASE("Swap: a host that is killed in the middle of a switch leaves nothing, and the next one works") {
  // Orphans of a killed host become children of this process.
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  TemporaryDirectory directory;
  place_first_version(directory);
  for (int round = 0; round < 6; ++round) {
    auto host = internal::Process::spawn(swap_host("churn", directory));
    REQUIRE(host.has_value());
    std::uint8_t line[16];
    const auto count = internal::read_some(host->standard_output(), line);
    REQUIRE(count.has_value());
    REQUIRE(std::string(line, line + *count) == "going\n");
    // Each round kills at another point of a swap.
    std::this_thread::sleep_for(std::chrono::milliseconds(13 * round));
    host->kill();
    REQUIRE(host->wait(internal::deadline_after(std::chrono::seconds(60))).has_value());
    const bool gone = eventually([] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return children().empty();
    });
    INFO("round " << round);
    REQUIRE(gone);
  }
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0);

  RuntimeOptions options = runtime_options(2);
  options.plugin_dirs = {directory / "plugins"};
  options.cache_dir = directory / "cache";
  options.hot_swap.emplace();
  options.hot_swap->store_dir = directory / "store";
  auto runtime = Runtime::start(options);
  INFO((runtime ? "" : runtime.error().to_string()));
  REQUIRE(runtime.has_value());
  CHECK(files_below(directory / "store" / "incoming") == 0);
  CHECK(version_of_answer(*runtime) == 1u);
  REQUIRE(runtime->swap(variant_file("probe_2").string()).has_value());
  CHECK(version_of_answer(*runtime) == 2u);
}

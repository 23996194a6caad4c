// Several hosts with one store: they are killed at any moment, or have no space or no permissions.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "platform/process.hpp"
#include "plugin/store.hpp"
#include "store_support.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/text.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
using tenon::test::has;
namespace fs = std::filesystem;

namespace {

constexpr int kSources = 5;

MonotonicNs soon() {
  return deadline_after(std::chrono::seconds(120));
}

Process start_host(std::vector<std::string> arguments) {
  auto host = Process::spawn({.executable = build_dir() / "tests" / "plugin_store_host",
                              .arguments = std::move(arguments),
                              .standard_output = StreamMode::kPipe});
  REQUIRE(host);
  return std::move(*host);
}

/// Waits until the host prints "going".
void wait_until_going(Process& host) {
  std::uint8_t line[64];
  const auto count = read_some(host.standard_output(), line);
  REQUIRE(count);
  REQUIRE(std::string(line, line + *count) == "going\n");
}

/// Returns the output of a host that is expected to fail; empty if the case cannot be tested here.
std::string output_of(std::vector<std::string> arguments) {
  auto run =
      run_captured({.executable = build_dir() / "tests" / "plugin_store_host", .arguments = std::move(arguments)},
                   soon(), std::size_t{1} << 20);
  REQUIRE(run);
  REQUIRE(run->status.has_value());
  INFO(run->status->to_string() << ": " << run->standard_output);
  if (run->status->exit_code == 77) {
    WARN("skipped: this user may not do that here");
    return "";
  }
  CHECK(run->status->exit_code == 1);
  CHECK(run->standard_output.find("left behind") == std::string::npos);
  return run->standard_output;
}

void write_sources(const fs::path& directory, std::size_t size_bytes) {
  for (int i = 0; i < kSources; ++i) {
    write_text(directory / (std::to_string(i) + ".so"), content_of(static_cast<std::uint64_t>(i), size_bytes));
  }
}

}  // namespace

TEST_CASE("Store: hosts that stage and sweep the same contents at once do not take them from each other") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 50'000);
  const fs::path store = directory / "store";
  std::vector<Process> hosts;
  for (int i = 0; i < 3; ++i) {
    hosts.push_back(start_host({"churn", store, directory.path(), std::to_string(kSources), "60"}));
  }
  for (Process& host : hosts) {
    const auto status = host.wait(soon());
    REQUIRE((status && status->has_value()));
    Buffer text(1000);
    text.resize(read_some(host.standard_output(), text).value_or(0));
    INFO(std::string(text.begin(), text.end()));
    CHECK((*status)->success());
  }
  static_cast<void>(open_store(store));
  CHECK(files_below(store / "objects").empty());
  CHECK(files_below(store / "incoming").empty());
}

TEST_CASE("Store: hosts killed at any moment leave no half file, and all they left is swept") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 2'000'000);
  const fs::path store = directory / "store";
  int left_behind = 0;
  for (int turn = 0; turn < 25; ++turn) {
    Process host = start_host({"churn", store, directory.path(), std::to_string(kSources), "0"});
    wait_until_going(host);
    std::this_thread::sleep_for(std::chrono::microseconds(turn * 971));
    host.kill();
    REQUIRE(host.wait(soon())->has_value());
    check_whole(store);
    left_behind += files_below(store / "incoming").empty() ? 0 : 1;
    if (turn % 5 == 4) {
      static_cast<void>(open_store(store));
      CHECK(files_below(store / "objects").empty());
      CHECK(files_below(store / "incoming").empty());
    }
  }
  // Otherwise no host was killed during a copy, and the test proves less than it claims.
  CHECK(left_behind > 0);
}

TEST_CASE("Store: what another host pins stays until that host has ended, also when it is killed") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 1000);
  const fs::path place = directory / "store";
  const Store store = open_store(place);
  Process one = start_host({"hold", place, directory / "0.so"});
  Process two = start_host({"hold", place, directory / "0.so"});
  wait_until_going(one);
  wait_until_going(two);
  StoreLimits tight;
  tight.max_files = 1;
  CHECK(store.sweep() == 0);
  CHECK(files_below(place / "objects").size() == 1);
  CHECK(open_store(place, tight).stage(directory / "1.so").error().code == ErrorCode::kRejected);
  one.kill();
  REQUIRE(one.wait(soon())->has_value());
  CHECK(store.sweep() == 0);
  two.kill();
  REQUIRE(two.wait(soon())->has_value());
  CHECK(store.sweep() == 1);
  CHECK(files_below(place / "objects").empty());
}

TEST_CASE("Store: a full disk is a clear error and leaves nothing behind") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 1'000'000);
  fs::create_directory(directory / "mount");
  const std::string text = output_of({"full", directory / "mount", directory / "0.so"});
  if (!text.empty()) {
    INFO(text);
    CHECK(text.starts_with("io: "));
    CHECK(has(text, "0.so"));
    CHECK(has(text, "the disk is full"));
  }
}

TEST_CASE("Store: a limit on file sizes is a clear error and no signal") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 1'000'000);
  const std::string text = output_of({"limited", directory / "store", directory / "0.so"});
  INFO(text);
  CHECK(text.starts_with("too_large: "));
  CHECK(has(text, "RLIMIT_FSIZE"));
}

TEST_CASE("Store: a file system from which nothing can be loaded is refused at once") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 1000);
  fs::create_directory(directory / "mount");
  const std::string text = output_of({"noexec", directory / "mount", directory / "0.so"});
  if (!text.empty()) {
    INFO(text);
    CHECK(text.starts_with("unsupported: "));
    CHECK(has(text, "noexec"));
  }
}

TEST_CASE("Store: a place that cannot be written is a clear error") {
  const TemporaryDirectory directory;
  write_sources(directory.path(), 1000);
  REQUIRE(::chmod(directory.path().c_str(), 0755) == 0);
  fs::create_directory(directory / "closed");
  const bool root = ::geteuid() == 0;
  // Root may write everywhere, so the test runs as another user.
  REQUIRE(::chmod((directory / "closed").c_str(), 0555) == 0);
  std::string text;
  if (root) {
    text = output_of({"nobody", directory / "closed/store", directory / "0.so"});
  } else {
    const auto store = Store::open(directory / "closed/store", {});
    REQUIRE_FALSE(store);
    text = store.error().to_string();
  }
  INFO(text);
  CHECK(text.starts_with("io: "));
  CHECK(has(text, "plugin store"));
  CHECK(has(text, "check owner and permissions"));
}

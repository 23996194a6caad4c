/// Workers that stall between two calls: calls that they have not started run elsewhere, and the
/// workers are replaced.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "host/stall_watch.hpp"
#include "platform/debugger.hpp"
#include "platform/process_state.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/freezer.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::empty_argument;

namespace {

tenon::Runtime start_with_stall_timeout(unsigned workers, std::chrono::milliseconds stall_timeout) {
  tenon::RuntimeOptions options = tenon::test::shipped_options(workers);
  options.stall_timeout = stall_timeout;
  auto runtime = tenon::test::start(std::move(options));
  static_cast<void>(tenon::test::stats_of_all_workers(runtime));
  return runtime;
}

std::int64_t pid_of(const tenon::Runtime& runtime, const tenon::Reply& reply) {
  const std::string json = *tenon::test::result_to_json(runtime, "tenon.whoami", reply);
  const std::size_t at = json.find("\"pid\"");
  return std::stoll(json.substr(json.find_first_of("0123456789", at)));
}

/// Stops the worker that the next synchronous call will use, and waits until it has stopped.
pid_t stop_next_worker(tenon::Runtime& runtime) {
  const auto reply = runtime.call("tenon.whoami", empty_argument());
  REQUIRE(reply);
  const auto pid = static_cast<pid_t>(pid_of(runtime, *reply));
  // Waits until the worker sleeps, so that it stops between two calls.
  std::this_thread::sleep_for(20ms);
  ::kill(pid, SIGSTOP);
  return pid;
}

bool alive(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

void require_ok(const tenon::Result<tenon::Reply>& reply) {
  if (!reply) {
    FAIL(reply.error().to_string());
  }
}

}  // namespace

TEST_CASE("StallWatch: adds up time in which a worker with work makes no step") {
  constexpr std::int64_t kLook = StallWatch::kLookNs;
  StallWatch watch;
  MonotonicNs now_ns = 1'000'000'000'000;
  const auto look = [&](bool waits, std::uint64_t trace) {
    now_ns += kLook;
    watch.look(now_ns, {.waits = waits, .traces = {trace, 0, 0}});
  };
  look(true, 1);
  CHECK_FALSE(watch.stands());  // The call may have arrived just now.
  look(true, 1);
  CHECK(watch.stands());
  look(true, 1);
  CHECK(watch.still_ns() == 2 * kLook);
  look(true, 2);  // It has started a call.
  CHECK_FALSE(watch.stands());
  CHECK(watch.still_ns() == 0);
  look(true, 2);
  CHECK(watch.still_ns() == kLook);
  look(false, 2);  // It has no call left to start or to run.
  CHECK(watch.still_ns() == 0);
  look(true, 2);
  CHECK(watch.still_ns() == 0);
  look(true, 2);
  watch.forgive();
  CHECK(watch.still_ns() == 0);
  CHECK(watch.stands());
}

TEST_CASE("StallWatch: time in which the host did not look counts for little") {
  StallWatch watch;
  watch.look(0, {.waits = true, .traces = {}});
  // The host was stopped together with its workers.
  watch.look(3600'000'000'000, {.waits = true, .traces = {}});
  CHECK(watch.still_ns() == 2 * StallWatch::kLookNs);
}

TEST_CASE("stall: beside other workers no call is lost to one that is stopped between two calls") {
  auto runtime = start_with_stall_timeout(3, 600ms);
  const pid_t stopped = stop_next_worker(runtime);
  const auto argument = empty_argument();
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    require_ok(runtime.call("tenon.whoami", argument));
    require_ok(runtime.call("tenon.whoami", argument, {.run_timeout = 30s}));
    require_ok(runtime.call("tenon.whoami", argument, {.timeout = 30s}));
  }
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 200; ++i) {
    futures.push_back(runtime.submit("tenon.whoami", argument));
  }
  for (const auto& future : futures) {
    require_ok(future.get());
  }
  // The worker is eventually replaced.
  for (int i = 0; i < 1000 && alive(stopped); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK_FALSE(alive(stopped));
  CHECK(tenon::test::stats_of_all_workers(runtime).workers.size() == 3);
  require_ok(runtime.call("tenon.whoami", argument));
}

TEST_CASE("stall: a run_timeout does not end a call that no worker has begun") {
  auto runtime = start_with_stall_timeout(2, 10min);
  const pid_t stopped = stop_next_worker(runtime);
  const auto argument = empty_argument();
  for (int i = 0; i < 5; ++i) {
    require_ok(runtime.call("tenon.whoami", argument, {.run_timeout = 200ms}));
  }
  CHECK(alive(stopped));
  ::kill(stopped, SIGCONT);
  // After it continues, it is a normal worker again: some of these keys are assigned to it.
  for (int i = 0; i < 20; ++i) {
    require_ok(runtime.submit("tenon.whoami", argument, {.affinity_key = std::to_string(i)}).get());
  }
  CHECK(alive(stopped));
}

TEST_CASE("stall: the only worker is replaced, and the calls that waited for it run, uncharged") {
  auto runtime = start_with_stall_timeout(1, 300ms);
  const auto argument = empty_argument();
  const pid_t stopped = stop_next_worker(runtime);
  SECTION("synchronous") {
    require_ok(runtime.call("tenon.whoami", argument));
  }
  SECTION("futures") {
    std::vector<tenon::Future<tenon::Reply>> futures;
    for (int i = 0; i < 100; ++i) {
      // Each call has one attempt, so no call may be charged.
      futures.push_back(runtime.submit("tenon.whoami", argument, {.max_attempts = 1}));
    }
    for (const auto& future : futures) {
      require_ok(future.get());
    }
  }
  SECTION("a task that is not idempotent") {
    const auto params = *tenon::test::params_from_json(runtime, "tenon.fail", R"({"succeed_on_attempt": 1})");
    require_ok(runtime.submit("tenon.fail", argument, {.params = params}).get());
  }
  SECTION("bulk calls") {
    std::uint64_t given = 0;
    auto stream = runtime.map("tenon.whoami", [&]() -> std::optional<tenon::BytesView> {
      return given++ < 500 ? std::optional<tenon::BytesView>(argument) : std::nullopt;
    });
    while (auto item = stream.next()) {
      require_ok(item->reply);
    }
  }
  SECTION("opening a session") {
    const auto numbers = *tenon::test::argument_from_json(runtime, "tenon.numbers", R"({"count": 100})");
    tenon::SessionOptions options;
    options.argument = numbers;
    auto session = runtime.open("tenon.numbers", options).get();
    REQUIRE(session);
    CHECK(session->next(10).get()->results.size() == 10);
  }
  SECTION("with a key") {
    require_ok(runtime.call("tenon.whoami", argument, {.affinity_key = "a"}));
  }
  for (int i = 0; i < 500 && alive(stopped); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK_FALSE(alive(stopped));
}

TEST_CASE("stall: a session whose worker is stopped between two steps ends as crashed") {
  auto runtime = start_with_stall_timeout(1, 300ms);
  const auto numbers = *tenon::test::argument_from_json(runtime, "tenon.numbers", R"({"count": 100})");
  tenon::SessionOptions options;
  options.argument = numbers;
  auto session = runtime.open("tenon.numbers", options).get();
  REQUIRE(session);
  REQUIRE(session->next(10).get());
  static_cast<void>(stop_next_worker(runtime));
  const auto batch = session->next(10).get();
  REQUIRE_FALSE(batch);
  CHECK(batch.error().code == ErrorCode::kCrashed);
}

TEST_CASE("stall: a call whose worker a control group freezes ends, and others run") {
  const std::vector<std::string> roots = tenon::test::Freezer::roots();
  if (roots.empty()) {
    WARN("skipped: this process may not use a freezer of control groups");
    return;
  }
  for (const std::string& root : roots) {
    CAPTURE(root);
    auto runtime = start_with_stall_timeout(1, 200ms);
    const auto argument = empty_argument();
    const auto pause = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 600000})");
    const auto first = runtime.call("tenon.whoami", argument);
    REQUIRE(first);
    const auto pid = static_cast<pid_t>(pid_of(runtime, *first));
    tenon::test::Freezer freezer(root);
    if (!freezer.add(pid)) {
      WARN("a process may not be moved into " << root);
      continue;
    }
    const auto call = runtime.submit("tenon.sleep", pause, {.max_attempts = 1});
    for (int i = 0; i < 1000 && !call.started(); ++i) {
      std::this_thread::sleep_for(10ms);
    }
    REQUIRE(call.started());
    // A worker in the group is not frozen yet.
    CHECK_FALSE(process_frozen(pid));
    CHECK_FALSE(call.wait_for(1s));
    REQUIRE(freezer.freeze());
    CHECK(process_frozen(pid));
    const auto next = runtime.submit("tenon.whoami", argument);
    REQUIRE(call.wait_for(60s));
    const auto outcome = call.get();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::kCrashed);
    INFO(outcome.error().to_string());
    CHECK(outcome.error().message.find("frozen") != std::string::npos);
    REQUIRE(next.wait_for(60s));
    require_ok(next.get());
    CHECK(alive(pid) == freezer.outlives_kill());
    freezer.thaw();
    for (int i = 0; i < 1000 && alive(pid); ++i) {
      std::this_thread::sleep_for(10ms);
    }
    CHECK_FALSE(alive(pid));  // Neither the process nor a zombie.
  }
}

TEST_CASE("stall: a frozen worker delays neither the calls that it has not begun nor the end") {
  const bool between_calls = GENERATE(true, false);
  for (const std::string& root : tenon::test::Freezer::roots()) {
    CAPTURE(root);
    auto runtime = start_with_stall_timeout(1, 200ms);
    const auto reply = runtime.call("tenon.whoami", empty_argument());
    REQUIRE(reply);
    const auto pid = static_cast<pid_t>(pid_of(runtime, *reply));
    tenon::test::Freezer freezer(root);
    if (!freezer.add(pid)) {
      continue;
    }
    REQUIRE(freezer.freeze());
    if (between_calls) {
      const auto call = runtime.submit("tenon.whoami", empty_argument());
      REQUIRE(call.wait_for(60s));
      require_ok(call.get());
    }
    const auto from = std::chrono::steady_clock::now();
    runtime.shutdown();
    CHECK(std::chrono::steady_clock::now() - from < 60s);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("stall: a worker that a debugger holds is not replaced") {
  auto runtime = start_with_stall_timeout(1, 200ms);
  const auto reply = runtime.call("tenon.whoami", empty_argument());
  REQUIRE(reply);
  const auto pid = static_cast<pid_t>(pid_of(runtime, *reply));
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(debugger_attached(pid));
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) {
    WARN("this system lets no process debug another");
    return;
  }
  CHECK(debugger_attached(pid));
  REQUIRE(::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) == 0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, __WALL) == pid);
  const auto future = runtime.submit("tenon.whoami", empty_argument());
  CHECK_FALSE(future.wait_for(1s));
  CHECK(alive(pid));
  REQUIRE(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0);
  const auto answer = future.get();
  require_ok(answer);
  CHECK(pid_of(runtime, *answer) == pid);
}

TEST_CASE("limits: the time of a call stands still while a debugger holds its worker") {
  auto runtime = start_with_stall_timeout(1, 3000ms);
  const auto worker = runtime.call("tenon.whoami", empty_argument());
  REQUIRE(worker);
  const auto pid = static_cast<pid_t>(pid_of(runtime, *worker));
  const auto pause = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 1200})");
  tenon::CallOptions options;
  SECTION("run_timeout") {
    options.run_timeout = 300ms;
  }
  SECTION("timeout") {
    options.timeout = 300ms;
  }
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) {
    WARN("this system lets no process debug another");
    return;
  }
  require_ok(runtime.submit("tenon.sleep", pause, options).get());
  REQUIRE(::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) == 0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, __WALL) == pid);
  REQUIRE(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0);
  // Without a bound worker it passes again, and the worker is the same.
  const auto late = runtime.submit("tenon.sleep", pause, options).get();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kDeadline);
  const auto still = runtime.call("tenon.whoami", empty_argument());
  REQUIRE(still);
  CHECK(pid_of(runtime, *still) == pid);
}
#endif

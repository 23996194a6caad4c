/// Workers that die, hang or run out of memory.
#include <csignal>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using tenon::ErrorCode;
using tenon::test::empty_argument;
using tenon::test::shipped_options;
using tenon::test::sleep_argument;
using tenon::test::start;

namespace {

tenon::Buffer params(const tenon::Runtime& runtime, std::string_view json) {
  return *tenon::test::params_from_json(runtime, "tenon.fail", json);
}

}  // namespace

TEST_CASE("crash: a session that is lost to another call is not charged, one that dies in its own step is") {
  auto runtime = start(shipped_options(1));
  tenon::SessionOptions options;
  const auto numbers = *tenon::test::argument_from_json(runtime, "tenon.numbers", R"({"count": 100})");
  options.argument = numbers;
  auto session = runtime.open("tenon.numbers", options).get();
  REQUIRE(session);
  REQUIRE(session->next(1).get());
  const auto aborting = params(runtime, R"({"mode": "abort"})");
  const auto crashed = runtime.call("tenon.fail", empty_argument(), {.params = aborting});
  REQUIRE_FALSE(crashed);
  CHECK(crashed.error().context.charged);
  const auto lost = session->next(1).get();
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == ErrorCode::kCrashed);
  CHECK_FALSE(lost.error().context.charged);
}

TEST_CASE("crash: the call reports how its worker ended, and the next one runs") {
  auto runtime = start(shipped_options(1));
  {
    const auto aborting = params(runtime, R"({"mode": "abort"})");
    const auto reply = runtime.call("tenon.fail", empty_argument(), {.params = aborting});
    REQUIRE_FALSE(reply);
    REQUIRE(reply.error().code == ErrorCode::kCrashed);
    REQUIRE(reply.error().context.signal == SIGABRT);
    REQUIRE(reply.error().context.attempt == 1);
  }
  {
    const auto leaving = params(runtime, R"({"mode": "exit", "exit_code": 42})");
    const auto reply = runtime.submit("tenon.fail", empty_argument(), {.params = leaving}).get();
    REQUIRE_FALSE(reply);
    REQUIRE(reply.error().code == ErrorCode::kCrashed);
    REQUIRE(reply.error().context.exit_code == 42);
  }
  REQUIRE(runtime.call("tenon.whoami", empty_argument()));
  REQUIRE(runtime.stats().crashed_workers == 2);
}

TEST_CASE("crash: an idempotent call is tried again, three times at most") {
  auto runtime = start(shipped_options(1));
  std::atomic<bool> stop{false};
  const auto pause = sleep_argument(runtime, 60'000);
  const auto future = runtime.submit("tenon.sleep", pause);
  // Kills each worker as soon as it runs the call.
  std::uint64_t last = 0;
  int kills = 0;
  while (!future.ready()) {
    const auto stats = runtime.stats();
    if (stats.running == 1 && stats.workers.size() == 1 && stats.workers.front().id != last) {
      std::this_thread::sleep_for(
          // Lets the call start. A call that has not started is not charged, and one more kill
          // follows.
          20ms);
      last = stats.workers.front().id;
      ::kill(static_cast<pid_t>(stats.workers.front().pid), SIGKILL);
      ++kills;
    }
    std::this_thread::sleep_for(1ms);
  }
  const auto reply = future.get();
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kCrashed);
  REQUIRE(reply.error().context.signal == SIGKILL);
  REQUIRE(reply.error().context.attempt == 3);
  REQUIRE(kills >= 3);
}

TEST_CASE("crash: a worker killed while 1000 calls are queued fails exactly one") {
  auto runtime = start(shipped_options(2));
  const auto dying = params(runtime, R"({"mode": "segfault"})");
  std::vector<tenon::Future<tenon::Reply>> futures;
  const auto argument = empty_argument();
  const auto dead = runtime.submit("tenon.fail", argument, {.params = dying});
  for (int i = 0; i < 1000; ++i) {
    futures.push_back(runtime.submit("tenon.whoami", argument));
  }
  REQUIRE(dead.get().error().code == ErrorCode::kCrashed);
  for (const auto& future : futures) {
    const auto reply = future.get();
    if (!reply) {
      FAIL(reply.error().to_string());
    }
  }
  const auto stats = runtime.stats();
  REQUIRE(stats.failed == 1);
  REQUIRE(stats.succeeded == 1000);
}

TEST_CASE("crash: a worker that is killed while it is idle is replaced") {
  auto runtime = start(shipped_options(1));
  const auto before = runtime.stats().workers;
  REQUIRE(before.size() == 1);
  ::kill(static_cast<pid_t>(before.front().pid), SIGKILL);
  // The next calls may reach it while it exits. whoami is idempotent, so none of them may fail.
  for (int i = 0; i < 100; ++i) {
    const auto reply = runtime.call("tenon.whoami", empty_argument());
    if (!reply) {
      FAIL(reply.error().to_string());
    }
  }
}

TEST_CASE("crash: sessions of the worker end as crashed, and a new one opens") {
  auto runtime = start(shipped_options(1));
  const auto numbers = *tenon::test::argument_from_json(runtime, "tenon.numbers", R"({"count": 100})");
  tenon::SessionOptions options;
  options.argument = numbers;
  auto session = runtime.open("tenon.numbers", options).get();
  REQUIRE(session);
  REQUIRE(session->next(10).get());
  const auto aborting = params(runtime, R"({"mode": "abort"})");
  REQUIRE_FALSE(runtime.call("tenon.fail", empty_argument(), {.params = aborting}));
  REQUIRE(session->next(10).get().error().code == ErrorCode::kCrashed);
  REQUIRE(session->checkpoint().get().error().code == ErrorCode::kCrashed);
  auto again = runtime.open("tenon.numbers", options).get();
  REQUIRE(again);
  REQUIRE(again->next(10).get()->results.size() == 10);
}

TEST_CASE("deadline: holds against a busy loop, and so does cancel") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.cancel_grace = 50ms;
  auto runtime = start(options);
  const auto hanging = params(runtime, R"({"mode": "hang"})");
  REQUIRE(runtime.call("tenon.fail", empty_argument(), {.params = hanging, .run_timeout = 50ms}).error().code ==
          ErrorCode::kDeadline);
  REQUIRE(runtime.call("tenon.fail", empty_argument(), {.params = hanging, .timeout = 50ms}).error().code ==
          ErrorCode::kDeadline);
  const auto future = runtime.submit("tenon.fail", empty_argument(), {.params = hanging});
  while (runtime.stats().running == 0) {
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(20ms);
  future.cancel();
  REQUIRE(future.get().error().code == ErrorCode::kCancelled);
  REQUIRE(runtime.call("tenon.whoami", empty_argument()));
}

TEST_CASE("deadline: the step_timeout of a session ends a step that hangs, and with it the session") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.cancel_grace = 50ms;
  options.stall_timeout = 600ms;
  auto runtime = start(options);
  const auto numbers = *tenon::test::argument_from_json(runtime, "tenon.numbers", R"({"count": 100})");
  tenon::SessionOptions session_options;
  session_options.argument = numbers;
  session_options.step_timeout = 300ms;
  auto session = runtime.open("tenon.numbers", session_options).get();
  REQUIRE(session);
  REQUIRE(session->next(10).get());
  ::kill(static_cast<pid_t>(runtime.stats().workers.front().pid), SIGSTOP);
  // Whether it has started the step depends on timing. The step ends in both cases, with or without
  // its worker.
  const auto step = session->next(10).get();
  REQUIRE_FALSE(step);
  CHECK((step.error().code == ErrorCode::kDeadline || step.error().code == ErrorCode::kCrashed));
  CHECK_FALSE(session->next(10).get());
}

TEST_CASE("deadline: the error names the limit and its value") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.cancel_grace = 50ms;
  auto runtime = start(options);
  const auto pause = sleep_argument(runtime, 60'000);
  const auto message = [&](const tenon::CallOptions& limits) {
    return runtime.submit("tenon.sleep", pause, limits).get().error().message;
  };
  using Catch::Matchers::StartsWith;
  REQUIRE_THAT(message({.timeout = 30ms}), StartsWith("the call passed its timeout of 30 ms"));
  REQUIRE_THAT(message({.run_timeout = 1500us}), StartsWith("the call passed its run_timeout of 1.5 ms"));
  const auto busy = runtime.submit("tenon.sleep", pause);
  REQUIRE_THAT(message({.queue_timeout = 30ms}), StartsWith("the call passed its queue_timeout of 30 ms"));
  busy.cancel();
}

TEST_CASE("direct: a call whose worker is killed is tried again") {
  auto runtime = start(shipped_options(1));
  const auto pause = sleep_argument(runtime, 500);
  const auto pid = static_cast<pid_t>(runtime.stats().workers.front().pid);
  std::thread killer([&] {
    while (runtime.stats().running == 0) {
      std::this_thread::sleep_for(1ms);
    }
    ::kill(pid, SIGKILL);
  });
  const auto reply = runtime.call("tenon.sleep", pause);
  killer.join();
  REQUIRE(reply);
}

TEST_CASE("direct: a deadline holds on a stopped worker") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.cancel_grace = 50ms;
  auto runtime = start(options);
  const auto pause = sleep_argument(runtime, 1);
  REQUIRE(runtime.call("tenon.sleep", pause));
  ::kill(static_cast<pid_t>(runtime.stats().workers.front().pid), SIGSTOP);
  const auto reply = runtime.call("tenon.sleep", pause, {.timeout = 200ms});
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kDeadline);
}

TEST_CASE("shutdown: a task that never polls does not hold it up") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.cancel_grace = 50ms;
  auto runtime = start(options);
  const auto hanging = params(runtime, R"({"mode": "hang"})");
  const auto future = runtime.submit("tenon.fail", empty_argument(), {.params = hanging});
  runtime.shutdown(tenon::Shutdown::kCancel);
  REQUIRE(future.get().error().code == ErrorCode::kCancelled);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("memory limit: running into it is an error of its own") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.worker_memory_limit_bytes = std::uint64_t{128} << 20;
  auto runtime = start(options);
  const auto much = *tenon::test::argument_from_json(runtime, "tenon.allocate", R"({"size_bytes": 1000000000})");
  REQUIRE(runtime.call("tenon.allocate", much).error().code == ErrorCode::kOutOfMemory);
  const auto little = *tenon::test::argument_from_json(runtime, "tenon.allocate", R"({"size_bytes": 1000000})");
  REQUIRE(runtime.call("tenon.allocate", little));
}

TEST_CASE("memory limit: shared memory counts, arguments do not") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.worker_memory_limit_bytes = std::uint64_t{128} << 20;
  auto runtime = start(options);
  const auto shared = *tenon::test::argument_from_json(
      runtime, "tenon.allocate", R"({"size_bytes": 300000000, "shared": true, "hold_ms": 60000})");
  const auto killed = runtime.call("tenon.allocate", shared);
  REQUIRE_FALSE(killed);
  CAPTURE(killed.error().message);
  REQUIRE(killed.error().code == ErrorCode::kOutOfMemory);
  REQUIRE(killed.error().message.find("its limit of 128 MiB") != std::string::npos);
  REQUIRE(killed.error().message.find("worker_memory_limit_bytes") != std::string::npos);
  const auto bounded = *tenon::test::argument_from_json(runtime, "tenon.allocate",
                                                        R"({"size_bytes": 60000000, "shared": true, "hold_ms": 300})");
  REQUIRE(runtime.call("tenon.allocate", bounded));
  // Memory of the host, which the worker maps.
  const flatbuffers::FlatBufferBuilder large = tenon::test::bytes_argument(std::string(std::size_t{200} << 20, 'x'));
  REQUIRE(runtime.call("tenon.echo", tenon::BytesView(large.GetBufferPointer(), large.GetSize())));
  const auto pause = sleep_argument(runtime, 300);
  REQUIRE(runtime.call("tenon.sleep", pause));
  REQUIRE(runtime.stats().crashed_workers == 1);
}
#endif

TEST_CASE("start: a worker that cannot be started is an error with its reason") {
  tenon::RuntimeOptions options = shipped_options(1);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  auto catalog = tenon::Catalog::open({.plugin_dirs = options.plugin_dirs,
                                       .cache_dir = options.cache_dir,
                                       .worker_executable = options.worker_executable});
  REQUIRE(catalog);
  options.catalog = *catalog;
  options.worker_executable = "/bin/false";
  const auto runtime = tenon::Runtime::start(options);
  REQUIRE_FALSE(runtime);
  REQUIRE(runtime.error().code == ErrorCode::kUnavailable);
}

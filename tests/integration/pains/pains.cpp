// The pain points of Python's multiprocessing, concurrent.futures and multiprocess/dill, each with
// a test that shows that tenon does not have it. Tests that need their own main are in separate
// files: start_in_static_initialiser, start_in_library_constructor, leaks_nothing, killed_host.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <fstream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using nlohmann::json;
using tenon::ErrorCode;
using tenon::Runtime;
using tenon::test::argument_from_json;
using tenon::test::bytes_argument;
using tenon::test::call_json;
using tenon::test::runtime_options;

namespace {

Runtime start(unsigned workers) {
  auto runtime = Runtime::start(runtime_options(workers));
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return *std::move(runtime);
}

tenon::BytesView view(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

template <typename T>
T value(tenon::Result<T> result) {
  if (!result) {
    FAIL(result.error().to_string());
  }
  return *std::move(result);
}

std::string text(const tenon::TypedReply<tenon::Bytes>& reply) {
  return {reply->data()->begin(), reply->data()->end()};
}

/// The smallest coroutine that can await a future.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

}  // namespace

TEST_CASE("Pain, the __main__ guard: runtimes start from two threads at once") {
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&right, i] {
      auto runtime = Runtime::start(runtime_options(1));
      if (!runtime) {
        return;
      }
      const std::string expected = "thread " + std::to_string(i);
      auto reply = runtime->call<tenon::Bytes>("tenon.echo", bytes_argument(expected));
      if (reply && text(*reply) == expected) {
        ++right;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(right == 2);
}

TEST_CASE("Pain, the __main__ guard: a runtime outlives the thread that started it") {
  std::optional<Runtime> runtime;
  std::thread([&runtime] { runtime.emplace(start(1)); }).join();
  CHECK(text(value(runtime->call<tenon::Bytes>("tenon.echo", bytes_argument("still here")))) == "still here");
}

TEST_CASE("Pain, daemonic processes have no children: a task starts a runtime of its own") {
  auto runtime = start(1);
  const json result = json::parse(value(call_json(runtime, "nursery.start",
                                                  json{{"worker", runtime_options(1).worker_executable.string()},
                                                       {"plugin_dir", (tenon::test::build_dir() / "plugins").string()}}
                                                      .dump())));
  CHECK(result.at("worker_pid") != getpid());
  CHECK(result.at("worker_pid") != result.at("child_pid"));
  CHECK(result.at("worker_pid") == runtime.stats().workers.at(0).pid);
}

TEST_CASE("Pain, nested submits deadlock: calls nest 100 deep with one worker") {
  auto runtime = start(1);
  const json result = json::parse(value(call_json(runtime, "tenon.nest", R"({"depth": 100})")));
  CHECK(result.at("depth") == 100);
}

TEST_CASE("Pain, nested submits deadlock: more callers than workers nest at once") {
  auto runtime = start(1);
  const tenon::Buffer argument = value(argument_from_json(runtime, "tenon.nest", R"({"depth": 10})"));
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 50; ++i) {
    futures.push_back(runtime.submit("tenon.nest", argument));
  }
  for (auto& future : futures) {
    REQUIRE(future.wait_for(60s));
    CHECK(future.get().has_value());
  }
}

TEST_CASE("Pain, one dead worker breaks the pool: 1,000 calls are queued, exactly one fails") {
  auto runtime = start(1);
  const tenon::Buffer sleeper = value(argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 60000})"));
  // Only one attempt, because tenon.sleep is idempotent and would run again.
  auto running = runtime.submit("tenon.sleep", sleeper, {.max_attempts = 1});
  const flatbuffers::FlatBufferBuilder small = bytes_argument("queued");
  std::vector<tenon::Future<tenon::Reply>> queued;
  for (int i = 0; i < 1000; ++i) {
    queued.push_back(runtime.submit("tenon.echo", view(small)));
  }
  // A kill before the worker has started the call charges no call: the call moves to another
  // worker, and the test continues.
  std::uint64_t kills = 0;
  for (; kills < 10 && !running.ready(); ++kills) {
    const auto stats = tenon::test::stats_of_all_workers(runtime);
    REQUIRE(stats.workers.size() == 1);
    REQUIRE(kill(static_cast<pid_t>(stats.workers[0].pid), SIGKILL) == 0);
    (void)running.wait_for(3s);
  }

  REQUIRE(running.wait_for(60s));
  const auto crashed = running.get();
  REQUIRE_FALSE(crashed.has_value());
  CHECK(crashed.error().code == ErrorCode::kCrashed);
  CHECK(crashed.error().context.signal == SIGKILL);
  CHECK(crashed.error().context.task == "tenon.sleep");

  int failed = 0;
  for (auto& future : queued) {
    REQUIRE(future.wait_for(60s));
    failed += future.get().has_value() ? 0 : 1;
  }
  CHECK(failed == 0);
  CHECK(runtime.stats().crashed_workers == kills);
}

TEST_CASE("Pain, a dead worker hangs the waiter: each way to die is an error with its reason") {
  auto runtime = start(1);
  for (const auto& [mode, signal] :
       std::vector<std::pair<std::string, int>>{{"abort", SIGABRT}, {"segfault", SIGSEGV}}) {
    CAPTURE(mode);
    const auto result = call_json(runtime, "tenon.fail", "{}", json{{"mode", mode}}.dump());
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kCrashed);
    CHECK(result.error().context.task == "tenon.fail");
    CHECK(result.error().context.signal == signal);
  }
  const auto exited = call_json(runtime, "tenon.fail", "{}", R"({"mode": "exit"})");
  REQUIRE_FALSE(exited.has_value());
  CHECK(exited.error().code == ErrorCode::kCrashed);
  CHECK(text(value(runtime.call<tenon::Bytes>("tenon.echo", bytes_argument("alive")))) == "alive");
}

TEST_CASE("Pain, a task that never returns holds its caller for ever: the deadline holds against a busy loop") {
  auto options = runtime_options(1);
  options.cancel_grace = 100ms;
  auto runtime = value(Runtime::start(std::move(options)));
  tenon::CallOptions call;
  call.run_timeout = 200ms;
  const auto result = call_json(runtime, "tenon.fail", "{}", R"({"mode": "hang"})", call);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::kDeadline);
  CHECK(text(value(runtime.call<tenon::Bytes>("tenon.echo", bytes_argument("alive")))) == "alive");
}

TEST_CASE("Pain, lambdas and closures cannot be pickled: they stay in the host, and no one asks for more") {
  auto runtime = start(2);
  // Objects that cannot cross a process boundary need not: a continuation holds a lock and an
  // object that cannot be copied.
  std::mutex mutex;
  auto collected = std::make_shared<std::vector<std::string>>();
  const auto not_copyable = std::make_unique<std::string>("!");
  const auto submit = [&](const std::string& word) {
    return runtime.submit<tenon::Bytes>("tenon.echo", bytes_argument(word))
        .then([&mutex, &not_copyable, collected](tenon::Result<tenon::TypedReply<tenon::Bytes>> reply) -> std::size_t {
          const std::scoped_lock lock(mutex);
          collected->push_back(text(*reply) + *not_copyable);
          return collected->size();
        });
  };
  std::vector<tenon::Future<std::size_t>> futures;
  for (const char* word : {"one", "two", "three"}) {
    futures.push_back(submit(word));
  }
  for (const std::size_t i : tenon::as_completed(futures)) {
    CHECK(futures[i].get().has_value());
  }
  std::sort(collected->begin(), collected->end());
  CHECK(*collected == std::vector<std::string>{"one!", "three!", "two!"});
}

TEST_CASE("Pain, bound C++ objects cannot be pickled: they live in a worker, and calls reach them by name") {
  auto runtime = start(3);
  const auto deposit = [&runtime](const std::string& account, int amount) {
    tenon::CallOptions options;
    options.affinity_key = account;
    return json::parse(value(
        call_json(runtime, "objects.deposit", json{{"account", account}, {"amount", amount}}.dump(), {}, options)));
  };
  for (const std::string account : {"a", "b", "c"}) {
    const json first = deposit(account, 10);
    const json second = deposit(account, 5);
    const json third = deposit(account, -2);
    CHECK(first.at("pid") == second.at("pid"));
    CHECK(second.at("pid") == third.at("pid"));
    CHECK(third.at("amount") == 13);
    CHECK(third.at("calls") == 3);
    CHECK(third.at("pid") != getpid());
  }
}

TEST_CASE("Pain, several half-overlapping APIs: one runtime has the features of all of them") {
  auto runtime = start(2);
  const flatbuffers::FlatBufferBuilder argument = bytes_argument("x");

  SECTION("apply: a synchronous call") {
    CHECK(runtime.call("tenon.echo", view(argument)).has_value());
  }
  SECTION("apply_async, submit: futures, with a call-back, awaited or polled") {
    auto future = runtime.submit("tenon.echo", view(argument));
    std::atomic<bool> called = false;
    auto after = future.then([&called](const tenon::Result<tenon::Reply>& reply) { called = reply.has_value(); });
    REQUIRE(after.wait_for(60s));
    CHECK(called);
    CHECK(future.ready());

    std::atomic<bool> resumed = false;
    const auto await = [](tenon::Future<tenon::Reply> awaited, std::atomic<bool>& done) -> Detached {
      const tenon::Result<tenon::Reply> reply = co_await awaited;
      done = reply.has_value();
      done.notify_all();
    };
    await(runtime.submit("tenon.echo", view(argument)), resumed);
    resumed.wait(false);
    CHECK(resumed);
  }
  SECTION("map, imap: in order") {
    int given = 0;
    flatbuffers::FlatBufferBuilder next_argument;
    auto stream = runtime.map("tenon.echo", [&]() -> std::optional<tenon::BytesView> {
      if (given == 500) {
        return std::nullopt;
      }
      next_argument = bytes_argument(std::to_string(given++));
      return view(next_argument);
    });
    std::uint64_t expected = 0;
    while (auto item = stream.next()) {
      CHECK(item->index == expected);
      const auto reply = value(std::move(item->reply).and_then(tenon::TypedReply<tenon::Bytes>::verify));
      CHECK(text(reply) == std::to_string(expected));
      ++expected;
    }
    CHECK(expected == 500);
  }
  SECTION("imap_unordered: as they come, each once") {
    int given = 0;
    auto stream = runtime.map("tenon.echo",
                              [&]() -> std::optional<tenon::BytesView> {
                                return given++ < 500 ? std::optional(view(argument)) : std::nullopt;
                              },
                              {.ordered = false});
    std::set<std::uint64_t> seen;
    while (auto item = stream.next()) {
      CHECK(item->reply.has_value());
      CHECK(seen.insert(item->index).second);
    }
    CHECK(seen.size() == 500);
  }
  SECTION("wait(FIRST_COMPLETED), as_completed") {
    const tenon::Buffer slow = value(argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 60000})"));
    std::vector<tenon::Future<tenon::Reply>> futures;
    futures.push_back(runtime.submit("tenon.sleep", slow));
    futures.push_back(runtime.submit("tenon.echo", view(argument)));
    CHECK(tenon::wait_any(futures) == 1u);
    futures[0].cancel();
    CHECK(futures[0].get().error().code == ErrorCode::kCancelled);
  }
  SECTION("terminate, close and join") {
    runtime.shutdown(tenon::Shutdown::kDrain);
  }
}

namespace {

/// Returns whether a line of /proc/PID/maps names a plugin file: the author's, or the copy in a
/// store.
bool is_of_a_plugin(const std::string& line) {
  return line.find("/plugins/") != std::string::npos || line.find("/store/objects/") != std::string::npos;
}

}  // namespace

TEST_CASE("Pain, a plugin's code in the host: the host maps no plugin") {
  auto runtime = start(2);
  for (const auto& plugin : runtime.catalog().plugins()) {
    CHECK(plugin->file.extension() == ".so");
  }
  CHECK(runtime.call("tenon.echo", view(bytes_argument("x"))).has_value());
  CHECK(call_json(runtime, "objects.deposit", R"({"account": "a", "amount": 1})").has_value());

  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> mapped;
  for (std::string line; std::getline(maps, line);) {
    if (is_of_a_plugin(line)) {
      mapped.push_back(line);
    }
  }
  CHECK(mapped.empty());

  // A worker does map one, so this check of the maps can find it.
  std::size_t in_workers = 0;
  for (const auto& worker : runtime.stats().workers) {
    std::ifstream worker_maps("/proc/" + std::to_string(worker.pid) + "/maps");
    for (std::string line; std::getline(worker_maps, line);) {
      in_workers += is_of_a_plugin(line) ? 1 : 0;
    }
  }
  CHECK(in_workers > 0);
}

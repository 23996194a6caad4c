/// Generations of a plugin that replace each other during calls, as swap/fleet.hpp guarantees.
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "driver.hpp"
#include "host/pool_fleet.hpp"
#include "tenon_test/temporary_directory.hpp"

using conformance::argument;
using conformance::bytes_argument;
using conformance::empty_argument;
using conformance::value;
using conformance::view;
using tenon::internal::Fleet;
using tenon::internal::GenerationRef;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s;
constexpr std::chrono::milliseconds kLong = 20s;

/// A runtime whose plugin `tenon` can be replaced by copies of itself: the same code in another
/// file, which workers load as another generation.
template <typename Driver>
struct Swapping {
  explicit Swapping(unsigned workers)
      : runtime(conformance::start<Driver>(workers)),
        fleet(tenon::internal::make_fleet(tenon::internal::RuntimeAccess::pool(runtime))) {
    REQUIRE(tenon::test::stats_of_all_workers(runtime).workers.size() == workers);
  }

  GenerationRef next_version() {
    const auto current = fleet->current("tenon");
    auto plugin = std::make_shared<tenon::PluginInfo>(*current->plugin);
    const std::filesystem::path file = directory.path() / std::to_string(++copies) / "tenon.so";
    std::filesystem::create_directory(file.parent_path());
    std::filesystem::copy_file(tenon::test::build_dir() / "plugins" / "tenon.so", file);
    plugin->file = file;
    plugin->version = "1.0." + std::to_string(copies);
    plugin->state.reset();
    return fleet->add(std::move(plugin), {}, tenon::PluginLimits{}.start_timeout);
  }

  GenerationRef swap(bool keeps_queued = false) {
    const GenerationRef next = next_version();
    auto warmed = fleet->warm(next, kLong);
    if (!warmed) {
      FAIL(warmed.error().to_string());
    }
    return fleet->switch_to(next, keeps_queued, kLong);
  }

  std::string version_of_call() {
    const auto reply = value(runtime.call("tenon.whoami", view(empty_argument())));
    REQUIRE(reply.plugin() != nullptr);
    return reply.plugin()->version;
  }

  tenon::test::TemporaryDirectory directory;
  int copies = 0;
  tenon::Runtime runtime;
  std::shared_ptr<Fleet> fleet;
};

std::int64_t number(const tenon::Reply& reply) {
  return flatbuffers::GetRoot<tenon::Number>(reply.bytes().data())->value();
}

}  // namespace

TEMPLATE_TEST_CASE("swap: calls after the switch run on the new version, the old one goes", "[swap]", OnProcesses,
                   OnThreads) {
  Swapping<TestType> swapping(2);
  const std::string first = swapping.version_of_call();
  const GenerationRef old = swapping.swap();
  CHECK(old->plugin->version == first);
  CHECK(swapping.version_of_call() == "1.0.1");
  CHECK(swapping.runtime.catalog().find_plugin("tenon")->version == "1.0.1");
  CHECK(swapping.fleet->wait_drained(old, kLong));
  CHECK(swapping.fleet->tally(old).workers == 0);
  CHECK(swapping.fleet->tally(old).calls == 1);
}

TEMPLATE_TEST_CASE("swap: under load every call is answered once, by a version that may", "[swap]", OnProcesses,
                   OnThreads) {
  Swapping<TestType> swapping(2);
  std::atomic<int> current{0};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> failed{0};
  const auto number_of = [](const tenon::Reply& reply) {
    const std::string& version = reply.plugin()->version;
    return version == "0.1.0" ? 0 : std::stoi(version.substr(version.rfind('.') + 1));
  };
  const auto check = [&](const tenon::Result<tenon::Reply>& reply, int before) {
    ++calls;
    if (!reply) {
      ++failed;
      UNSCOPED_INFO(reply.error().to_string());
    } else if (number_of(*reply) < before) {
      ++wrong;
    }
  };
  const std::string first = swapping.version_of_call();
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    const auto small = bytes_argument(40);
    while (!done) {
      const int before = current;
      check(swapping.runtime.call("tenon.echo", view(small)), before);
    }
  });
  threads.emplace_back([&] {
    const auto large = bytes_argument(100'000);
    while (!done) {
      const int before = current;
      std::vector<tenon::Future<tenon::Reply>> window;
      for (int i = 0; i < 200; ++i) {
        window.push_back(swapping.runtime.submit("tenon.echo", view(large)));
      }
      for (const auto& each : window) {
        check(each.get(), before);
      }
    }
  });
  threads.emplace_back([&] {
    const auto small = bytes_argument(100);
    while (!done) {
      const int before = current;
      int left = 5000;
      auto stream = swapping.runtime.map("tenon.echo", [&]() -> std::optional<tenon::BytesView> {
        return left-- > 0 ? std::optional(view(small)) : std::nullopt;
      });
      while (const auto item = stream.next()) {
        check(item->reply, before);
      }
    }
  });
  std::vector<GenerationRef> old;
  for (int i = 1; i <= 12; ++i) {
    old.push_back(swapping.swap());
    current = i;
  }
  done = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(failed == 0);
  CHECK(wrong == 0);
  CHECK(calls > 1000);
  for (const GenerationRef& each : old) {
    CHECK(swapping.fleet->wait_drained(each, kLong));
  }
  // One worker may still be starting.
  CHECK(tenon::test::stats_of_all_workers(swapping.runtime).workers.size() == 2);
}

TEMPLATE_TEST_CASE("swap: a call that runs ends on the old version", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(1);
  const std::string first = swapping.version_of_call();
  const auto sleep = argument(swapping.runtime, "tenon.sleep", R"({"duration_ms": 2000})");
  const auto running = swapping.runtime.submit("tenon.sleep", sleep);
  const auto queued = swapping.runtime.submit("tenon.whoami", view(empty_argument()));
  std::this_thread::sleep_for(50ms);
  const GenerationRef old = swapping.swap();
  CHECK_FALSE(running.ready());
  const auto newer = value(queued.get());
  CHECK(newer.plugin()->version == "1.0.1");
  REQUIRE(running.wait_for(kPatience));
  CHECK(value(running.get()).plugin()->version == first);
  CHECK(swapping.fleet->wait_drained(old, kLong));
}

TEMPLATE_TEST_CASE("swap: what waits stays on the old version when the new one might not understand it", "[swap]",
                   OnProcesses, OnThreads) {
  Swapping<TestType> swapping(1);
  const std::string first = swapping.version_of_call();
  const auto sleep = argument(swapping.runtime, "tenon.sleep", R"({"duration_ms": 100})");
  const auto running = swapping.runtime.submit("tenon.sleep", sleep);
  std::vector<tenon::Future<tenon::Reply>> queued;
  for (int i = 0; i < 500; ++i) {
    queued.push_back(swapping.runtime.submit("tenon.whoami", view(empty_argument())));
  }
  const GenerationRef old = swapping.swap(true);
  const auto later = swapping.runtime.submit("tenon.whoami", view(empty_argument()));
  for (const auto& each : queued) {
    REQUIRE(each.wait_for(kPatience));
    CHECK(value(each.get()).plugin()->version == first);
  }
  CHECK(value(later.get()).plugin()->version == "1.0.1");
  CHECK(value(running.get()).plugin()->version == first);
  CHECK(swapping.fleet->wait_drained(old, kLong));
}

TEMPLATE_TEST_CASE("swap: a trial gets its share of idempotent calls and nothing else", "[swap]", OnProcesses,
                   OnThreads) {
  Swapping<TestType> swapping(2);
  const std::string first = swapping.version_of_call();
  const GenerationRef next = swapping.next_version();
  REQUIRE(swapping.fleet->warm(next, kLong));
  swapping.fleet->start_trial(next, {.share = 0.25});
  std::map<std::string, int> versions;
  for (int i = 0; i < 400; ++i) {
    ++versions[swapping.version_of_call()];
  }
  CHECK(versions[first] == 300);
  CHECK(versions["1.0.1"] == 100);
  const auto number = argument(swapping.runtime, "tenon.allocate", R"({"size_bytes": 10})");
  for (int i = 0; i < 20; ++i) {
    CHECK(value(swapping.runtime.call("tenon.allocate", number)).plugin()->version == first);
  }
  SECTION("until it is retired") {
    swapping.fleet->retire(next);
    CHECK(swapping.fleet->wait_drained(next, kLong));
    for (int i = 0; i < 20; ++i) {
      CHECK(swapping.version_of_call() == first);
    }
    CHECK(swapping.fleet->tally(next).calls == 100);
  }
  SECTION("until it becomes current") {
    const GenerationRef old = swapping.fleet->switch_to(next, false, kLong);
    for (int i = 0; i < 20; ++i) {
      CHECK(swapping.version_of_call() == "1.0.1");
    }
    CHECK(swapping.fleet->wait_drained(old, kLong));
  }
}

TEMPLATE_TEST_CASE("swap: a shadow compares and the old version answers", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(1);
  const std::string first = swapping.version_of_call();
  const GenerationRef next = swapping.next_version();
  REQUIRE(swapping.fleet->warm(next, kLong));
  std::atomic<int> pairs{0};
  std::atomic<int> different{0};
  swapping.fleet->start_trial(
      next, {.share = 1,
             .shadow = [&](const tenon::TaskInfo& task, const tenon::Result<tenon::Reply>& old_end,
                           const tenon::Result<tenon::Reply>& new_end) {
               const bool same = task.full_name == "tenon.echo" && old_end && new_end &&
                                 old_end->plugin()->version == first && new_end->plugin()->version == "1.0.1" &&
                                 old_end->bytes().size() == new_end->bytes().size();
               different += same ? 0 : 1;
               ++pairs;
             }});
  // Shadow calls are skipped if the new version is too slow, so it takes more calls than there are
  // pairs.
  int calls = 0;
  for (; calls < 20'000 && pairs < 200; ++calls) {
    const auto content = bytes_argument(std::array<std::size_t, 4>{10, 500, 100'000, 2'000'000}[calls % 4U]);
    CHECK(value(swapping.runtime.call("tenon.echo", view(content))).plugin()->version == first);
  }
  CHECK(pairs >= 200);
  CHECK(pairs <= calls);
  CHECK(different == 0);
  swapping.fleet->retire(next);
  CHECK(swapping.fleet->wait_drained(next, kLong));
}

TEMPLATE_TEST_CASE("swap: a source and a reduce go on in mid-stream", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(2);
  const auto numbers = argument(swapping.runtime, "tenon.numbers", R"({"count": 1000, "first": 1})");
  auto source = value(swapping.runtime.open("tenon.numbers", {.argument = numbers}).get());
  auto reduce = value(swapping.runtime.open("tenon.sum", {}).get());
  std::int64_t total = 0;
  std::int64_t expected = 1;
  std::vector<GenerationRef> old;
  bool ended = false;
  for (int step = 0; !ended; ++step) {
    auto batch = value(source.next(10).get());
    for (const tenon::Reply& each : batch.results) {
      REQUIRE(number(each) == expected++);
      total += number(each);
    }
    REQUIRE(reduce.feed(batch.results).get());
    ended = batch.ended;
    if (step % 20 == 7) {
      old.push_back(swapping.swap());
      // Idle sessions move by themselves, without a step.
      CHECK(swapping.fleet->wait_drained(old.back(), kLong));
    }
  }
  CHECK(total == 500'500);
  CHECK(number(value(reduce.finish().get())) == total);
  CHECK(old.size() >= 4);
}

TEMPLATE_TEST_CASE("swap: sessions move while their steps run", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(2);
  const auto numbers = argument(swapping.runtime, "tenon.numbers", R"({"count": 20000, "first": 1})");
  std::atomic<bool> done{false};
  std::int64_t total = 0;
  std::thread stepping([&] {
    auto source = value(swapping.runtime.open("tenon.numbers", {.argument = numbers}).get());
    auto reduce = value(swapping.runtime.open("tenon.sum", {}).get());
    for (bool ended = false; !ended;) {
      auto batch = value(source.next(7).get());
      REQUIRE(reduce.feed(batch.results).get());
      ended = batch.ended;
    }
    total = number(value(reduce.finish().get()));
    done = true;
  });
  std::vector<GenerationRef> old;
  while (!done) {
    old.push_back(swapping.swap());
  }
  stepping.join();
  CHECK(total == 20'000LL * 20'001 / 2);
  for (const GenerationRef& each : old) {
    CHECK(swapping.fleet->wait_drained(each, kLong));
  }
}

TEMPLATE_TEST_CASE("swap: steps that wait for a move begin once, in order, before the next move", "[swap]", OnProcesses,
                   OnThreads) {
  Swapping<TestType> swapping(2);
  constexpr int kSteps = 8'000;
  constexpr std::size_t kAhead = 40;
  const auto numbers = argument(swapping.runtime, "tenon.numbers", R"({"count": 8000, "first": 1})");
  std::atomic<bool> done{false};
  std::int64_t total = 0;
  std::int64_t out_of_order = 0;
  std::thread stepping([&] {
    auto source = value(swapping.runtime.open("tenon.numbers", {.argument = numbers}).get());
    auto reduce = value(swapping.runtime.open("tenon.sum", {}).get());
    std::deque<tenon::Future<tenon::Session::Batch>> taken;
    std::deque<tenon::Future<void>> fed;
    std::int64_t expected = 1;
    for (int step = 0; step < kSteps; ++step) {
      while (taken.size() < kAhead) {
        taken.push_back(source.next(1));
      }
      auto batch = value(taken.front().get());
      taken.pop_front();
      for (const tenon::Reply& each : batch.results) {
        out_of_order += number(each) == expected++ ? 0 : 1;
      }
      fed.push_back(reduce.feed(batch.results));
      if (fed.size() > kAhead) {
        REQUIRE(fed.front().get());
        fed.pop_front();
      }
    }
    for (auto& each : fed) {
      REQUIRE(each.get());
    }
    total = number(value(reduce.finish().get()));
    done = true;
  });
  std::vector<GenerationRef> old;
  while (!done) {
    old.push_back(swapping.swap());
  }
  stepping.join();
  CHECK(out_of_order == 0);
  CHECK(total == std::int64_t{kSteps} * (kSteps + 1) / 2);
  for (const GenerationRef& each : old) {
    CHECK(swapping.fleet->wait_drained(each, kLong));
  }
}

TEMPLATE_TEST_CASE("swap: nested calls stay on the version that their worker has", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(1);
  const auto nest = argument(swapping.runtime, "tenon.nest", R"({"depth": 20})");
  for (int i = 0; i < 5; ++i) {
    const auto running = swapping.runtime.submit("tenon.nest", nest);
    const GenerationRef old = swapping.swap();
    REQUIRE(running.wait_for(kPatience));
    CHECK(value(running.get()).plugin() != nullptr);
    CHECK(value(swapping.runtime.call("tenon.nest", nest)).plugin()->version == "1.0." + std::to_string(i + 1));
    CHECK(swapping.fleet->wait_drained(old, kLong));
  }
}

TEMPLATE_TEST_CASE("swap: back to an earlier version", "[swap]", OnProcesses, OnThreads) {
  Swapping<TestType> swapping(2);
  const std::string first = swapping.version_of_call();
  for (int i = 0; i < 5; ++i) {
    const GenerationRef old = swapping.swap();
    REQUIRE(swapping.fleet->warm(old, kLong));
    const GenerationRef gone = swapping.fleet->switch_to(old, false, kLong);
    CHECK(swapping.version_of_call() == first);
    CHECK(swapping.fleet->wait_drained(gone, kLong));
  }
}

TEMPLATE_TEST_CASE("swap: a version that a worker cannot load is told with its reason", "[swap]", OnProcesses) {
  Swapping<TestType> swapping(2);
  const std::string first = swapping.version_of_call();
  const GenerationRef next = swapping.next_version();
  std::filesystem::resize_file(next->plugin->file, 5000);
  const auto warmed = swapping.fleet->warm(next, kLong);
  REQUIRE_FALSE(warmed);
  CHECK(warmed.error().message.find("a worker could not load tenon 1.0.1") != std::string::npos);
  CHECK(swapping.fleet->wait_drained(next, kLong));
  CHECK(swapping.version_of_call() == first);
  CHECK(swapping.runtime.stats().workers.size() == 2);
}

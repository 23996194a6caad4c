#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "pipeline/engine.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using State = RunControl::State;

/// Runs a graph with a control; calls `look` before each wait.
struct Steered {
  std::shared_ptr<RunControl> control = std::make_shared<RunControl>();
  FakeExecutor executor;

  RunReport run(const Graph::Impl& graph, std::function<void()> look) {
    executor.on_wait = std::move(look);
    RunOptions options;
    options.control = control;
    return test::run(graph, executor, options);
  }
};

/// Returns how many operations have started so far.
std::uint64_t begun(FakeExecutor& executor) {
  return executor.task("tenon.double").arguments.size() +
         static_cast<std::uint64_t>(executor.task("tenon.numbers").operations) +
         static_cast<std::uint64_t>(executor.task("tenon.sum").operations);
}

std::uint32_t running(FakeExecutor& executor) {
  return executor.task("tenon.double").running + executor.task("tenon.numbers").running +
         executor.task("tenon.sum").running;
}

}  // namespace

TEST_CASE("RunControl: a run that nobody steers is reported as it goes on and when it is over") {
  const Graph::Impl graph = graph_of(numbers(5000) + chain(""));
  Steered steered;
  FakeTask& task = steered.executor.task("tenon.double");
  task.least = task.most = std::chrono::milliseconds(10);
  CHECK(steered.control->state() == State::kReady);
  CHECK(steered.control->report().stages.empty());
  std::uint64_t last = 0;
  const RunReport report = steered.run(graph, [&] {
    CHECK(steered.control->state() == State::kRunning);
    const RunReport so_far = steered.control->report();
    CHECK(so_far.end == RunReport::End::kRunning);
    REQUIRE(so_far.stages.size() == 3);
    CHECK(stage(so_far, "double").items_out >= last);
    last = stage(so_far, "double").items_out;
    check_accounts(graph, so_far, false);
  });
  CHECK(last > 0);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(steered.control->state() == State::kEnded);
  const RunReport after = steered.control->report();
  CHECK(after.end == RunReport::End::kDone);
  CHECK(after.outputs.size() == 1);
  CHECK(after.to_json() == report.to_json());
}

TEST_CASE("RunControl: pause begins nothing new and resume goes on, with nothing lost or doubled") {
  const char* const order = GENERATE("", "order = \"input\"", "order = \"key:group\"", "workers = 1");
  const Graph::Impl graph = graph_of(numbers(3000) + chain(order));
  Steered steered;
  std::uint64_t at_pause = 0;
  int quiet_waits = 0;
  const RunReport report = steered.run(graph, [&] {
    const std::uint64_t wait = steered.executor.waits();
    if (wait == 60) {
      steered.control->pause();
      CHECK(steered.control->state() == State::kPausing);
      at_pause = begun(steered.executor);
    } else if (wait > 60 && at_pause > 0) {
      CHECK(begun(steered.executor) == at_pause);
      if (running(steered.executor) == 0) {
        CHECK(steered.control->state() == State::kPaused);
        const RunReport so_far = steered.control->report();
        CHECK(stage(so_far, "numbers").items_out > 0);
        CHECK_FALSE(stage(so_far, "numbers").ended);
        check_accounts(graph, so_far, false);
        if (++quiet_waits == 3) {
          at_pause = 0;
          steered.control->resume();
          CHECK(steered.control->state() == State::kRunning);
        }
      }
    }
  });
  CHECK(quiet_waits == 3);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(report.failure_count == 0);
  CHECK(sorted(split(text_of(report.outputs.at(0).second))) == sorted(values(3000)));
  check_accounts(graph, report, true);
}

TEST_CASE("RunControl: pause before the start holds everything until resume") {
  const Graph::Impl graph = graph_of(numbers(10) + chain(""));
  Steered steered;
  steered.control->pause();
  CHECK(steered.control->state() == State::kReady);
  const RunReport report = steered.run(graph, [&] {
    if (steered.executor.waits() == 1) {
      CHECK(steered.control->state() == State::kPaused);
      CHECK(steered.control->report().stages.size() == 3);
    }
    if (steered.executor.waits() < 5) {
      CHECK(steered.executor.task("tenon.numbers").opened == 0);
    } else {
      steered.control->resume();
    }
  });
  CHECK(report.end == RunReport::End::kDone);
  CHECK(split(text_of(report.outputs.at(0).second)).size() == 10);
}

TEST_CASE("RunControl: drain ends a pause and finishes what is in flight") {
  std::atomic<int> stop{0};
  const bool by_signal = GENERATE(false, true);
  const Graph::Impl graph = graph_of(numbers(1000000) + chain("") + R"(
[sinks.plain]
task = "tenon.discard"
inputs = ["double"]
)");
  Steered steered;
  steered.executor.on_wait = [&] {
    if (steered.executor.waits() == 200) {
      steered.control->pause();
    } else if (steered.executor.waits() > 200 && steered.control->state() == State::kPaused) {
      if (by_signal) {
        stop = 1;
      } else {
        steered.control->drain();
        CHECK(steered.control->state() == State::kDraining);
      }
    } else if (stop == 1) {
      CHECK(steered.control->state() == State::kDraining);
    }
  };
  RunOptions options;
  options.control = steered.control;
  options.stop = &stop;
  const RunReport report = run(graph, steered.executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  const std::uint64_t given = stage(report, "numbers").items_out;
  CHECK(given > 0);
  CHECK(stage(report, "plain").items_out == given);
  check_accounts(graph, report, true);
}

TEST_CASE("RunControl: a drain can be paused") {
  const Graph::Impl graph = graph_of(numbers(100000) + chain("workers = 1"));
  Steered steered;
  bool was_paused = false;
  const RunReport report = steered.run(graph, [&] {
    if (steered.executor.waits() == 100) {
      steered.control->drain();
      steered.control->pause();
    } else if (steered.control->state() == State::kPaused) {
      was_paused = true;
      steered.control->resume();
      CHECK(steered.control->state() == State::kDraining);
    }
  });
  CHECK(was_paused);
  CHECK(report.end == RunReport::End::kInterrupted);
  check_accounts(graph, report, true);
}

TEST_CASE("RunControl: cancel ends a paused run, and one whose calls take hours") {
  const bool paused = GENERATE(true, false);
  const Graph::Impl graph = graph_of(numbers(1000000) + chain(""));
  Steered steered;
  FakeTask& task = steered.executor.task("tenon.double");
  task.least = task.most = paused ? std::chrono::microseconds(100) : std::chrono::hours(10);
  const RunReport report = steered.run(graph, [&] {
    if (steered.executor.waits() == 50 && paused) {
      steered.control->pause();
    }
    if (paused ? steered.control->state() == State::kPaused : steered.executor.waits() == 50) {
      steered.control->cancel();
      CHECK(steered.control->state() == State::kCancelling);
    }
  });
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK(report.failure_count == 0);
  CHECK(running(steered.executor) == 0);
  CHECK(steered.control->state() == State::kEnded);
  check_accounts(graph, report, false);
}

TEST_CASE("RunControl: what is asked for before the start or after the end") {
  const Graph::Impl graph = graph_of(numbers(10) + chain(""));
  Steered steered;
  SECTION("drain before the start: sources do not open") {
    steered.control->drain();
    const RunReport report = steered.run(graph, {});
    CHECK(report.end == RunReport::End::kInterrupted);
    CHECK(steered.executor.task("tenon.numbers").opened == 0);
  }
  SECTION("cancel before the start") {
    steered.control->cancel();
    CHECK(steered.run(graph, {}).end == RunReport::End::kInterrupted);
    CHECK(steered.executor.task("tenon.numbers").opened == 0);
  }
  SECTION("anything after the end") {
    const RunReport report = steered.run(graph, {});
    steered.control->pause();
    steered.control->cancel();
    CHECK(steered.control->state() == State::kEnded);
    CHECK(steered.control->report().to_json() == report.to_json());
  }
  SECTION("a second run") {
    static_cast<void>(steered.run(graph, {}));
    const RunReport report = steered.run(graph, {});
    CHECK(report.end == RunReport::End::kFailed);
    REQUIRE(report.error.has_value());
    CHECK(report.error->code == ErrorCode::kInvalidArgument);
    CHECK(steered.control->report().end == RunReport::End::kDone);
  }
}

TEST_CASE("RunControl: the time of a pause does not count for a batch that is being gathered") {
  // Five items come at once, then none for a long time.
  const Graph::Impl graph = graph_of(numbers(10) + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 1000
max_wait = "10s"
[sinks.out]
task = "tenon.discard"
inputs = ["batch"]
)");
  Steered steered;
  FakeTask& source = steered.executor.task("tenon.numbers");
  for (int step = 1; step < 2000; ++step) {
    source.pauses.insert(step);
  }
  const bool paused = GENERATE(true, false);
  std::optional<FakeExecutor::Clock::time_point> paused_at;
  std::optional<FakeExecutor::Clock::time_point> resumed_at;
  std::optional<FakeExecutor::Clock::time_point> batched_at;
  const auto begin = steered.executor.now();
  const RunReport report = steered.run(graph, [&] {
    const auto now = steered.executor.now();
    if (paused && !paused_at && now - begin > std::chrono::seconds(4)) {
      steered.control->pause();
      paused_at = now;
    } else if (paused_at && !resumed_at && now - *paused_at > std::chrono::minutes(30)) {
      steered.control->resume();
      resumed_at = now;
    }
    if (!batched_at && steered.executor.task("tenon.sum").operations > 0) {
      batched_at = now;
    }
  });
  CHECK(report.end == RunReport::End::kDone);
  REQUIRE(batched_at.has_value());
  if (paused) {
    REQUIRE(resumed_at.has_value());
    CHECK(*batched_at - *resumed_at > std::chrono::seconds(5));
    CHECK(*batched_at - *resumed_at < std::chrono::seconds(7));
  } else {
    CHECK(*batched_at - begin < std::chrono::seconds(11));
  }
  check_accounts(graph, report, true);
}

TEST_CASE("RunControl: what dies or fails while paused is taken up again after it") {
  const Graph::Impl graph = graph_of(numbers(2000) + R"(
[stages.double]
task = "tenon.double"
inputs = ["numbers"]
retry = { attempts = 3, backoff = "1ms" }
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["double"]
size = 50
retry = { attempts = 6, backoff = "1ms" }
[sinks.out]
task = "tenon.sum"
inputs = ["batch"]
)");
  for (std::uint64_t pause_at = 5; pause_at < 120; ++pause_at) {
    INFO("paused at wait " << pause_at);
    Steered steered;
    steered.executor.task("tenon.numbers").crashes = {1, 3, 6};
    steered.executor.task("tenon.sum").crashes = {0, 2, 3, 9, 17};
    int calls = 0;
    steered.executor.task("tenon.double").run = [&](const std::string& argument) -> Result<std::string> {
      if (++calls % 7 == 0) {
        return fail(ErrorCode::kFailed, "the disk is full");
      }
      return argument;
    };
    std::uint64_t opened = 0;
    const auto all_opened = [&] {
      return static_cast<std::uint64_t>(steered.executor.task("tenon.numbers").opened) +
             static_cast<std::uint64_t>(steered.executor.task("tenon.sum").opened);
    };
    int quiet_waits = 0;
    const RunReport report = steered.run(graph, [&] {
      if (steered.executor.waits() == pause_at) {
        steered.control->pause();
        opened = all_opened();
      } else if (steered.executor.waits() > pause_at && quiet_waits < 2) {
        CHECK(all_opened() == opened);
        if (steered.control->state() == State::kPaused && ++quiet_waits == 2) {
          steered.control->resume();
        }
      }
    });
    CHECK(quiet_waits == 2);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(stage(report, "double").items_out + stage(report, "double").failed == 2000);
    CHECK(stage(report, "batch").grouped == stage(report, "double").items_out);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("RunControl: any number of threads steer and look") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain(""));
  Steered steered;
  std::thread other([&] {
    for (int i = 0; i < 2000; ++i) {
      steered.control->pause();
      static_cast<void>(steered.control->report());
      static_cast<void>(steered.control->state());
      steered.control->resume();
    }
  });
  const RunReport report = steered.run(graph, {});
  other.join();
  CHECK(report.end == RunReport::End::kDone);
  CHECK(split(text_of(report.outputs.at(0).second)).size() == 20000);
}

}  // namespace tenon::test

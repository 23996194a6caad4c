/// Log output of workers: how much is kept, and which threads wait for it.
#include <csignal>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "host/log_budget.hpp"
#include "host/log_delivery.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace tenon::internal;
using namespace std::chrono_literals;
using tenon::LogRecord;

TEST_CASE("LogBudget: a second's lines at once, then as many as time brings") {
  LogBudget budget;
  MonotonicNs now_ns = 1'000'000'000'000;
  const auto take_all = [&] {
    int taken = 0;
    for (int i = 0; i < 10'000; ++i) {
      taken += budget.take(1, now_ns) ? 1 : 0;
    }
    return taken;
  };
  CHECK(take_all() == LogBudget::kLinesPerSecond);
  CHECK(budget.take_dropped() == 10'000 - LogBudget::kLinesPerSecond);
  CHECK(budget.take_dropped() == 0);
  now_ns += 500'000'000;
  CHECK(take_all() == LogBudget::kLinesPerSecond / 2);
  now_ns += 60'000'000'000;
  CHECK(take_all() == LogBudget::kLinesPerSecond);
}

TEST_CASE("LogBudget: bytes are bounded as lines are") {
  LogBudget budget;
  MonotonicNs now_ns = 1'000'000'000'000;
  int taken = 0;
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 1000; ++i) {
      taken += budget.take(8192, now_ns) ? 1 : 0;
      now_ns += 1'000'000;
    }
  }
  CHECK(taken * 8192 <= 12 * LogBudget::kBytesPerSecond);
  CHECK(taken * 8192 >= 9 * LogBudget::kBytesPerSecond);
}

TEST_CASE("LogDelivery: a sink that blocks holds up no one who logs, and what is dropped is reported") {
  struct Seen {
    std::promise<void> gate;
    std::atomic<int> lines{0};
    std::atomic<std::uint64_t> dropped{0};
  };
  const auto seen = std::make_shared<Seen>();
  const auto delivery = std::make_shared<LogDelivery>(
      [seen, opened = seen->gate.get_future().share()](const LogRecord& record) {
        opened.wait();
        ++seen->lines;
        seen->dropped += record.dropped;
      },
      std::size_t{64} << 10);
  const auto sink = LogDelivery::sink(delivery);
  constexpr int kLines = 10'000;
  for (int i = 0; i < kLines; ++i) {
    LogRecord record;
    record.message = "a line";
    sink(record);
  }
  seen->gate.set_value();
  delivery->close();
  CHECK(seen->lines > 100);
  CHECK(seen->lines < 1000);
  // The report about dropped lines is one more line.
  CHECK(static_cast<std::uint64_t>(seen->lines) - 1 + seen->dropped == kLines);
}

TEST_CASE("LogDelivery: records arrive with all of their fields, and none after the end") {
  std::vector<std::string> lines;
  const auto delivery = std::make_shared<LogDelivery>([&](const LogRecord& record) {
    lines.push_back(std::string(record.plugin) + '/' + std::string(record.version) + '/' + std::string(record.sha256) +
                    '/' + std::string(record.task) + '/' + std::to_string(record.worker_id) + '/' +
                    std::to_string(record.call_id) + '/' + std::string(record.source) + '/' +
                    std::string(record.message));
  });
  const auto sink = LogDelivery::sink(delivery);
  LogRecord record;
  record.message = "m";
  record.plugin = "p";
  record.version = "v";
  record.sha256 = "s";
  record.task = "t";
  record.worker_id = 1;
  record.call_id = 2;
  record.source = "stdout";
  sink(record);
  delivery->close();
  record.message = "late";
  sink(record);
  CHECK(lines == std::vector<std::string>{"p/v/s/t/1/2/stdout/m"});
  CHECK_FALSE(LogDelivery::sink(std::make_shared<LogDelivery>(tenon::LogSink())));
}

TEST_CASE("Runtime: a log sink that blocks holds up neither calls nor the end") {
  struct Seen {
    std::promise<void> gate;
    std::atomic<int> lines{0};
  };
  const auto seen = std::make_shared<Seen>();
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.log = [seen, opened = seen->gate.get_future().share()](const LogRecord&) {
    ++seen->lines;
    opened.wait();
  };
  auto runtime = tenon::Runtime::start(std::move(options));
  REQUIRE(runtime);
  // The death of a worker is logged.
  ::kill(static_cast<pid_t>(tenon::test::stats_of_all_workers(*runtime).workers.at(0).pid), SIGKILL);
  for (int i = 0; i < 6000 && seen->lines == 0; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  REQUIRE(seen->lines == 1);
  const auto argument = tenon::test::bytes_argument("still served");
  for (int i = 0; i < 3; ++i) {
    CHECK(runtime->call("tenon.echo", {argument.GetBufferPointer(), argument.GetSize()}));
  }
  runtime->shutdown(tenon::Shutdown::kDrain);
  CHECK(seen->lines == 1);
  seen->gate.set_value();
}

/// Workers that cannot be started: the runtime waits out a short shortage and reports a long one.
/// The end of the runtime itself is not such an error.
#include <csignal>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "host/start_history.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::empty_argument;

namespace {

struct Lack {
  std::atomic<int> refused{0};     ///< How many starts will be refused.
  std::atomic<bool> holds{false};  ///< A start waits while this is true.
  std::atomic<int> held{0};        ///< How many starts wait.
  std::atomic<int> first{0};       ///< How many starts come before all this.
};

class LackingLauncher final : public Launcher {
 public:
  explicit LackingLauncher(std::shared_ptr<Lack> lack) : lack_(std::move(lack)) {}
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t worker_id) override {
    if (lack_->first.load() > 0) {
      --lack_->first;
      return real_->launch(std::move(channel), worker_id);
    }
    if (lack_->holds.load()) {
      ++lack_->held;
      while (lack_->holds.load()) {
        std::this_thread::sleep_for(1ms);
      }
    }
    if (lack_->refused.load() > 0) {
      --lack_->refused;
      return tenon::fail(ErrorCode::kUnavailable, "the system has no more processes");
    }
    return real_->launch(std::move(channel), worker_id);
  }

 private:
  const std::shared_ptr<Lack> lack_;
  std::unique_ptr<Launcher> real_ = make_process_launcher(tenon::test::build_dir() / "bin" / "tenon-worker");
};

/// Collects what a runtime logs as errors.
struct Errors {
  std::mutex mutex;
  std::vector<std::string> lines;

  tenon::LogSink sink() {
    return [this](const tenon::LogRecord& record) {
      if (record.level == tenon::LogLevel::kError) {
        const std::lock_guard lock(mutex);
        lines.emplace_back(record.message);
      }
    };
  }
};

void kill_workers_of(const tenon::Runtime& runtime) {
  for (const auto& worker : runtime.stats().workers) {
    ::kill(static_cast<pid_t>(worker.pid), SIGKILL);
  }
}

}  // namespace

TEST_CASE("StartHistory: failures make the next start wait longer, success ends that") {
  constexpr std::int64_t kMs = 1'000'000;
  StartHistory starts;
  CHECK(starts.due_ns() == 0);
  starts.note_failure(1000 * kMs);
  CHECK(starts.due_ns() == 1050 * kMs);
  starts.note_failure(1050 * kMs);
  CHECK(starts.due_ns() == 1150 * kMs);
  CHECK_FALSE(starts.failed_often());
  starts.note_failure(1150 * kMs);
  CHECK(starts.failed_often());
  CHECK_FALSE(starts.failed_for(200 * kMs, 1199 * kMs));
  CHECK(starts.failed_for(200 * kMs, 1200 * kMs));
  starts.note_ready();
  CHECK_FALSE(starts.failed_for(0, 2000 * kMs));
  starts.note_answer();
  CHECK_FALSE(starts.failed_often());
  for (int i = 0; i < 100; ++i) {
    starts.note_failure(5000 * kMs);
  }
  CHECK(starts.due_ns() == 10'000 * kMs);
}

TEST_CASE("lack of workers: a short one is waited out by every queued call") {
  const auto lack = std::make_shared<Lack>();
  auto runtime = RuntimeAccess::start(tenon::test::runtime_options(1), std::make_unique<LackingLauncher>(lack));
  REQUIRE(runtime);
  lack->refused = 4;  // Delays of 50, 100, 200 and 400 ms lie between them.
  kill_workers_of(*runtime);
  const auto argument = empty_argument();
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 348; ++i) {
    futures.push_back(runtime->submit("tenon.whoami", argument));
  }
  for (const auto& future : futures) {
    const auto reply = future.get();
    if (!reply) {
      FAIL(reply.error().to_string());
    }
  }
  CHECK(lack->refused == 0);
}

TEST_CASE("lack of workers: a long one ends the calls with its reason, until there is a worker again") {
  const auto lack = std::make_shared<Lack>();
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.start_timeout = 1500ms;
  auto runtime = RuntimeAccess::start(std::move(options), std::make_unique<LackingLauncher>(lack));
  REQUIRE(runtime);
  lack->refused = 1'000'000;
  kill_workers_of(*runtime);
  const auto argument = empty_argument();
  tenon::Result<tenon::Reply> reply = runtime->submit("tenon.whoami", argument).get();
  while (reply) {  // The worker replied before it died.
    reply = runtime->submit("tenon.whoami", argument).get();
  }
  CHECK(reply.error().code == ErrorCode::kUnavailable);
  CHECK(reply.error().message.find("no more processes") != std::string::npos);
  lack->refused = 0;
  for (int i = 0; i < 1000 && !reply; ++i) {
    std::this_thread::sleep_for(20ms);
    reply = runtime->call("tenon.whoami", argument);
  }
  CHECK(reply);
}

TEST_CASE("lack of workers: a session that waits for a worker which cannot be started is opened on another one") {
  const auto lack = std::make_shared<Lack>();
  lack->first = 1;
  lack->holds = true;
  lack->refused = 1'000'000;
  tenon::RuntimeOptions options = tenon::test::runtime_options(2);
  options.start_timeout = 120s;
  auto runtime = RuntimeAccess::start(std::move(options), std::make_unique<LackingLauncher>(lack));
  REQUIRE(runtime);
  const auto argument = tenon::test::argument_from_json(*runtime, "tenon.numbers", R"({"count": 3})");
  REQUIRE(argument);
  while (lack->held.load() == 0) {
    std::this_thread::sleep_for(1ms);
  }
  tenon::SessionOptions session_options;
  session_options.argument = *argument;
  std::vector<tenon::Future<tenon::Session>> opening;
  for (int i = 0; i < 3; ++i) {
    opening.push_back(runtime->open("tenon.numbers", session_options));  // One of them in the other slot.
  }
  lack->holds = false;
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& future : opening) {
    auto session = future.get();
    if (!session) {
      FAIL(session.error().to_string());
    }
    const auto batch = session->next(10).get();
    REQUIRE(batch);
    REQUIRE(batch->results.size() == 3);
  }
  REQUIRE(std::chrono::steady_clock::now() - begin < 60s);
  runtime->shutdown(tenon::Shutdown::kKill);
}

TEST_CASE("lack of workers: a worker that the end of the runtime kills on its way up is no error") {
  const auto how = GENERATE(tenon::Shutdown::kDrain, tenon::Shutdown::kCancel, tenon::Shutdown::kKill);
  const bool refuses = GENERATE(false, true);
  CAPTURE(static_cast<int>(how), refuses);
  const auto lack = std::make_shared<Lack>();
  Errors errors;
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.log = errors.sink();
  auto runtime = RuntimeAccess::start(std::move(options), std::make_unique<LackingLauncher>(lack));
  REQUIRE(runtime);
  lack->holds = true;
  kill_workers_of(*runtime);
  while (lack->held == 0) {
    std::this_thread::sleep_for(1ms);
  }
  lack->refused = refuses ? 1 : 0;
  std::thread stopper([&] { runtime->shutdown(how); });
  std::this_thread::sleep_for(30ms);
  lack->holds = false;
  stopper.join();
  CHECK(errors.lines.empty());
}

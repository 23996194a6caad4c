/// The reactor as a guest in the program's process, and worker slots that cannot be filled.
#include <csignal>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::empty_argument;

namespace {

/// Returns the signals that a thread of this process blocks, by the thread's name; 0 if there is
/// none.
unsigned long long blocked_signals(const std::string& thread_name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    std::string line;
    bool found = false;
    while (std::getline(status, line)) {
      found = found || line == "Name:\t" + thread_name;
      if (found && line.starts_with("SigBlk:\t")) {
        return std::stoull(line.substr(8), nullptr, 16);
      }
    }
  }
  return 0;
}

/// Starts the first worker, and refuses all others.
class OneWorkerLauncher final : public Launcher {
 public:
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t worker_id) override {
    if (std::exchange(started_, true)) {
      return tenon::fail(ErrorCode::kIo, "this slot has no worker");
    }
    return real_->launch(std::move(channel), worker_id);
  }

 private:
  bool started_ = false;
  std::unique_ptr<Launcher> real_ = make_process_launcher(tenon::test::build_dir() / "bin" / "tenon-worker");
};

}  // namespace

TEST_CASE("reactor: takes none of the program's signals but those of faults") {
  const auto runtime = tenon::Runtime::start(tenon::test::runtime_options(1));
  REQUIRE(runtime);
  const unsigned long long blocked = blocked_signals("tenon-reactor");
  const auto is_blocked = [&](int signal) { return (blocked >> (signal - 1) & 1) != 0; };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE, SIGWINCH}) {
    CAPTURE(signal);
    REQUIRE(is_blocked(signal));
  }
  REQUIRE_FALSE(is_blocked(SIGSEGV));
  REQUIRE_FALSE(is_blocked(SIGABRT));
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  REQUIRE(sigismember(&own, SIGTERM) == 0);
}

TEST_CASE("start: calls pinned to a slot that cannot start fail with the reason, others run") {
  tenon::RuntimeOptions options = tenon::test::runtime_options(2);
  options.start_timeout = 1500ms;
  auto runtime = RuntimeAccess::start(std::move(options), std::make_unique<OneWorkerLauncher>());
  REQUIRE(runtime);
  std::string key = "a";
  while (std::hash<std::string>{}(key) % 2 != 1) {
    key += 'a';
  }
  const auto argument = empty_argument();
  const auto pinned = runtime->submit("tenon.whoami", argument, {.affinity_key = key}).get();
  REQUIRE_FALSE(pinned);
  REQUIRE(pinned.error().code == ErrorCode::kUnavailable);
  REQUIRE(pinned.error().message.find("this slot has no worker") != std::string::npos);
  REQUIRE(runtime->call("tenon.whoami", argument));
}

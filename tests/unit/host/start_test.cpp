/// How workers start: one, many, or none with a reason; and what they do while idle.
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/descriptor_budget.hpp"
#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "platform/file_descriptor.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
namespace fs = std::filesystem;

namespace {

tenon::RuntimeOptions options_of(unsigned workers) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(workers);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  return options;
}

tenon::Buffer bytes(std::string_view text) {
  const flatbuffers::FlatBufferBuilder builder = tenon::test::bytes_argument(text);
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

tenon::Runtime value(tenon::Result<tenon::Runtime> runtime) {
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return std::move(*runtime);
}

bool has(const tenon::Error& error, std::string_view part) {
  return error.message.find(part) != std::string::npos;
}

/// Returns whether this process has a child, alive or not yet reaped.
bool has_children() {
  return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
}

/// Returns how often the threads of a process have gone to sleep so far, by thread.
std::map<std::string, std::string> sleeps_of(const std::string& process, const std::string& thread_name) {
  std::map<std::string, std::string> sleeps;
  for (const auto& task : fs::directory_iterator("/proc/" + process + "/task")) {
    std::ifstream status(task.path() / "status");
    std::string line;
    bool wanted = thread_name.empty();
    while (std::getline(status, line)) {
      wanted = wanted || line == "Name:\t" + thread_name;
      if (wanted && line.starts_with("voluntary_ctxt_switches:")) {
        sleeps[process + "/" + task.path().filename().string()] = line;
      }
    }
  }
  return sleeps;
}

class CountingLauncher final : public Launcher {
 public:
  explicit CountingLauncher(int& count) : count_(count) {}
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t worker_id) override {
    ++count_;
    return real_->launch(std::move(channel), worker_id);
  }

 private:
  int& count_;
  std::unique_ptr<Launcher> real_ = make_process_launcher(tenon::test::build_dir() / "bin" / "tenon-worker");
};

}  // namespace

TEST_CASE("start: 64 workers start, run a thousand calls and stop") {
  const std::size_t before = *open_descriptor_count();
  {
    auto runtime = value(tenon::Runtime::start(options_of(64)));
    const tenon::RuntimeStats all = tenon::test::stats_of_all_workers(runtime);
    REQUIRE(all.workers.size() == 64);
    // This is the budget, minus descriptors that only the start needed.
    REQUIRE(*open_descriptor_count() <= before + 64 * kDescriptorsPerWorker + kDescriptorsPerRuntime);
    const auto argument = bytes("x");
    std::vector<tenon::Future<tenon::Reply>> futures;
    for (int i = 0; i < 1000; ++i) {
      futures.push_back(runtime.submit("tenon.echo", argument));
    }
    for (const auto& future : futures) {
      const auto reply = future.get();
      REQUIRE(reply);
      REQUIRE(reply->bytes().size() == argument.size());
    }
    runtime.shutdown(tenon::Shutdown::kDrain);
  }
  REQUIRE(*open_descriptor_count() == before);
  REQUIRE_FALSE(has_children());
}

TEST_CASE("start: more workers than descriptors allow are refused before one is started") {
  int launched = 0;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const std::size_t open = *open_descriptor_count();
  rlimit few = before;
  few.rlim_cur = open + kDescriptorsPerRuntime + 20 * kDescriptorsPerWorker + 2;
  // No assertion runs while the limit is low: the undefined sanitizer checks memory through a pipe.
  ::setrlimit(RLIMIT_NOFILE, &few);
  auto refused = RuntimeAccess::start(options_of(256), std::make_unique<CountingLauncher>(launched));
  const rlim_t left = [] {
    rlimit now{};
    ::getrlimit(RLIMIT_NOFILE, &now);
    return now.rlim_cur;
  }();
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == ErrorCode::kUnavailable);
  CAPTURE(refused.error().message);
  const std::uint64_t needed = 256 * kDescriptorsPerWorker + kDescriptorsPerRuntime;
  REQUIRE(has(refused.error(), "256 workers need " + std::to_string(needed)));
  REQUIRE(has(refused.error(), "it may open " + std::to_string(few.rlim_cur)));
  REQUIRE(has(refused.error(), "ulimit -n"));
  REQUIRE(has(refused.error(), "there is room for 20"));
  REQUIRE(launched == 0);
  REQUIRE(left == few.rlim_cur);  // The limit of the program is unchanged.
  REQUIRE_FALSE(has_children());
}

TEST_CASE("start: as many workers as descriptors allow start") {
  const auto options = options_of(20);
  tenon::CatalogOptions catalog_options;
  catalog_options.plugin_dirs = options.plugin_dirs;
  catalog_options.cache_dir = options.cache_dir;
  catalog_options.worker_executable = options.worker_executable;
  const auto catalog = tenon::Catalog::open(catalog_options);
  REQUIRE(catalog);
  std::size_t plugins = 0;
  for (const auto& plugin : catalog->plugins()) {
    plugins += plugin->usable() ? 1 : 0;
  }
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = *open_descriptor_count() + kDescriptorsPerRuntime + plugins + 20 * kDescriptorsPerWorker;
  // The plugin files that a runtime keeps open need descriptors too, and it knows how many.
  rlimit too_few = few;
  --too_few.rlim_cur;
  ::setrlimit(RLIMIT_NOFILE, &too_few);
  const auto refused = tenon::Runtime::start(options_of(20));
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE_FALSE(refused);
  const std::string files = std::to_string(plugins) + (plugins == 1 ? " plugin file need" : " plugin files need");
  CHECK(has(refused.error(), "20 workers and " + files));
  ::setrlimit(RLIMIT_NOFILE, &few);
  auto runtime = tenon::Runtime::start(options_of(20));
  const std::size_t ready = runtime ? tenon::test::stats_of_all_workers(*runtime).workers.size() : 0;
  ::setrlimit(RLIMIT_NOFILE, &before);
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  REQUIRE(ready == 20);
}

TEST_CASE("start: nothing wakes while nothing happens") {
  auto runtime = value(tenon::Runtime::start(options_of(2)));
  const auto stats = tenon::test::stats_of_all_workers(runtime);
  const auto argument = bytes("x");
  for (int i = 0; i < 20; ++i) {
    REQUIRE(runtime.submit("tenon.echo", argument).get());
    REQUIRE(runtime.call("tenon.echo", argument));
  }
  const auto sleeps = [&] {
    std::map<std::string, std::string> all = sleeps_of("self", "tenon-reactor");
    for (const auto& worker : stats.workers) {
      all.merge(sleeps_of(std::to_string(worker.pid), {}));
    }
    return all;
  };
  // After the last completions, threads need a moment to go to sleep, and more on a busy machine.
  auto asleep = sleeps();
  for (int i = 0; i < 100; ++i) {
    std::this_thread::sleep_for(100ms);
    if (auto now = sleeps(); now != std::exchange(asleep, now)) {
      continue;
    }
    break;
  }
  REQUIRE(asleep.size() >= 5);  // These are the reactor and two threads of each worker.
  std::this_thread::sleep_for(300ms);
  REQUIRE(sleeps() == asleep);
}

TEST_CASE("start: an unknown plugin directory is an error and leaves no worker behind") {
  auto options = options_of(2);
  options.plugin_dirs = {tenon::test::missing_path("directory")};
  const auto refused = tenon::Runtime::start(std::move(options));
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == ErrorCode::kNotFound);
  REQUIRE_FALSE(has_children());
}

TEST_CASE("start: a worker that ends at once is told with how it ended") {
  const auto refused = RuntimeAccess::start(options_of(2), make_process_launcher("/bin/false"));
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().message);
  REQUIRE(refused.error().code == ErrorCode::kUnavailable);
  REQUIRE(has(refused.error(), "exit code 1"));
  REQUIRE_FALSE(has_children());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("start: memory that cannot be mapped is an error and leaves no worker behind") {
  auto options = options_of(1);
  options.result_arena_bytes = std::uint64_t{1} << 47;
  const auto refused = tenon::Runtime::start(std::move(options));
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().message);
  REQUIRE(has(refused.error(), "cannot map"));
  REQUIRE_FALSE(has_children());
}
#endif

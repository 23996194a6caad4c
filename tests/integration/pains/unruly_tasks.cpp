// Tasks that fork, close descriptors and leave children behind: their own calls may fail, but no
// other call does.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace std::chrono_literals;
using nlohmann::json;
using tenon::Runtime;
using tenon::test::argument_from_json;
using tenon::test::runtime_options;

namespace {

constexpr const char* kTask = "unruly.act";

/// A runtime and a directory with a ledger of all runs of the task.
struct Scene {
  explicit Scene(unsigned workers) : Scene(runtime_options(workers)) {}
  explicit Scene(const tenon::RuntimeOptions& options) {
    auto started = Runtime::start(options);
    if (!started) {
      FAIL(started.error().to_string());
    }
    runtime.emplace(std::move(*started));
  }
  tenon::Buffer argument(int number, const std::string& how = "", const std::string& text = "") const {
    const json fields = {{"number", number}, {"how", how}, {"text", text}, {"ledger", ledger.string()}};
    return argument_from_json(*runtime, kTask, fields.dump()).value();
  }
  /// Returns how often each number has run.
  std::map<int, int> runs() const {
    std::map<int, int> counts;
    std::ifstream file(ledger);
    for (int number = 0; file >> number;) {
      ++counts[number];
    }
    return counts;
  }
  std::string file(const std::string& name) const { return (directory.path() / name).string(); }

  tenon::test::TemporaryDirectory directory;
  std::filesystem::path ledger = directory.path() / "ledger";
  std::optional<Runtime> runtime;
};

bool is_right(const tenon::Result<tenon::Reply>& reply, const Scene& scene, int number) {
  if (!reply) {
    UNSCOPED_INFO(reply.error().to_string());
    return false;
  }
  const auto found = scene.runtime->catalog().find_task(kTask);
  const auto text = found->plugin->schema->to_json(found->task->result_type, reply->bytes());
  return text && json::parse(*text).value("number", 0) == number;
}

bool is_alive(long pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(status)), {});
  const auto behind_name = text.rfind(')');
  return behind_name != std::string::npos && text.substr(behind_name + 2, 1) != "Z";
}

/// Long: it only ends a test that would hang.
constexpr auto kPatience = 60s;

}  // namespace

TEST_CASE("unruly tasks: a child that comes back from a task is no second worker") {
  const std::string how = GENERATE("fork", "fork in a session of its own", "fork twice", "clone",
                                   "clone with shared descriptors", "fork in a thread", "system", "vfork",
                                   "vfork by a system call", "clone like vfork", "clone with shared memory", "daemon");
  CAPTURE(how);
  Scene scene(2);
  constexpr int kCalls = 200;
  int number = 1;
  auto act = scene.runtime->submit(kTask, scene.argument(0, how));
  std::vector<tenon::Future<tenon::Reply>> calls;
  for (; number <= kCalls; ++number) {
    calls.push_back(scene.runtime->submit(kTask, scene.argument(number)));
  }
  REQUIRE(act.wait_for(kPatience));
  // The parent of the daemonised child, which is the worker, has exited. A child that shares the stack of the task may
  // have destroyed it.
  const bool shares_stack =
      how == "vfork by a system call" || how == "clone like vfork" || how == "clone with shared memory";
  CHECK((act.get().has_value() || how == "daemon" || shares_stack));
  for (int i = 0; i < kCalls; ++i) {
    REQUIRE(calls[static_cast<std::size_t>(i)].wait_for(kPatience));
    CHECK(is_right(calls[static_cast<std::size_t>(i)].get(), scene, i + 1));
  }
  // Runs in a bulk call, among other items.
  int next = number;
  const int first = number;
  tenon::Buffer held;
  auto items = scene.runtime->map(kTask, [&]() -> std::optional<tenon::BytesView> {
    if (next == first + kCalls) {
      return std::nullopt;
    }
    held = scene.argument(next, next == first + kCalls / 2 ? how : "");
    ++next;
    return tenon::BytesView(held);
  });
  int ended = 0;
  while (auto item = items.next()) {
    ++ended;
  }
  CHECK(ended == kCalls);
  scene.runtime->shutdown();
  for (const auto& [run, count] : scene.runs()) {
    CAPTURE(run);
    CHECK(count == 1);
  }
}

TEST_CASE("unruly tasks: a child reads its argument until it runs another program") {
  Scene scene(1);
  const auto found = scene.runtime->catalog().find_task(kTask);
  // Short arguments are sent in the ring, long ones in an arena.
  const std::string padding = GENERATE(std::string(), std::string(20'000, ' '));
  const auto reply = scene.runtime->call(kTask, scene.argument(1, "command", "echo $((6 * 7))" + padding));
  REQUIRE(reply);
  const auto text = found->plugin->schema->to_json(found->task->result_type, reply->bytes());
  REQUIRE(text);
  CHECK(json::parse(*text)["text"] == "42\n");
}

TEST_CASE("unruly tasks: one that closes descriptors, or puts its own in their place, ends its worker only") {
  const std::string how = GENERATE("close", "replace");
  CAPTURE(how);
  Scene scene(1);
  const std::string own = scene.file("own");
  for (int round = 0; round < 3; ++round) {
    auto act = scene.runtime->submit(kTask, scene.argument(100 * round, how, own));
    REQUIRE(act.wait_for(kPatience));
    for (int i = 1; i <= 10; ++i) {
      auto call = scene.runtime->submit(kTask, scene.argument(100 * round + i));
      REQUIRE(call.wait_for(kPatience));
      CHECK(is_right(call.get(), scene, 100 * round + i));
    }
  }
  scene.runtime->shutdown();
  if (how == "replace") {
    std::ifstream file(own);
    CHECK(std::string((std::istreambuf_iterator<char>(file)), {}) == "mine");
  }
  for (const auto& [run, count] : scene.runs()) {
    CAPTURE(run);
    CHECK(count == 1);
  }
}

TEST_CASE("unruly tasks: the descriptors of the runtime are out of the reach of loops") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur < 1100) {
    WARN("skipped: this process may open too few files (ulimit -n)");
    return;
  }
  Scene scene(1);
  const auto found = scene.runtime->catalog().find_task(kTask);
  const auto reply = scene.runtime->call(kTask, scene.argument(1, "list descriptors"));
  REQUIRE(reply);
  const auto text = found->plugin->schema->to_json(found->task->result_type, reply->bytes());
  REQUIRE(text);
  std::istringstream numbers(json::parse(*text)["text"].get<std::string>());
  int count = 0;
  for (int number = 0; numbers >> number; ++count) {
    CHECK(number >= 1040);
  }
  CHECK(count >= 2);  // At least the bell and the channel.
}

TEST_CASE("unruly tasks: a call that cannot continue ends by itself, and its error says why") {
  const auto [how, why] =
      GENERATE(std::pair("stop", "was stopped"), std::pair("end the main thread", "main thread"),
               std::pair("another program", "lost its channel"), std::pair("shut down sockets", "lost its channel"));
  CAPTURE(how);
  auto options = runtime_options(1);
  options.stall_timeout = 200ms;
  Scene scene(options);
  auto act = scene.runtime->submit(kTask, scene.argument(1, how));
  auto next = scene.runtime->submit(kTask, scene.argument(2));
  REQUIRE(act.wait_for(kPatience));
  const auto reply = act.get();
  REQUIRE_FALSE(reply);
  INFO(reply.error().to_string());
  CHECK(reply.error().code == tenon::ErrorCode::kCrashed);
  CHECK(reply.error().message.find(why) != std::string::npos);
  REQUIRE(next.wait_for(kPatience));
  CHECK(is_right(next.get(), scene, 2));
}

TEST_CASE("unruly tasks: one whose write to stderr never ends holds up neither the host nor other output") {
  std::mutex mutex;
  std::string log;
  auto options = runtime_options(2);
  options.log = [&](const tenon::LogRecord& record) {
    const std::lock_guard lock(mutex);
    log += std::string(record.message) + '\n';
  };
  const auto logged = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    return log.find(text) != std::string::npos;
  };
  const auto comes = [&](const std::string& text) {
    for (int i = 0; i < 6000 && !logged(text); ++i) {
      std::this_thread::sleep_for(10ms);
    }
    return logged(text);
  };
  Scene scene(options);
  auto act = scene.runtime->submit(kTask, scene.argument(1, "block stderr"));
  for (int i = 0; i < 6000 && scene.runs().empty(); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  if (act.wait_for(1s)) {
    WARN("skipped: this process may not use userfaultfd");
    return;
  }
  // The host notices the first line, and comes to read it while the pipe is held.
  auto other = scene.runtime->submit(kTask, scene.argument(2, "write to stderr", "from the other worker"));
  REQUIRE(other.wait_for(kPatience));
  CHECK(is_right(other.get(), scene, 2));
  CHECK(comes("from the other worker"));
  CHECK(scene.runtime->stats().workers.size() == 2);
  act.cancel();
  REQUIRE(act.wait_for(kPatience));
  CHECK_FALSE(act.get());
  CHECK(comes("before"));
  scene.runtime->shutdown();
}

TEST_CASE("unruly tasks: a short stop in a call does it no harm") {
  auto options = runtime_options(1);
  options.stall_timeout = 200ms;
  Scene scene(options);
  auto act = scene.runtime->submit(kTask, scene.argument(1, "stop"));
  for (int i = 0; i < 200 && scene.runs().empty(); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  std::this_thread::sleep_for(50ms);
  const auto workers = scene.runtime->stats().workers;
  REQUIRE(workers.size() == 1);
  ::kill(static_cast<pid_t>(workers.front().pid), SIGCONT);
  REQUIRE(act.wait_for(kPatience));
  CHECK(is_right(act.get(), scene, 1));
}

TEST_CASE("unruly tasks: what a task started in a session of its own ends when its worker is killed") {
  Scene scene(1);
  const std::string place = scene.file("child");
  auto act = scene.runtime->submit(kTask, scene.argument(1, "hang beside a child in a session of its own", place));
  long child = 0;
  for (int i = 0; i < 6000 && child == 0; ++i) {
    std::ifstream(place) >> child;
    std::this_thread::sleep_for(10ms);
  }
  REQUIRE(child > 0);
  REQUIRE(is_alive(child));
  act.cancel();  // The task does not stop, so its worker is killed.
  REQUIRE(act.wait_for(kPatience));
  CHECK_FALSE(act.get());
  for (int i = 0; i < 1000 && is_alive(child); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK_FALSE(is_alive(child));
  if (is_alive(child)) {
    ::kill(static_cast<pid_t>(child), SIGKILL);
  }
}

TEST_CASE("unruly tasks: children that stay end with the runtime and do not delay it") {
  const std::string how = GENERATE("child that stays", "child that stays in a session of its own",
                                   "child of a thread that stays in a session of its own");
  CAPTURE(how);
  long child = 0;
  {
    Scene scene(1);
    const std::string place = scene.file("child");
    REQUIRE(scene.runtime->call(kTask, scene.argument(1, how, place)));
    for (int i = 0; i < 6000 && child == 0; ++i) {
      std::ifstream(place) >> child;
      std::this_thread::sleep_for(10ms);
    }
    REQUIRE(child > 0);
    REQUIRE(is_alive(child));
    scene.runtime->shutdown();
  }
  for (int i = 0; i < 6000 && is_alive(child); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK_FALSE(is_alive(child));
}

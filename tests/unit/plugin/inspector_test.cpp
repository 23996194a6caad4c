#include "plugin/inspector.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <tenon/plugin.h>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "support.hpp"

using tenon::ErrorCode;
using tenon::internal::inspect_plugin;
using tenon::internal::InspectOptions;
using namespace tenon::test;

namespace {

// Long enough for a loaded machine. Only the plugin that hangs waits for a time-out, which is a
// separate one.
InspectOptions options() {
  return {.worker_executable = inspector(), .timeout = std::chrono::seconds(60)};
}

void check(const char* name, ErrorCode code, const char* message) {
  const auto problem = inspect_plugin(variant(name), options()).problem;
  INFO(name << ": " << (problem ? problem->to_string() : "sound"));
  REQUIRE(problem.has_value());
  CHECK(problem->code == code);
  CHECK(has(problem->message, message));
}

}  // namespace

TEST_CASE("Inspector: sound plugins pass") {
  for (const char* name : {"good", "larger", "init_error", "chatty", "close_streams"}) {
    const auto problem = inspect_plugin(variant(name), options()).problem;
    INFO(name << ": " << (problem ? problem->to_string() : ""));
    CHECK_FALSE(problem.has_value());
  }
}

TEST_CASE("Inspector: a crash is told with its place, signal and last words") {
  const auto problem = inspect_plugin(variant("crash_constructor"), options()).problem;
  REQUIRE(problem.has_value());
  CHECK(problem->code == ErrorCode::kCrashed);
  CHECK(has(problem->message, "while it was loaded"));
  // A sanitizer reports the fault with much text and exits instead.
  if (TENON_ABI_SANITIZER == TENON_SANITIZER_NONE) {
    CHECK(has(problem->context.stderr_tail, "about to fall"));
    CHECK(problem->context.signal == SIGSEGV);
  }
  check("crash_fini", ErrorCode::kCrashed, "in fini");
  check("crash_exit", ErrorCode::kCrashed, "at the end of its process");
}

TEST_CASE("Inspector: an exit is no success") {
  check("exit_init", ErrorCode::kCrashed, "ended its process in init");
}

TEST_CASE("Inspector: a hang ends with the time-out") {
  InspectOptions short_time = options();
  short_time.timeout = std::chrono::milliseconds(1500);
  const auto problem = inspect_plugin(variant("hang_entry"), short_time).problem;
  REQUIRE(problem.has_value());
  CHECK(problem->code == ErrorCode::kDeadline);
  CHECK(has(problem->message, "the plugin hung"));
  CHECK(has(problem->message, "1500 ms"));
}

TEST_CASE("Inspector: a lie is told in the loader's words") {
  check("wrong_kind", ErrorCode::kIncompatible, "'echo' is a source, but the schema's echo is plain");
  check("no_entry", ErrorCode::kIncompatible, "does not export");
}

TEST_CASE("Inspector: a file that is no plugin is refused") {
  const TemporaryDirectory directory;
  write_bytes(directory / "bad.so", {});
  const auto problem = inspect_plugin(directory / "bad.so", options()).problem;
  REQUIRE(problem.has_value());
  CHECK(problem->code == ErrorCode::kCorrupt);
}

TEST_CASE("Inspector: a worker that cannot inspect is not the plugin's fault") {
  InspectOptions other = options();
  other.worker_executable = missing_path("tenon-worker");
  CHECK(inspect_plugin(variant("good"), other).problem->code == ErrorCode::kUnavailable);
  other.worker_executable = "/bin/true";
  CHECK(inspect_plugin(variant("good"), other).problem->code == ErrorCode::kUnavailable);
}

TEST_CASE("Inspector: main goes on when it is not asked") {
  const char* none[] = {"tenon-worker"};
  CHECK_FALSE(tenon::internal::run_inspector_if_asked(1, none).has_value());
  const char* other[] = {"tenon-worker", "--serve"};
  CHECK_FALSE(tenon::internal::run_inspector_if_asked(2, other).has_value());
  const char* half[] = {"tenon-worker", "--inspect", "x.so"};
  CHECK(tenon::internal::run_inspector_if_asked(3, half) == 2);
}

TEST_CASE("Inspector: ends with the process that asked for it") {
  const auto hanging = variant("hang_entry");
  const auto with_time = options();
  const pid_t asking = ::fork();
  if (asking == 0) {
    static_cast<void>(inspect_plugin(hanging, with_time));
    ::_exit(0);
  }
  REQUIRE(asking > 0);
  const std::string number = std::to_string(asking);
  pid_t inspecting = 0;
  // A child that has not yet started its program exits as well.
  for (int i = 0; i < 6000 && inspecting == 0; ++i) {
    std::ifstream("/proc/" + number + "/task/" + number + "/children") >> inspecting;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(::kill(asking, SIGKILL) == 0);
  REQUIRE(::waitpid(asking, nullptr, 0) == asking);
  REQUIRE(inspecting > 0);
  const auto is_alive = [&] {
    std::ifstream status("/proc/" + std::to_string(inspecting) + "/stat");
    std::string text((std::istreambuf_iterator<char>(status)), {});
    const auto behind_name = text.rfind(')');
    return behind_name != std::string::npos && text.substr(behind_name + 2, 1) != "Z";
  };
  for (int i = 0; i < 3000 && is_alive(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const bool outlived = is_alive();
  if (outlived) {
    ::kill(inspecting, SIGKILL);
  }
  CHECK_FALSE(outlived);
}

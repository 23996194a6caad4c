#include "platform/process.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope_guard.hpp"
#include "child_process.hpp"
#include "platform/control_channel.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

Process spawn(std::vector<std::string> arguments) {
  auto child = Process::spawn({.executable = child_executable(), .arguments = std::move(arguments)});
  REQUIRE(child);
  return std::move(*child);
}

ExitStatus end_of(Process& child) {
  auto status = child.wait(soon());
  REQUIRE(status);
  REQUIRE(status->has_value());
  return **status;
}

/// Sets a signal's disposition for one scope.
class Disposition {
 public:
  Disposition(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(signal_, &action, &old_);
  }
  ~Disposition() { ::sigaction(signal_, &old_, nullptr); }

 private:
  int signal_;
  struct sigaction old_ {};
};

/// Runs the child with ever longer deadlines until it has come so far that `done` holds. On a busy
/// machine, a child may need more time to start than a deadline that suits a test gives it.
template <typename Done>
Result<CapturedRun> run_until(const std::vector<std::string>& arguments, Done done,
                              std::chrono::milliseconds grace = {}) {
  for (std::chrono::milliseconds limit{100};; limit *= 4) {
    auto run = run_captured({.executable = child_executable(), .arguments = arguments}, deadline_after(limit), 4096,
                            nullptr, grace);
    if (!run || done(*run) || limit > std::chrono::seconds(20)) {
      return run;
    }
  }
}

}  // namespace

TEST_CASE("Process: reports the exit code, again too") {
  for (const int code : {0, 1, 77, 255}) {
    Process child = spawn({"exit", std::to_string(code)});
    CHECK(end_of(child).exit_code == code);
    CHECK(end_of(child).exit_code == code);
  }
}

TEST_CASE("Process: reports the signal") {
  Process child = spawn({"raise", std::to_string(SIGTERM)});
  const ExitStatus status = end_of(child);
  CHECK(status.signal == SIGTERM);
  CHECK_FALSE(status.exit_code.has_value());
  CHECK(status.to_string() == "signal 15 (Terminated)");
}

TEST_CASE("Process: wait ends at its deadline, kill ends the child") {
  Process child = spawn({"wait"});
  CHECK_FALSE(child.wait(monotonic_now_ns()).value().has_value());
  CHECK_FALSE(child.wait(monotonic_now_ns() + 2'000'000).value().has_value());
  child.kill();
  CHECK(end_of(child).signal == SIGKILL);
  child.kill();
  child.kill_group();
  Process polite = spawn({"wait"});
  polite.terminate();
  CHECK(end_of(polite).signal == SIGTERM);
}

TEST_CASE("Process: what cannot be started is an error that names it") {
  auto missing = Process::spawn({.executable = missing_path("program")});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find(missing_path("program").string()) != std::string::npos);
  CHECK_FALSE(Process::spawn({.executable = std::filesystem::path("/")}));
  const TemporaryDirectory directory;
  { FileDescriptor file(::open((directory / "empty").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755)); }
  CHECK_FALSE(Process::spawn({.executable = directory / "empty"}));
}

TEST_CASE("Process: broken options are refused") {
  const auto code = [](SpawnOptions options) {
    options.executable = child_executable();
    return Process::spawn(options).error().code;
  };
  CHECK(code({.executable = {}, .descriptors = {{0, 2}}}) == ErrorCode::kInvalidArgument);
  CHECK(code({.executable = {}, .descriptors = {{0, 3}, {1, 3}}}) == ErrorCode::kInvalidArgument);
  CHECK(code({.executable = {}, .descriptors = {{-1, 3}}}) == ErrorCode::kInvalidArgument);
  CHECK(code({.executable = {}, .arguments = {std::string("a\0b", 3)}}) == ErrorCode::kInvalidArgument);
  CHECK(code({.executable = {}, .environment = {{"A=B", "c"}}}) == ErrorCode::kInvalidArgument);
}

TEST_CASE("Process: a child has its own descriptors and no other, whatever this process leaves open") {
  // Not close-on-exec: low and high numbers, and one that equals a target number.
  std::vector<FileDescriptor> leaks;
  for (int i = 0; i < 20; ++i) {
    leaks.emplace_back(::open("/dev/null", O_RDONLY));
  }
  leaks.emplace_back(::fcntl(leaks[0].get(), F_DUPFD, 500));
  CHECK(run_child({"descriptors"}).standard_output == "0 1 2 \n");
  CHECK(run_child({"descriptors"}, {.executable = {}, .descriptors = {{leaks[3].get(), 3}, {leaks[4].get(), 7}}})
            .standard_output == "0 1 2 3 7 \n");
}

TEST_CASE("Process: descriptors arrive at their numbers also when sources and targets cross") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  int others[2];
  REQUIRE(::pipe2(others, O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], "a", 1) == 1);
  REQUIRE(::write(others[1], "b", 1) == 1);
  const SpawnOptions crossed = {.executable = {}, .descriptors = {{ends[0], others[0]}, {others[0], ends[0]}}};
  CHECK(run_child({"read", std::to_string(others[0])}, crossed).status->exit_code == 'a');
  CHECK(run_child({"read", std::to_string(ends[0])}, crossed).status->exit_code == 'b');
  for (const int number : {ends[0], ends[1], others[0], others[1]}) {
    ::close(number);
  }
}

TEST_CASE("Process: a child has no signal mask, no dispositions and a group of its own") {
  const Disposition ignored(SIGUSR1, SIG_IGN);
  const Disposition pipe(SIGPIPE, SIG_IGN);
  const Disposition handled(SIGUSR2, [](int) {});
  sigset_t block;
  sigset_t old;
  ::sigemptyset(&block);
  ::sigaddset(&block, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &block, &old);
  const ScopeGuard restore([&old] { ::pthread_sigmask(SIG_SETMASK, &old, nullptr); });
  const std::string state = run_child({"signals"}).standard_output;
  INFO(state);
  CHECK(state.starts_with("blocked=0 ignored=0 "));
  CHECK(run_child({"group"}).standard_output == "1\n");
}

TEST_CASE("Process: the end is seen when SIGCHLD is ignored") {
  const Disposition ignored(SIGCHLD, SIG_IGN);
  Process child = spawn({"exit", "3"});
  const ExitStatus status = end_of(child);
  // The kernel keeps the exit code since 6.15; earlier kernels only report the exit itself.
  CHECK((status.exit_code == 3 || status.unknown()));
  Process killed = spawn({"wait"});
  killed.kill_group();
  const ExitStatus end = end_of(killed);
  CHECK((end.signal == SIGKILL || end.unknown()));
}

TEST_CASE("Process: the end is seen when the program around reaps its children") {
  for (int i = 0; i < 20; ++i) {
    Process child = spawn({"exit", "4"});
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    const ExitStatus status = end_of(child);
    CHECK((status.exit_code == 4 || status.unknown()));
  }
}

TEST_CASE("Process: leaves no descriptor and no zombie behind") {
  const std::size_t before = open_descriptor_count().value();
  for (int i = 0; i < 10; ++i) {
    Process child = spawn({"exit", "0"});
    CHECK(end_of(child).success());
    static_cast<void>(run_child({"arguments", "x"}));
  }
  CHECK(open_descriptor_count().value() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("Process: environment and working directory are the child's own") {
  const SpawnOptions options = {.executable = {},
                                .environment = {{"TENON_TEST_VALUE", "a=b c"}, {"HOME", "/other"}},
                                .environment_removed = {"PATH"},
                                .working_directory = "/"};
  CHECK(run_child({"environment", "TENON_TEST_VALUE"}, options).standard_output == "a=b c\n");
  CHECK(run_child({"environment", "HOME"}, options).standard_output == "/other\n");
  CHECK(run_child({"environment", "PATH"}, options).standard_output == "(unset)\n");
  CHECK(run_child({"directory"}, options).standard_output == "/\n");
  CHECK(run_child({"arguments", "", "a b", "\"'$x\n"}).standard_output == "[][a b][\"'$x\n]");
}

TEST_CASE("Process: standard input is empty by default, or a pipe") {
  CHECK(run_child({"cat"}).standard_output.empty());
  auto child = Process::spawn({.executable = child_executable(),
                               .arguments = {"cat"},
                               .standard_input = StreamMode::kPipe,
                               .standard_output = StreamMode::kPipe});
  REQUIRE(child);
  const std::string text = "through and back";
  REQUIRE(
      write_all(child->standard_input(), BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
  child->standard_input().reset();
  std::array<std::uint8_t, 64> buffer{};
  auto count = read_some(child->standard_output(), buffer);
  REQUIRE(count);
  CHECK(std::string(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*count)) == text);
  CHECK(end_of(*child).success());
}

TEST_CASE("run_captured: a child that floods or waits is ended at the deadline, its output bounded") {
  auto flood = run_until({"flood"}, [](const CapturedRun& run) { return run.cut; });
  REQUIRE(flood);
  CHECK_FALSE(flood->status.has_value());
  CHECK(flood->cut);
  CHECK(flood->standard_output.size() == 4096);
  auto waits =
      run_captured({.executable = child_executable(), .arguments = {"wait"}}, monotonic_now_ns() + 20'000'000, 4096);
  REQUIRE(waits);
  CHECK_FALSE(waits->status.has_value());
}

TEST_CASE("run_captured: with a grace a child ends what it has put into groups of its own") {
  const CapturedRun run = *run_until(
      {"group_of_its_own"}, [](const CapturedRun& captured) { return captured.standard_output.ends_with('\n'); },
      std::chrono::seconds(20));
  CHECK_FALSE(run.status.has_value());
  const pid_t grandchild = std::atoi(run.standard_output.c_str());
  REQUIRE(grandchild > 1);
  // The adopting process reaps it at any time: a zombie counts as gone.
  const auto runs = [grandchild] {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text;
    std::getline(stat, text);
    return !text.empty() && text.find(") Z ") == std::string::npos;
  };
  for (const MonotonicNs end = deadline_after(std::chrono::seconds(20)); runs() && monotonic_now_ns() < end;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK_FALSE(runs());
}

TEST_CASE("run_captured: a child that does not end within its grace is killed") {
  const CapturedRun run = *run_until(
      {"ignores_term"}, [](const CapturedRun& captured) { return captured.standard_output.ends_with('\n'); },
      std::chrono::milliseconds(50));
  CHECK_FALSE(run.status.has_value());
  CHECK(run.standard_output == "ready\n");
}

TEST_CASE("run_captured: what a child leaves running in its group ends with it and keeps nobody waiting") {
  const CapturedRun run = run_child({"grandchild"});
  REQUIRE(run.status.has_value());
  CHECK(run.status->success());
  CHECK(run.standard_output == "ready\n");
}

#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tenon_test/paths.hpp"

extern char** environ;

namespace tenon::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kHang(120);

std::string tenon_program() {
  return (build_dir() / "bin" / "tenon").string();
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> make_environment(const ProgramOptions& options, const std::filesystem::path& cache) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (!variable.starts_with("TENON_") && !variable.starts_with("NO_COLOR=") &&
        !variable.starts_with("XDG_CACHE_HOME=")) {
      variables.push_back(variable);
    }
  }
  const auto names_cache = [](const auto& variable) { return variable.first == "XDG_CACHE_HOME"; };
  if (std::none_of(options.environment.begin(), options.environment.end(), names_cache)) {
    variables.push_back("XDG_CACHE_HOME=" + cache.string());
  }
  for (const auto& [name, value] : options.environment) {
    variables.push_back(name + "=" + value);
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

int exit_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  std::ofstream(directory_ / "input", std::ios::binary) << options.input;
  // All programs of a test program share one cache, so that plugins are inspected once.
  static const TemporaryDirectory cache;
  std::vector<std::string> words = {tenon_program()};
  if (!options.limit.empty()) {
    words = {"/bin/sh", "-c", "ulimit " + options.limit + R"( && exec "$0" "$@")", tenon_program()};
  }
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = make_environment(options, cache.path());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const auto open_as = [&](int fd, const std::string& path, int flags) {
    posix_spawn_file_actions_addopen(&actions, fd, path.c_str(), flags, 0600);
  };
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  open_as(0, (directory_ / "input").string(), O_RDONLY);
  std::vector<int> pipe_ends;
  const auto direct = [&](int fd, OutputKind kind, const char* file) {
    int ends[2] = {-1, -1};
    switch (kind) {
      case OutputKind::kFile:
        open_as(fd, (directory_ / file).string(), kWrite);
        return;
      case OutputKind::kClosed:
        posix_spawn_file_actions_addclose(&actions, fd);
        return;
      case OutputKind::kFullDevice:
        open_as(fd, "/dev/full", O_WRONLY);
        return;
      case OutputKind::kBrokenPipe:
      case OutputKind::kStuckPipe:
      case OutputKind::kStuckSocket:
        break;
    }
    if (kind == OutputKind::kStuckSocket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0
                                         : pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe or socket could be made");
    }
    if (kind == OutputKind::kBrokenPipe) {
      close(ends[0]);
    } else {
      stuck_pipes_.push_back(ends[0]);
      const int flags = fcntl(ends[1], F_GETFL);
      fcntl(ends[1], F_SETFL, flags | O_NONBLOCK);
      const std::string filling(65536, ' ');
      while (write(ends[1], filling.data(), filling.size()) > 0) {
      }
      fcntl(ends[1], F_SETFL, flags);
    }
    posix_spawn_file_actions_adddup2(&actions, ends[1], fd);
    pipe_ends.push_back(ends[1]);
  };
  direct(1, options.output, "output");
  if (options.terminal) {
    terminal_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[128];
    if (terminal_ < 0 || grantpt(terminal_) != 0 || unlockpt(terminal_) != 0 ||
        ptsname_r(terminal_, name, sizeof name) != 0) {
      throw std::runtime_error("no pseudo terminal can be opened");
    }
    open_as(2, name, O_RDWR | O_NOCTTY);
  } else {
    direct(2, options.error, "error");
  }
  // The signal dispositions of the test must not affect the program.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGTERM);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGHUP);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

  const int failed = posix_spawn(&pid_, words.front().c_str(), &actions, &attributes, pointers(words).data(),
                                 pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  for (const int end : pipe_ends) {
    close(end);
  }
  if (failed != 0) {
    throw std::runtime_error("cannot start " + tenon_program() + ": " + std::strerror(failed));
  }
}

Program::~Program() {
  if (!exit_) {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
  }
  if (terminal_ >= 0) {
    close(terminal_);
  }
  for (const int end : stuck_pipes_) {
    close(end);
  }
}

void Program::wait_until_ready() const {
  constexpr unsigned long long kInterruptBit = 1ULL << (SIGINT - 1);
  const auto deadline = Clock::now() + kHang;
  while (Clock::now() < deadline) {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string line;
    bool running = false;
    while (std::getline(status, line)) {
      if (line.starts_with("State:")) {
        running = line.find('Z') == std::string::npos;
      } else if (line.starts_with("SigCgt:") && (std::stoull(line.substr(8), nullptr, 16) & kInterruptBit) != 0) {
        return;
      }
    }
    if (!running) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

bool Program::read_terminal(std::chrono::milliseconds timeout) {
  pollfd waiting{terminal_, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) {
    return true;
  }
  char block[4096];
  const ssize_t count = read(terminal_, block, sizeof block);
  if (count <= 0) {
    return false;  // EIO: the other side is closed.
  }
  terminal_text_.append(block, static_cast<std::size_t>(count));
  return true;
}

bool Program::wait_for_error(const std::string& text) {
  return wait_until([&] { return terminal_text_.find(text) != std::string::npos; });
}

bool Program::wait_for_error_match(const std::string& pattern) {
  const std::regex compiled(pattern);
  return wait_until([&] { return std::regex_search(terminal_text_, compiled); });
}

bool Program::wait_until(const std::function<bool()>& found) {
  const auto deadline = Clock::now() + kHang;
  while (!found()) {
    if (Clock::now() > deadline || !read_terminal(std::chrono::milliseconds(100))) {
      return found();
    }
  }
  return true;
}

void Program::interrupt() const {
  kill(pid_, SIGINT);
  // Waits until the signal has been taken: a second signal before that would be merged with it.
  constexpr unsigned long long kInterruptBit = 1ULL << (SIGINT - 1);
  const auto pending = [this] {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("ShdPnd:")) {
        return (std::stoull(line.substr(8), nullptr, 16) & kInterruptBit) != 0;
      }
    }
    return false;
  };
  const auto deadline = Clock::now() + kHang;
  while (pending() && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Program::running() {
  int status = 0;
  if (!exit_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_ = exit_of(status);
  }
  return !exit_;
}

int Program::wait() {
  const auto deadline = Clock::now() + kHang;
  bool open = terminal_ >= 0;
  while (!exit_) {
    if (open) {
      open = read_terminal(std::chrono::milliseconds(10));
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = exit_of(status);
      break;
    }
    if (Clock::now() > deadline) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      exit_ = -1;
      break;
    }
    if (!open) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return *exit_;
}

std::string Program::output() const {
  return read_all(directory_ / "output");
}

std::string Program::error() {
  if (terminal_ < 0) {
    return read_all(directory_ / "error");
  }
  const std::size_t before = terminal_text_.size();
  for (std::size_t size = before;; size = terminal_text_.size()) {
    if (!read_terminal(std::chrono::milliseconds(20)) || terminal_text_.size() == size) {
      return terminal_text_;
    }
  }
}

Ended tenon(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  Program program(arguments, options);
  Ended ended;
  ended.exit = program.wait();
  ended.output = program.output();
  ended.error = program.error();
  return ended;
}

}  // namespace tenon::test

/// A real daemon, for tests that use it as people and scripts do.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

namespace tenon::test {

/// Waits until `condition` holds; returns false after a minute.
template <typename Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// Returns a pipeline that gives `count` numbers, one every `interval_ms`, and sums them.
std::string numbers_pipeline(const std::string& name, std::uint64_t count, unsigned interval_ms);

/// `tenon serve` on a separate socket.
class Daemon {
 public:
  /// Returns after the daemon serves; fails the test if it does not.
  explicit Daemon(std::vector<std::string> arguments = {},
                  std::vector<std::pair<std::string, std::string>> environment = {});
  Daemon(std::vector<std::string> arguments, ProgramOptions options);

  [[nodiscard]] std::string socket() const { return (directory_ / "socket").string(); }
  [[nodiscard]] std::filesystem::path directory() const { return directory_.path(); }
  /// Runs a command on the daemon.
  [[nodiscard]] Ended run(std::vector<std::string> arguments) const;
  /// Runs a command with --json and returns the document.
  [[nodiscard]] nlohmann::json json(std::vector<std::string> arguments) const;
  void signal(int number) const;
  /// Starts a new daemon on the same socket.
  void start_again();
  [[nodiscard]] Program& program() { return *program_; }
  /// Returns the processes of its workers.
  [[nodiscard]] std::vector<pid_t> workers() const;

 private:
  void start();
  TemporaryDirectory directory_;
  std::vector<std::string> arguments_;
  ProgramOptions options_;
  std::unique_ptr<Program> program_;
};

/// Returns whether the process exists; zombies do not count.
[[nodiscard]] bool alive(pid_t process);

}  // namespace tenon::test

/// Control groups that freeze processes, for tests.
#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tenon::test {

/// A new control group below a freezer's root. Its destructor thaws it and moves its processes back.
class Freezer {
 public:
  /// One for each version of control groups that this process may use; empty where it may use none.
  static std::vector<std::string> roots() {
    std::vector<std::string> usable;
    for (const std::string root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"}) {
      Freezer probe(root);
      if (probe.usable()) {
        usable.push_back(root);
      }
    }
    return usable;
  }

  explicit Freezer(std::string root)
      : root_(std::move(root)), group_(root_ + "/tenon-test-" + std::to_string(::getpid())) {
    std::error_code refused;
    std::filesystem::create_directory(group_, refused);
  }
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;
  ~Freezer() {
    thaw();
    std::ifstream processes(group_ / "cgroup.procs");
    for (std::string pid; processes >> pid;) {
      write(std::filesystem::path(root_) / "cgroup.procs", pid);
    }
    for (int i = 0; i < 1000 && ::rmdir(group_.c_str()) != 0 && std::filesystem::exists(group_); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  /// Whether killing a frozen process has no effect until it is thawed.
  [[nodiscard]] bool outlives_kill() const { return std::filesystem::exists(group_ / "freezer.state"); }
  bool add(long pid) { return write(group_ / "cgroup.procs", std::to_string(pid)); }
  /// Freezes the group and waits until its processes stand still. Returns false if they do not.
  bool freeze() {
    const bool old = outlives_kill();
    if (!write(group_ / (old ? "freezer.state" : "cgroup.freeze"), old ? "FROZEN" : "1")) {
      return false;
    }
    for (int i = 0; i < 1000; ++i) {
      const std::string text = read(group_ / (old ? "freezer.state" : "cgroup.events"));
      if (text.find(old ? "FROZEN" : "frozen 1") != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void thaw() {
    const bool old = outlives_kill();
    write(group_ / (old ? "freezer.state" : "cgroup.freeze"), old ? "THAWED" : "0");
  }

 private:
  [[nodiscard]] bool usable() const {
    return ::access((group_ / "freezer.state").c_str(), W_OK) == 0 ||
           ::access((group_ / "cgroup.freeze").c_str(), W_OK) == 0;
  }
  static bool write(const std::filesystem::path& path, const std::string& text) {
    if (::access(path.c_str(), W_OK) != 0) {
      return false;
    }
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string root_;
  std::filesystem::path group_;
};

}  // namespace tenon::test

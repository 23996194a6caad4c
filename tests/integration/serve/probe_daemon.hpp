/// A daemon with a plugin that tests swap.
#pragma once

#include <filesystem>
#include <string>

#include "daemon.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

/// A version of tests/integration/swap/plugins.
inline std::string probe(const std::string& variant) {
  return (std::filesystem::path(TENON_TEST_BINARY_DIR) / "tests" / "swap_plugins" / variant / "probe.so").string();
}

/// A daemon with the plugin "probe" in version 1.0.0.
class ProbeDaemon {
 public:
  [[nodiscard]] const Daemon& operator*() const { return daemon_; }
  [[nodiscard]] const Daemon* operator->() const { return &daemon_; }

 private:
  TemporaryDirectory store_;
  Daemon daemon_{{"--no-watch", "--store", (store_ / "store").string(), "--plugin-dir",
                  std::filesystem::path(probe("probe_1")).parent_path().string()}};
};

}  // namespace tenon::test

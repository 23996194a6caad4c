/// A daemon with a plugin that tests swap.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "daemon.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

/// Returns a version from tests/integration/swap/plugins.
inline std::string probe(const std::string& variant) {
  return (build_dir() / "tests" / "swap_plugins" / variant / "probe.so").string();
}

/// Returns the arguments of a daemon with the plugin "probe" in version 1.0.0. `store`: a
/// directory, which may not exist yet.
inline std::vector<std::string> probe_arguments(const std::filesystem::path& store) {
  return {"--no-watch", "--store", store.string(), "--plugin-dir",
          std::filesystem::path(probe("probe_1")).parent_path().string()};
}

/// Such a daemon with a separate store.
class ProbeDaemon {
 public:
  [[nodiscard]] const Daemon& operator*() const { return daemon_; }
  [[nodiscard]] const Daemon* operator->() const { return &daemon_; }

 private:
  TemporaryDirectory store_;
  Daemon daemon_{probe_arguments(store_ / "store")};
};

}  // namespace tenon::test

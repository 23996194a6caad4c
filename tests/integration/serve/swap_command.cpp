// What the commands on the plugins of a daemon take, and what they say.
#include <filesystem>
#include <string>
#include <vector>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// A version of tests/integration/swap/plugins.
std::string probe(const std::string& variant) {
  return (fs::path(TENON_TEST_BINARY_DIR) / "tests" / "swap_plugins" / variant / "probe.so").string();
}

/// A daemon with the plugin "probe" in version 1.0.0.
class ProbeDaemon {
 public:
  [[nodiscard]] const Daemon& operator*() const { return daemon_; }
  [[nodiscard]] const Daemon* operator->() const { return &daemon_; }

 private:
  TemporaryDirectory store_;
  Daemon daemon_{{"--no-watch", "--store", (store_ / "store").string(), "--plugin-dir",
                  fs::path(probe("probe_1")).parent_path().string()}};
};

}  // namespace

TEST_CASE("tenon swap: a file is one of the client's working directory, with and without a slash") {
  const Daemon daemon;
  const std::string file = "'" + (fs::current_path() / "nowhere.so").string() + "'";
  for (const char* what : {"nowhere.so", "./nowhere.so", "a/../nowhere.so"}) {
    const Ended ended = daemon.run({"swap", what});
    INFO(ended.error);
    CHECK(ended.exit == 2);
    CHECK(has(ended.error, "there is no file " + file));
  }
}

TEST_CASE("tenon swap: what the file holds already is not swapped, and that is said") {
  const ProbeDaemon daemon;
  const Ended same = daemon->run({"swap", "probe"});
  INFO(same.error);
  CHECK(same.exit == 0);
  CHECK(same.output.starts_with("probe 1.0.0 (sha256:"));
  CHECK(has(same.output, "nothing was swapped"));
  CHECK(daemon->json({"swap", probe("probe_2")})["swapped"] == true);
  CHECK(daemon->json({"swap", probe("probe_2")})["swapped"] == false);
}

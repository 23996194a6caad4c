// What the commands on the plugins of a daemon take, and what they say.
#include <filesystem>
#include <string>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

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

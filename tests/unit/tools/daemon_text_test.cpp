#include "tools/tenon/daemon_text.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include "tenon_test/catch.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

std::unique_ptr<serve::GenerationT> generation(std::uint64_t number, std::string version) {
  auto made = std::make_unique<serve::GenerationT>();
  made->number = number;
  made->plugin = "hello";
  made->version = std::move(version);
  return made;
}

/// From 1.0.0 to 1.1.0, without a trial.
serve::SwappedT swapped() {
  serve::SwappedT made;
  made.before = generation(1, "1.0.0");
  made.now = generation(2, "1.1.0");
  made.warmed_ns = 30'000'000;
  return made;
}

}  // namespace

TEST_CASE("to_text: a swap names what was and what is current") {
  CHECK(to_text(swapped()) == "hello 1.0.0 -> hello 1.1.0  staged 0 ms, examined 0 ms, warmed 30 ms\n");
  CHECK(to_json(swapped())["swapped"] == true);
}

TEST_CASE("to_text: the first version of a plugin comes in the place of none") {
  serve::SwappedT first = swapped();
  first.before = std::make_unique<serve::GenerationT>();
  CHECK(to_text(first).starts_with("none -> hello 1.1.0  "));
}

TEST_CASE("to_text: a swap that changes nothing says so") {
  serve::SwappedT same = swapped();
  same.before = generation(2, "1.1.0");
  CHECK(to_text(same) == "hello 1.1.0: the file holds what is current already; nothing was swapped\n");
  CHECK(to_json(same)["swapped"] == false);
}

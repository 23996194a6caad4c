#include "tools/tenon/daemon_text.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

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

/// Returns a swap from 1.0.0 to 1.1.0, without a trial.
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
  CHECK(to_text(same) == "hello 1.1.0: the file holds the current version already; nothing was swapped\n");
  CHECK(to_json(same)["swapped"] == false);
}

TEST_CASE("to_text: a swap with a trial says how many calls were tried, and in which time") {
  const auto tried = [](std::uint64_t calls, std::int64_t milliseconds, bool shadow = false) {
    serve::SwappedT made = swapped();
    made.now->calls = calls;
    made.tried_ns = milliseconds * 1'000'000;
    const std::string text = to_text(made, shadow);
    return text.substr(text.rfind(", ") + 2);
  };
  CHECK(tried(0, 10'020) == "tried 0 calls in 10 s: inconclusive\n");
  CHECK(tried(1, 10'020) == "tried 1 call in 10 s\n");
  CHECK(tried(200, 850) == "tried 200 calls in 850 ms\n");
  CHECK(tried(12, 90'000) == "tried 12 calls in 1 min 30 s\n");
  CHECK(tried(1, 3'000, true) == "tried 1 call on both versions in 3 s: all compared results are equal\n");
  CHECK(tried(0, 3'000, true) == "tried 0 calls on both versions in 3 s: inconclusive\n");
}

TEST_CASE("to_text: a trial that was asked for and never began says why") {
  serve::SwappedT made = swapped();
  CHECK_FALSE(to_json(made).contains("untried"));
  CHECK(to_text(made).find("not tried") == std::string::npos);
  made.untried = "none of its tasks is idempotent";
  CHECK(to_text(made).ends_with("\n  not tried on any call: none of its tasks is idempotent\n"));
  CHECK(to_json(made)["untried"] == "none of its tasks is idempotent");
  // A trial that has started is reported separately.
  made.tried_ns = 1'000'000;
  CHECK(to_text(made).find("not tried") == std::string::npos);
}

TEST_CASE("to_text: a generation counts its calls") {
  serve::GenerationT one = *generation(1, "1.0.0");
  one.state = "current";
  one.calls = 1;
  CHECK(to_text(one).find("0 workers, 1 call, 0 failed, 0 crashed") != std::string::npos);
  one.calls = 1234;
  CHECK(to_text(one).find("1,234 calls") != std::string::npos);
}

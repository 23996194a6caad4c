#include "swap/judge.hpp"

#include <tenon_test/catch.hpp>

using namespace tenon;
using namespace tenon::internal;
using Kind = Judgement::Kind;

namespace {

constexpr std::chrono::seconds kEarly{1};
constexpr std::chrono::seconds kLate{60};

Conduct conduct(std::uint64_t calls, std::uint64_t failed = 0, std::uint64_t crashed = 0, std::int64_t p99_ns = 0) {
  return {.calls = calls, .failed = failed, .crashed = crashed, .p99_ns = p99_ns};
}

}  // namespace

TEST_CASE("judge_trial: goes on until enough calls or the end of the time") {
  const SwapOptions options;
  CHECK(judge_trial({}, {}, {}, options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_trial({}, conduct(199), {}, options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_trial({}, conduct(200), {}, options, kEarly).kind == Kind::kWell);
  CHECK(judge_trial({}, {}, {}, options, kLate).kind == Kind::kWell);
}

TEST_CASE("judge_trial: crashes count from the first call on, by their share") {
  const SwapOptions options;
  const Judgement few = judge_trial({}, conduct(1, 0, 1), {}, options, kEarly);
  CHECK(few.kind == Kind::kBack);
  CHECK(few.reason == "1 of 1 call crashed their worker (limit 1 %)");
  CHECK(judge_trial({}, conduct(40, 0, 2), {}, options, kEarly).reason ==
        "2 of 40 calls crashed their worker (limit 1 %)");
  CHECK(judge_trial({}, conduct(100, 0, 1), {}, options, kEarly).kind == Kind::kGoOn);
}

TEST_CASE("judge: crashes count above the old version's") {
  const SwapOptions options;
  // One call in twenty crashes with every version.
  const Conduct poisoned = conduct(100, 0, 5);
  CHECK(judge_trial(poisoned, conduct(100, 0, 6), {}, options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_trial(poisoned, conduct(100, 0, 7), {}, options, kEarly).reason ==
        "7 of 100 calls crashed their worker, 7 % against 5 % of the old version (limit 1 % more)");
  CHECK(judge_probation(poisoned, conduct(1000, 0, 50), options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_probation(poisoned, conduct(1000, 0, 70), options, kEarly).kind == Kind::kBack);
}

TEST_CASE("judge_trial: errors count from twenty calls on, above the old version's, early when it is clear") {
  const SwapOptions options;
  CHECK(judge_trial({}, conduct(19, 19), {}, options, kLate).kind == Kind::kWell);
  CHECK(judge_trial({}, conduct(20, 20), {}, options, kEarly).kind == Kind::kBack);
  // Two of twenty may be chance; at the end, the decision uses the available evidence.
  CHECK(judge_trial({}, conduct(20, 2), {}, options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_trial({}, conduct(20, 2), {}, options, kLate).reason ==
        "2 of 20 calls failed, 10 % against 0 % of the old version (limit 5 % more)");
  CHECK(judge_trial(conduct(100, 6), conduct(20, 2), {}, options, kLate).kind == Kind::kWell);
}

TEST_CASE("judge_trial: time counts once both have run a hundred calls") {
  SwapOptions options;
  options.canary_calls = 1000;
  const Conduct quick = conduct(100, 0, 0, 1'000'000);
  const Conduct slow = conduct(100, 0, 0, 4'000'000);
  CHECK(judge_trial(quick, slow, {}, options, kEarly).reason ==
        "its calls run 4 ms (p99) where the old version's run 1 ms: 4 times as long (limit 3)");
  CHECK(judge_trial(conduct(99, 0, 0, 1'000'000), slow, {}, options, kEarly).kind == Kind::kGoOn);
  options.max_p99_ratio = 0;
  CHECK(judge_trial(quick, slow, {}, options, kEarly).kind == Kind::kGoOn);
}

TEST_CASE("judge_trial: calls that only hang are no good end") {
  const SwapOptions options;
  Conduct hanging;
  hanging.running = 2;
  const Conduct old_version = conduct(100, 0, 0, 1'000'000);
  CHECK(judge_trial(old_version, hanging, {}, options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_trial(old_version, hanging, {}, options, kLate).kind == Kind::kBack);
  // Long calls are not suspicious if the old version's calls are long too.
  CHECK(judge_trial(conduct(100, 0, 0, 30'000'000'000), hanging, {}, options, kLate).kind == Kind::kWell);
}

TEST_CASE("judge_trial: one result that differs is enough") {
  SwapOptions options;
  options.shadow = true;
  CHECK(judge_trial({}, conduct(300), {200, 0, {}}, options, kEarly).kind == Kind::kWell);
  CHECK(judge_trial({}, conduct(300), {7, 1, "text.count: lines: 3 became 4"}, options, kEarly).reason ==
        "1 of 7 compared results differ from the old version's: text.count: lines: 3 became 4");
}

TEST_CASE("judge_probation: ends well with its time, or back before") {
  const SwapOptions options;
  CHECK(judge_probation({}, conduct(100'000), options, kEarly).kind == Kind::kGoOn);
  CHECK(judge_probation({}, {}, options, kLate).kind == Kind::kWell);
  CHECK(judge_probation({}, conduct(10, 0, 1), options, kEarly).kind == Kind::kBack);
  CHECK(judge_probation({}, conduct(1000, 500), options, kEarly).kind == Kind::kBack);
}

TEST_CASE("conduct_since: what happened before does not count") {
  GenerationTally start;
  start.calls = 10;
  start.crashed = 5;
  GenerationTally now = start;
  now.calls = 12;
  now.p99_ns = 7;
  const Conduct since = conduct_since(start, now);
  CHECK(since.calls == 2);
  CHECK(since.crashed == 0);
  CHECK(since.p99_ns == 7);
}

TEST_CASE("judge_probation: deaths of workers count by time, however many calls there are") {
  using namespace std::chrono_literals;
  const SwapOptions options;
  const auto record = [](std::uint64_t calls, std::uint64_t deaths, std::chrono::nanoseconds watched) {
    return Conduct{.calls = calls, .failed = 0, .crashed = deaths, .watched = watched};
  };
  // One call in a thousand kills its worker: far below the limit for the share of failures.
  const Judgement back = judge_probation(record(20'000, 0, 5s), conduct(22'000, 0, 22), options, 5s);
  CHECK(back.kind == Kind::kBack);
  CHECK(back.reason == "22 workers died of it within 5 s; the old version lost none in 5 s");
  // Two may be chance; three are significant if a long record has none.
  CHECK(judge_probation(record(200'000, 0, 60s), conduct(2'000, 0, 2), options, 2s).kind == Kind::kGoOn);
  CHECK(judge_probation(record(200'000, 0, 60s), conduct(3'000, 0, 3), options, 2s).kind == Kind::kBack);
  // An empty record proves little, so more crashes are needed.
  CHECK(judge_probation({}, conduct(3'000, 0, 3), options, 1s).kind == Kind::kGoOn);
  CHECK(judge_probation({}, conduct(22'000, 0, 22), options, 5s).kind == Kind::kBack);
  // Workers that died while they ran no call count as well.
  Conduct idle = conduct(10);
  idle.idle_deaths = 4;
  CHECK(judge_probation(record(200'000, 0, 60s), idle, options, 2s).kind == Kind::kBack);
}

TEST_CASE("judge_probation: a version that ends workers as often as the old one stays") {
  using namespace std::chrono_literals;
  const SwapOptions options;
  // Records of the old version with several lengths. The new version has the same rate with twice
  // the load, at each check.
  for (const double rate_per_s : {0.1, 1.0, 5.0, 20.0}) {
    for (const int old_s : {2, 10, 60, 600}) {
      for (const double load : {1.0, 2.0}) {
        const auto old_deaths = static_cast<std::uint64_t>(rate_per_s * old_s);
        const Conduct before{.calls = static_cast<std::uint64_t>(10'000) * static_cast<std::uint64_t>(old_s),
                             .failed = 0,
                             .crashed = old_deaths,
                             .watched = std::chrono::seconds(old_s)};
        for (int elapsed_s = 1; elapsed_s <= 30; ++elapsed_s) {
          CAPTURE(rate_per_s, old_s, load, elapsed_s);
          const auto deaths = static_cast<std::uint64_t>(rate_per_s * load * elapsed_s);
          const auto calls = static_cast<std::uint64_t>(10'000 * load * elapsed_s);
          if (old_deaths == 0 && load > 1) {
            continue;  // There is no load to compare with.
          }
          REQUIRE(judge_probation(before, conduct(calls, 0, deaths), options, std::chrono::seconds(elapsed_s)).kind !=
                  Kind::kBack);
        }
      }
    }
  }
}

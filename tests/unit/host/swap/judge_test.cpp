#include "host/swap/judge.hpp"

#include <tenon_test/catch.hpp>

using namespace tenon;
using namespace tenon::internal;
using Kind = Judgement::Kind;

namespace {

constexpr std::chrono::seconds kEarly{1};
constexpr std::chrono::seconds kLate{60};

Conduct conduct(std::uint64_t calls, std::uint64_t failed = 0, std::uint64_t crashed = 0, std::int64_t p99_ns = 0) {
  return {calls, failed, crashed, p99_ns, 0};
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
  // One call in twenty crashes every version.
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
  // Two of twenty may be chance; at the end it is what there is.
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
  // Long calls are nothing strange where the old version's are long too.
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

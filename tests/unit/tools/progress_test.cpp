#include "tools/tenon/progress.hpp"

#include <atomic>
#include <string>

#include "tenon_test/catch.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

StageReport source(std::uint64_t out, std::uint64_t expected, bool ended) {
  StageReport stage;
  stage.kind = "source";
  stage.items_out = out;
  stage.expected_items = expected;
  stage.ended = ended;
  return stage;
}

StageReport map_stage(std::uint64_t in_flight, std::uint64_t queued) {
  StageReport stage;
  stage.kind = "map";
  stage.in_flight = in_flight;
  stage.queued = queued;
  return stage;
}

/// Collects the output to standard error.
struct Terminal {
  std::string written;
  World world;
  Terminal() {
    world.write_error = [this](std::string_view text) { written += text; };
    world.error_is_terminal = true;
    world.error_width = [] { return 20U; };
  }
};

}  // namespace

TEST_CASE("group_digits: threes from the right") {
  CHECK(group_digits(0) == "0");
  CHECK(group_digits(999) == "999");
  CHECK(group_digits(1000) == "1,000");
  CHECK(group_digits(1234567) == "1,234,567");
  CHECK(group_digits(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("format_duration: seconds, minutes, hours") {
  CHECK(format_duration(0) == "0 s");
  CHECK(format_duration(0.2) == "1 s");
  CHECK(format_duration(59) == "59 s");
  CHECK(format_duration(65) == "1 min 05 s");
  CHECK(format_duration(7500) == "2 h 05 min");
  CHECK(format_duration(-1) == "0 s");
}

TEST_CASE("run_state: the results of an expand take the place of its items") {
  RunReport report;
  report.stages = {source(10, 10, true), map_stage(0, 0), map_stage(3, 97)};
  StageReport& expand = report.stages[1];
  expand.kind = "expand";
  expand.items_out = 5000;
  expand.grouped = 8;
  expand.in_flight = 2;
  const RunState state = run_state(report);
  CHECK(state.given == 10 + 5000 - 8);
  CHECK(state.in_flight == 102);
  CHECK(state.done == 4900);
  CHECK_FALSE(state.expected);
}

TEST_CASE("cut_to_columns: never inside a character") {
  CHECK(cut_to_columns("abc", 5) == "abc");
  CHECK(cut_to_columns("abc", 2) == "ab");
  CHECK(cut_to_columns("\xC3\xA4\xC3\xB6\xC3\xBC", 2) == "\xC3\xA4\xC3\xB6");
  CHECK(cut_to_columns("abc", 0).empty());
}

TEST_CASE("run_state: what waits or runs is not done") {
  RunReport report;
  report.stages = {source(10, 0, false), map_stage(2, 3)};
  const RunState state = run_state(report);
  CHECK(state.given == 10);
  CHECK(state.done == 5);
  CHECK_FALSE(state.expected);
}

TEST_CASE("run_state: expected only when every source knows") {
  RunReport report;
  report.stages = {source(10, 100, false), source(7, 0, true)};
  CHECK(run_state(report).expected == 107U);
  report.stages.push_back(source(1, 0, false));
  CHECK_FALSE(run_state(report).expected);
}

TEST_CASE("run_state: more waiting than given counts as nothing done") {
  RunReport report;
  report.stages = {source(1, 0, false), map_stage(5, 5)};
  CHECK(run_state(report).done == 0);
}

TEST_CASE("ProgressMeter: items, rate, failures, time left") {
  ProgressMeter meter("inventory");
  RunReport report;
  report.stages = {source(0, 1000, false)};
  CHECK(meter.line(report, 0) == "inventory: 0 of 1,000 items, 0 s");
  report.stages = {source(200, 1000, false)};
  report.failure_count = 3;
  CHECK(meter.line(report, 2) == "inventory: 200 of 1,000 items, 100/s, 3 failed, 2 s, 8 s left");
}

TEST_CASE("ProgressMeter: no time left without a known end") {
  ProgressMeter meter("walk");
  RunReport report;
  report.stages = {source(1, 0, false)};
  CHECK(meter.line(report, 1) == "walk: 1 item, 1 s");
}

TEST_CASE("ProgressMeter: the rate is that of the last seconds") {
  ProgressMeter meter("walk");
  RunReport report;
  for (int second = 0; second <= 100; ++second) {
    const std::uint64_t items = second <= 50 ? 0U : static_cast<std::uint64_t>(second - 50) * 1000U;
    report.stages = {source(items, 0, false)};
    static_cast<void>(meter.line(report, second));
  }
  CHECK(meter.line(report, 100).find("1,000/s") != std::string::npos);
}

TEST_CASE("StatusLine: draws over itself, cut to the terminal") {
  Terminal terminal;
  {
    StatusLine status(terminal.world, true);
    status.update("0123456789012345678901234");
    CHECK(terminal.written == "\r0123456789012345678\x1b[K");
    terminal.written.clear();
    status.update("0123456789012345678901234");
    CHECK(terminal.written.empty());
    status.print("text\n");
    CHECK(terminal.written == "\r\x1b[Ktext\n0123456789012345678");
    terminal.written.clear();
  }
  CHECK(terminal.written == "\r\x1b[K");
}

TEST_CASE("StatusLine: draws nothing when it is off or there is no terminal") {
  Terminal terminal;
  {
    StatusLine off(terminal.world, false);
    off.update("x");
    terminal.world.error_is_terminal = false;
    StatusLine none(terminal.world, true);
    none.update("x");
    none.print("text\n");
  }
  CHECK(terminal.written == "text\n");
}

TEST_CASE("RunProgress: the first interrupt is said on the line, and without a terminal once") {
  for (const bool is_terminal : {true, false}) {
    Terminal terminal;
    std::atomic<int> interrupts{0};
    terminal.world.error_is_terminal = is_terminal;
    terminal.world.error_width = [] { return 200U; };
    terminal.world.interrupts = &interrupts;
    StatusLine status(terminal.world, true);
    RunProgress progress(terminal.world, status, "walk");
    RunReport report;
    report.stages = {source(9, 0, false), map_stage(2, 3)};
    progress.show(report, 1);
    CHECK(terminal.written == (is_terminal ? "\rwalk: 4 items, 1 s\x1b[K" : ""));
    terminal.written.clear();
    interrupts = 1;
    progress.show(report, 2);
    const std::string line = "interrupted: finishing 5 items in flight; Ctrl-C again stops at once";
    CHECK(terminal.written == (is_terminal ? "\r" + line + "\x1b[K" : "tenon: " + line + "\n"));
    terminal.written.clear();
    report.stages[1] = map_stage(1, 0);
    progress.show(report, 3);
    CHECK(terminal.written ==
          (is_terminal ? "\rinterrupted: finishing 1 item in flight; Ctrl-C again stops at once\x1b[K" : ""));
  }
}

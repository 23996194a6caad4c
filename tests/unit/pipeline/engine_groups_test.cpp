// A reduce by keys and windows, with simulated workers: against a reference, and with deaths at each point.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "load.hpp"
#include "pipeline/time_text.hpp"
#include "pipeline/watermark.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using namespace std::chrono_literals;
using internal::parse_time;
using internal::time_text;

/// A result of a group, as the stages behind it see it.
struct GroupResult {
  std::string key;
  std::string start;
  std::string end;
  bool final = true;
  std::vector<std::string> items;
};

bool operator==(const GroupResult& one, const GroupResult& other) {
  return std::tie(one.key, one.start, one.end, one.final, one.items) ==
         std::tie(other.key, other.start, other.end, other.final, other.items);
}
bool operator<(const GroupResult& one, const GroupResult& other) {
  return std::tie(one.key, one.start, one.end, one.items) < std::tie(other.key, other.start, other.end, other.items);
}

/// Returns a reduce `s` of `numbers` with these keys. One sink gets its results, another one records of
/// what they carry.
std::string grouped_numbers(const std::string& keys, const std::string& fields) {
  return "[stages.s]\nkind = \"reduce\"\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n" + keys +
         "[stages.p]\nkind = \"project\"\ninputs = [\"s\"]\nfields = " + fields +
         "\n[sinks.show]\ntask = \"tenon.show\"\ninputs = [\"p\"]\norder = \"input\"\n"
         "[sinks.all]\ntask = \"tenon.discard\"\ninputs = [\"s\"]\norder = \"input\"\n";
}

const std::string kByKey = "{ key = \"@key\" }";
const std::string kByWindow =
    "{ key = \"@key\", start = \"@window_start\", end = \"@window_end\", final = \"@window_final\" }";

std::map<std::string, std::string> record_of(const std::string& text) {
  const Buffer bytes(text.begin(), text.end());  // A copy that is aligned as a reply is.
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  REQUIRE(verifier.VerifyBuffer<Record>(nullptr));
  std::map<std::string, std::string> out;
  for (const RecordField* const field : *flatbuffers::GetRoot<Record>(bytes.data())->fields()) {
    std::string& value = out[field->name()->str()];
    if (field->value_type() == Scalar::TextValue) {
      value = field->value_as_TextValue()->value()->str();
    } else if (field->value_type() == Scalar::IntValue) {
      value = std::to_string(field->value_as_IntValue()->value());
    } else if (field->value_type() == Scalar::BoolValue) {
      value = field->value_as_BoolValue()->value() ? "true" : "false";
    }
  }
  return out;
}

/// Returns the results in the order in which they came.
std::vector<GroupResult> group_results(FakeExecutor& executor) {
  const std::vector<std::string>& records = executor.task("tenon.show").arguments;
  const std::vector<std::string>& joined = executor.task("tenon.discard").arguments;
  REQUIRE(records.size() == joined.size());
  std::vector<GroupResult> out;
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::map<std::string, std::string> record = record_of(records[i]);
    out.push_back({record["key"], record["start"], record["end"], record["final"] != "false", split(joined[i])});
  }
  return out;
}

/// An item of a random stream. Its value is a time in seconds.
struct Arrived {
  std::int64_t seconds = 0;
  std::string key;
  std::string text;
};

std::vector<Arrived> random_stream(std::mt19937& random, int count, int keys, int disorder, int most_step) {
  const auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  std::vector<Arrived> out;
  std::int64_t now = draw(-1000, 1'700'000'000);
  for (int i = 0; i < count; ++i) {
    now += draw(0, 9) == 0 ? draw(0, most_step) : draw(0, 1);
    Arrived item;
    item.seconds = now - draw(0, disorder);
    item.key = "g" + std::to_string(draw(1, keys));
    item.text = "value=" + std::to_string(item.seconds) + ";group=" + item.key + ";id=" + std::to_string(i);
    out.push_back(std::move(item));
  }
  return out;
}

std::string text_at(std::int64_t seconds) {
  return time_text(seconds * 1'000'000'000);
}

/// What a stream must give, computed in the simplest way.
struct Expected {
  std::vector<GroupResult> results;
  std::uint64_t late = 0;
};

Expected fixed_windows(const std::vector<Arrived>& stream, std::int64_t size, std::int64_t slide,
                       std::optional<std::int64_t> lateness) {
  struct Window {
    std::size_t number = 0;
    std::vector<std::string> items;
  };
  Expected out;
  std::map<std::pair<std::string, std::int64_t>, Window> open;  // By key and start.
  std::size_t opened = 0;
  std::optional<std::int64_t> greatest;
  const auto over = [&](std::int64_t end) { return greatest && lateness && end <= *greatest - *lateness; };
  const auto close = [&](bool all) {
    // Windows that end together give their results in the order of their first items.
    std::map<std::pair<std::int64_t, std::size_t>, GroupResult> due;
    for (auto one = open.begin(); one != open.end();) {
      const auto& [key, start] = one->first;
      if (!all && !over(start + size)) {
        ++one;
        continue;
      }
      due[{start, one->second.number}] = {key, text_at(start), text_at(start + size), true, one->second.items};
      one = open.erase(one);
    }
    for (auto& [order, result] : due) {
      out.results.push_back(std::move(result));
    }
  };
  for (const Arrived& item : stream) {
    bool late = true;
    // Every start near the time is tried.
    for (std::int64_t start = item.seconds - size - slide; start <= item.seconds; ++start) {
      if (((start % slide) + slide) % slide != 0 || start + size <= item.seconds || over(start + size)) {
        continue;
      }
      late = false;
      const auto [window, opens] = open.try_emplace({item.key, start});
      if (opens) {
        window->second.number = opened++;
      }
      window->second.items.push_back(item.text);
    }
    out.late += late ? 1 : 0;
    greatest = std::max(greatest.value_or(item.seconds), item.seconds);
    close(false);
  }
  close(true);
  return out;
}

Expected session_windows(const std::vector<Arrived>& stream, std::int64_t gap, std::optional<std::int64_t> lateness) {
  Expected out;
  std::map<std::string, std::vector<const Arrived*>> by_key;
  std::optional<std::int64_t> greatest;
  for (const Arrived& item : stream) {
    if (greatest && lateness && item.seconds < *greatest - *lateness) {
      ++out.late;
    } else {
      by_key[item.key].push_back(&item);
    }
    greatest = std::max(greatest.value_or(item.seconds), item.seconds);
  }
  for (auto& [key, items] : by_key) {
    std::stable_sort(items.begin(), items.end(),
                     [](const Arrived* a, const Arrived* b) { return a->seconds < b->seconds; });
    std::optional<std::int64_t> last;
    for (const Arrived* const item : items) {
      if (!last || item->seconds - *last >= gap) {
        out.results.push_back({key, text_at(item->seconds), {}, true, {}});
      }
      last = item->seconds;
      out.results.back().items.push_back(item->text);
      out.results.back().end = text_at(item->seconds + gap);
    }
  }
  std::sort(out.results.begin(), out.results.end());
  return out;
}

void give_stream(FakeExecutor& executor, const std::vector<Arrived>& stream) {
  executor.task("tenon.numbers").item = [&stream](std::int64_t number) {
    return stream[static_cast<std::size_t>(number)].text;
  };
}

/// Lets workers die, lose sessions and refuse checkpoints here and there.
void disturb_groups(FakeExecutor& executor, std::mt19937& random) {
  const auto some = [&](int count, int most) {
    std::set<int> out;
    for (int i = 0; i < count; ++i) {
      out.insert(std::uniform_int_distribution<int>(0, most)(random));
    }
    return out;
  };
  FakeTask& task = executor.task("tenon.sum");
  // Three deaths in its own operations are survived, wherever they are.
  task.crashes = some(1, 200);
  task.open_crashes = some(1, 60);
  task.checkpoint_crashes = some(1, 40);
  task.losses = some(6, 200);
  task.open_losses = some(6, 60);
  task.checkpoint_losses = some(6, 40);
  task.checkpoint_failures = random() % 2 == 0 ? some(6, 40) : std::set<int>();
}

const std::string kNumbersAndSeconds = "time = \"value\", unit = \"s\"";

}  // namespace

TEST_CASE("Groups: each key has one result with all its items in the order of the first ones") {
  const Graph::Impl graph = graph_of(numbers(10'000) + grouped_numbers("by = \"group\"\n", kByKey));
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  const std::vector<GroupResult> given = group_results(executor);
  REQUIRE(given.size() == 3);
  std::size_t items = 0;
  for (std::size_t key = 0; key < 3; ++key) {
    CHECK(given[key].key == "g" + std::to_string(key));
    std::vector<std::string> expected;
    for (std::size_t i = key; i < 10'000; i += 3) {
      expected.push_back("value=" + std::to_string(i) + ";group=g" + std::to_string(key));
    }
    CHECK(given[key].items == expected);
    items += given[key].items.size();
  }
  CHECK(items == 10'000);
  CHECK(stage(report, "s").grouped == 10'000);
  CHECK(stage(report, "s").items_out == 3);
  check_accounts(graph, report, true);
}

TEST_CASE("Groups: several keys and absent ones and what a map passes on") {
  const Graph::Impl graph = graph_of(numbers(12) + R"(
[stages.s]
kind = "reduce"
task = "tenon.sum"
inputs = ["numbers"]
by = ["group", "value"]
[stages.double]
task = "tenon.double"
inputs = ["s"]
[stages.few]
kind = "filter"
inputs = ["double"]
where = { "@key.value" = "< 2", "@key.group" = { not = "g1" } }
[stages.p]
kind = "project"
inputs = ["few"]
fields = { group = "@key.group", value = "@key.value" }
[sinks.show]
task = "tenon.show"
inputs = ["p"]
order = "input"
)");
  FakeExecutor executor;
  executor.task("tenon.numbers").item = [](std::int64_t number) {
    return number % 4 == 3 ? "value=1"
                           : "value=" + std::to_string(number % 4) + ";group=g" + std::to_string(number % 2);
  };
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "s").items_out == 4);
  std::vector<std::string> shown;
  for (const std::string& argument : executor.task("tenon.show").arguments) {
    std::map<std::string, std::string> record = record_of(argument);
    shown.push_back(record["group"] + "/" + record["value"]);
  }
  CHECK(sorted(shown) == std::vector<std::string>{"/1", "g0/0"});
  check_accounts(graph, report, true);
}

TEST_CASE("Groups: windows of random streams are those of a reference whatever dies") {
  for (std::uint32_t seed = 1; seed <= 120; ++seed) {
    std::mt19937 random(seed);
    const auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
    const std::vector<Arrived> stream =
        random_stream(random, draw(1, 700), draw(1, seed % 4 == 0 ? 150 : 6), draw(0, 40), draw(1, 60));
    std::optional<std::int64_t> lateness;
    if (draw(0, 3) > 0) {
      lateness = draw(0, 50);
    }
    const std::string suffix =
        (lateness ? ", lateness = \"" + std::to_string(*lateness) + "s\" }\n" : std::string(" }\n"));
    std::string keys = "by = \"group\"\nwindow = { " + kNumbersAndSeconds + ", ";
    Expected expected;
    const int kind = draw(0, 2);
    if (kind == 2) {
      const int gap = draw(1, 30);
      keys += "gap = \"" + std::to_string(gap) + "s\"" + suffix;
      expected = session_windows(stream, gap, lateness);
    } else {
      const int slide = draw(1, 20);
      const int size = kind == 0 ? slide : slide + draw(0, 40);
      keys += "size = \"" + std::to_string(size) + "s\", slide = \"" + std::to_string(slide) + "s\"" + suffix;
      expected = fixed_windows(stream, size, slide, lateness);
    }
    const std::string text = numbers(static_cast<int>(stream.size())) + grouped_numbers(keys, kByWindow);
    INFO("seed " << seed << "\n" << text);
    const Graph::Impl graph = graph_of(text);
    FakeExecutor executor(seed, 1 + seed % 4);
    give_stream(executor, stream);
    executor.task("tenon.sum").checkpoints = seed % 5 != 0;
    if (seed % 2 == 0) {
      disturb_groups(executor, random);
    }
    RunOptions options;
    if (seed % 7 == 0) {
      options.control = std::make_shared<RunControl>();
      executor.on_wait = [&] { executor.waits() % 7 == 0 ? options.control->pause() : options.control->resume(); };
    }
    const RunReport report = run(graph, executor, options);
    INFO((report.error ? report.error->message : std::string()));
    REQUIRE(report.end == RunReport::End::kDone);
    std::vector<GroupResult> given = group_results(executor);
    // Results come in the order in which windows end.
    CHECK(std::is_sorted(given.begin(), given.end(), [](const GroupResult& one, const GroupResult& other) {
      return *parse_time(one.end) < *parse_time(other.end);
    }));
    if (kind == 2) {
      std::sort(given.begin(), given.end());
    }
    CHECK(given.size() == expected.results.size());
    CHECK(given == expected.results);
    CHECK(stage(report, "s").dropped == expected.late);
    CHECK(stage(report, "s").note.empty() == (expected.late == 0));
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Groups: a death at any point of a session costs a group nothing") {
  std::mt19937 random(5);
  const std::vector<Arrived> stream = random_stream(random, 7500, 100, 0, 1);
  const std::string text = numbers(7500) + grouped_numbers("by = \"group\"\nworkers = 3\n", kByKey);
  const Graph::Impl graph = graph_of(text);
  const auto run_with = [&](const std::function<void(FakeTask&)>& deaths) {
    FakeExecutor executor;
    give_stream(executor, stream);
    deaths(executor.task("tenon.sum"));
    const RunReport report = run(graph, executor);
    INFO((report.error ? report.error->message : std::string()));
    REQUIRE(report.end == RunReport::End::kDone);
    check_accounts(graph, report, true);
    return std::pair(group_results(executor), stage(report, "s").retried);
  };
  const auto [expected, none] = run_with([](FakeTask&) {});
  CHECK(expected.size() == 100);
  CHECK(none == 0);
  for (const bool checkpoints : {true, false}) {
    for (int at = 0; at < 290; at += 3) {
      INFO("operation " << at << (checkpoints ? "" : " without checkpoints"));
      const auto [given, retried] = run_with([&](FakeTask& task) {
        task.checkpoints = checkpoints;
        task.crashes = {at};
        task.open_losses = {at / 2};
        task.open_crashes = {at / 3 + 1};
        task.checkpoint_crashes = {at / 8};
        task.checkpoint_losses = {at / 8 + 3};
      });
      CHECK(given == expected);
      CHECK(retried > 0);
    }
  }
}

TEST_CASE("Groups: a fourth death at the same position ends the run and names the group") {
  const Graph::Impl graph = graph_of(numbers(30) + grouped_numbers("by = \"group\"\n", kByKey));
  FakeExecutor executor;
  for (int i = 0; i < 40; ++i) {
    executor.task("tenon.sum").open_crashes.insert(i);
  }
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  CHECK(report.failed_stage == "s");
  REQUIRE(report.error);
  CHECK(report.error->message.starts_with("reduce 's' (tenon.sum) failed: the worker died with signal 11"));
  CHECK(report.error->message.find("it was the group group = 'g") != std::string::npos);
  CHECK(report.error->message.find("it died 4 times at the same position") != std::string::npos);
}

TEST_CASE("Groups: an error of the task ends the run and names the group") {
  const Graph::Impl graph =
      graph_of(numbers(30) +
               grouped_numbers("by = \"group\"\nwindow = { size = \"10s\", " + kNumbersAndSeconds + " }\n", kByKey));
  FakeExecutor executor;
  executor.task("tenon.sum").failures = {2};
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message.find("the disk is full; it was the group group = 'g") != std::string::npos);
  CHECK(report.error->message.find("1970-01-01T00:00:") != std::string::npos);
}

TEST_CASE("Groups: many keys share a bounded number of sessions") {
  std::mt19937 random(7);
  const std::vector<Arrived> stream = random_stream(random, 60'000, 400, 0, 1);
  const Graph::Impl graph = graph_of(numbers(60'000) + grouped_numbers("by = \"group\"\nworkers = 4\n", kByKey));
  FakeExecutor executor;
  give_stream(executor, stream);
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  const FakeTask& task = executor.task("tenon.sum");
  CHECK(task.most_sessions <= 64 + 4);
  CHECK(task.most_running <= 4);
  CHECK(task.opened > 400);
  CHECK(task.opened < 60'000 / 30);
  const std::vector<GroupResult> given = group_results(executor);
  CHECK(given.size() == 400);
  std::map<std::string, std::vector<std::string>> expected;
  for (const Arrived& item : stream) {
    expected[item.key].push_back(item.text);
  }
  for (const GroupResult& one : given) {
    CHECK(one.items == expected[one.key]);
  }
  check_accounts(graph, report, true);
}

TEST_CASE("Groups: items are put away in checkpoints before they fill the memory") {
  std::mt19937 random(8);
  const std::vector<Arrived> stream = random_stream(random, 60'000, 2000, 0, 1);
  const auto run_within = [&](const std::string& memory, bool checkpoints, RunReport& report) {
    const Graph::Impl graph =
        graph_of(numbers(60'000) + grouped_numbers("by = \"group\"\nmemory = \"" + memory + "\"\n", kByKey));
    FakeExecutor executor;
    give_stream(executor, stream);
    executor.task("tenon.sum").checkpoints = checkpoints;
    report = run(graph, executor);
    return report.end == RunReport::End::kDone ? group_results(executor).size() : 0;
  };
  RunReport report;
  // All items and what each of them costs are about 8 MiB; their texts, which the checkpoints have, 2.5 MiB.
  CHECK(run_within("5MiB", true, report) == 2000);
  CHECK(run_within("5MiB", false, report) == 0);
  REQUIRE(report.error);
  CHECK(report.failed_stage == "s");
  CHECK(report.error->message.find("the limit ('memory') is 5") != std::string::npos);
  CHECK(report.error->message.find("the task gives no checkpoints") != std::string::npos);
  CHECK(run_within("2MiB", true, report) == 0);
  REQUIRE(report.error);
  CHECK(report.error->message.find("of items and checkpoints, and the limit ('memory') is 2") != std::string::npos);
  CHECK(report.error->message.find("gives no checkpoints") == std::string::npos);
}

TEST_CASE("Groups: more groups than the limit end the run and name what to do") {
  const Graph::Impl graph = graph_of(numbers(100) + grouped_numbers("by = \"value\"\ngroups = 40\n", kByKey));
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message ==
        "reduce 's' (tenon.sum) failed: more than 40 groups are open at once, the limit ('groups'); the one beyond it "
        "is value = 40. Raise the limit, take fields with fewer values for 'by', or let windows end earlier");
  // Windows that are over do not count.
  const Graph::Impl moving = graph_of(
      numbers(1000) + grouped_numbers("by = \"value\"\ngroups = 40\nwindow = { size = \"10s\", lateness = \"5s\", " +
                                          kNumbersAndSeconds + " }\n",
                                      kByKey));
  FakeExecutor other;
  const RunReport moved = run(moving, other);
  CHECK(moved.end == RunReport::End::kDone);
  CHECK(group_results(other).size() == 1000);
}

TEST_CASE("Groups: items without a valid time or key fail by themselves") {
  const Graph::Impl graph =
      graph_of(numbers(6) +
               grouped_numbers("by = \"group\"\nwindow = { size = \"1m\", " + kNumbersAndSeconds + " }\n", kByWindow));
  FakeExecutor executor;
  executor.task("tenon.numbers").item = [](std::int64_t number) -> std::string {
    switch (number) {
      case 1:
        return "value=9000000000000;group=g";
      case 3:
        return "value=3;group=corrupt";
      case 4:
        return "value=4;group=" + std::string(70'000, 'x');
      default:
        return "value=" + std::to_string(number) + ";group=g";
    }
  };
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "s").failed == 3);
  CHECK(stage(report, "s").grouped == 3);
  REQUIRE(report.failures.size() == 3);
  CHECK(report.failures[0].error.message ==
        "its time 9000000000000 is not between 1748 and 2191; correct the data, or set 'unit'");
  CHECK(report.failures[1].error.message == "its key 'group' is not valid");
  CHECK(report.failures[2].error.message == "its key 'group' has 70000 bytes; a key has at most 65536");
  REQUIRE(group_results(executor).size() == 1);
  CHECK(group_results(executor)[0].start == "1970-01-01T00:00:00Z");
  check_accounts(graph, report, true);
}

TEST_CASE("Groups: times can be texts and a window without keys is one group") {
  const std::string stage_of_texts = R"([stages.s]
kind = "reduce"
task = "tenon.sum"
inputs = ["numbers"]
window = { size = "1h", time = "group", lateness = "0s" }
[stages.p]
kind = "project"
inputs = ["s"]
fields = { start = "@window_start" }
[sinks.show]
task = "tenon.show"
inputs = ["p"]
order = "input"
)";
  const Graph::Impl graph = graph_of(numbers(5) + stage_of_texts);
  FakeExecutor executor;
  static const char* const kTimes[] = {"2026-11-30T22:59:59.9Z", "2026-11-30 23:00:00", "2026-12-01T00:30:00+01:00",
                                       "today", "2026-11-30T22:00:00Z"};
  executor.task("tenon.numbers").item = [](std::int64_t number) {
    return "value=1;group=" + std::string(kTimes[number]);
  };
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "s").dropped == 1);
  CHECK(stage(report, "s").note == "1 item was late: its windows were over");
  CHECK(stage(report, "s").failed == 1);
  std::vector<std::string> starts;
  for (const std::string& argument : executor.task("tenon.show").arguments) {
    starts.push_back(record_of(argument)["start"]);
  }
  CHECK(starts == std::vector<std::string>{"2026-11-30T22:00:00Z", "2026-11-30T23:00:00Z"});
}

TEST_CASE("Groups: windows by arrival end by the clock and have each item once") {
  for (const bool sessions : {false, true}) {
    const std::string window =
        sessions ? "window = { gap = \"250ms\" }\n" : "window = { size = \"1s\", slide = \"1s\" }\n";
    const Graph::Impl graph = graph_of(numbers(500) + grouped_numbers("by = \"group\"\n" + window, kByWindow));
    FakeExecutor executor;
    FakeTask& source = executor.task("tenon.numbers");
    source.least = 1ms;
    source.most = 400ms;
    std::map<std::string, std::size_t> arrived;
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(stage(report, "s").dropped == 0);
    std::vector<std::string> all;
    std::map<std::string, std::int64_t> last_end;
    const std::vector<GroupResult> given = group_results(executor);
    for (const GroupResult& one : given) {
      const std::int64_t start = *parse_time(one.start);
      const std::int64_t length = *parse_time(one.end) - start;
      CHECK((sessions ? length >= 250'000'000 : length == 1'000'000'000 && start % 1'000'000'000 == 0));
      CHECK(last_end[one.key] <= start);
      last_end[one.key] = start + length;
      all.insert(all.end(), one.items.begin(), one.items.end());
    }
    CHECK(given.size() > 6);
    CHECK(sorted(all) == sorted(values(500)));
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Groups: early results have what came so far and the last one everything") {
  for (const bool checkpoints : {true, false}) {
    for (const int death : {-1, 5, 20, 21, 22, 40}) {
      const Graph::Impl graph =
          graph_of(numbers(600) + grouped_numbers("by = \"group\"\nwindow = { size = \"300s\", early = \"50ms\", " +
                                                      kNumbersAndSeconds + ", lateness = \"0s\" }\n",
                                                  kByWindow));
      FakeExecutor executor;
      executor.task("tenon.numbers").least = 1ms;
      executor.task("tenon.numbers").most = 20ms;
      executor.task("tenon.numbers").per_item = 1ms;
      executor.task("tenon.sum").checkpoints = checkpoints;
      executor.task("tenon.sum").crashes = {death};
      executor.task("tenon.sum").checkpoint_losses = {death / 4};
      const RunReport report = run(graph, executor);
      INFO((report.error ? report.error->message : std::string()));
      REQUIRE(report.end == RunReport::End::kDone);
      std::map<std::string, std::vector<std::string>> so_far;
      std::size_t early = 0;
      std::size_t last = 0;
      for (const GroupResult& one : group_results(executor)) {
        std::vector<std::string>& before = so_far[one.key + one.start];
        REQUIRE(one.items.size() >= before.size());
        CHECK(std::equal(before.begin(), before.end(), one.items.begin()));
        CHECK((one.final || one.items.size() > before.size()));
        before = one.items;
        (one.final ? last : early) += 1;
        if (one.final) {
          CHECK(one.items.size() == 100);
        }
      }
      CHECK(last == 6);
      CHECK(early > 6);
      CHECK(stage(report, "s").grouped == 600);
      check_accounts(graph, report, true);
    }
  }
}

TEST_CASE("Groups: the input that is furthest behind holds windows open unless it is idle") {
  const auto run_with = [](const std::string& idle) {
    const Graph::Impl graph = graph_of(numbers(100) + R"([sources.slow]
task = "other.scan_numbers"
args = { root = "/" }
[stages.s]
kind = "reduce"
task = "tenon.sum"
inputs = ["numbers", "slow"]
window = { size = "10s", time = "value", unit = "s", lateness = "0s")" +
                                       idle + R"( }
[sinks.all]
task = "tenon.discard"
inputs = ["s"]
order = "input"
)");
    FakeExecutor executor;
    FakeTask& slow = executor.task("other.scan_numbers");
    slow.least = slow.most = 60s;
    const auto began = executor.now();
    std::chrono::nanoseconds last_result{0};
    std::size_t given = 0;
    executor.on_wait = [&] {
      const std::size_t now_given = executor.task("tenon.discard").arguments.size();
      last_result = now_given > given ? executor.now() - began : last_result;
      given = now_given;
    };
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kDone);
    check_accounts(graph, report, true);
    return std::pair(last_result, executor.task("tenon.discard").arguments);
  };
  // `scan_numbers` has no count, so it gives nothing, and ends late.
  const auto [waited, all] = run_with("");
  CHECK(all.size() == 10);
  CHECK(waited >= 60s);
  const auto [idled, same] = run_with(", idle = \"5s\"");
  CHECK(same == all);
  CHECK(idled >= 5s);
  CHECK(idled < 6s);
}

TEST_CASE("Groups: a stop drops the groups that are open and finishes those that are over") {
  for (const bool checkpoints : {true, false}) {
    const Graph::Impl graph =
        graph_of(numbers(1'000'000) + grouped_numbers("by = \"group\"\nwindow = { size = \"50s\", lateness = \"0s\", " +
                                                          kNumbersAndSeconds + " }\n",
                                                      kByWindow));
    FakeExecutor executor;
    executor.task("tenon.sum").checkpoints = checkpoints;
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    executor.on_wait = [&] { stop = executor.waits() > 300 ? 1 : 0; };
    const RunReport report = run(graph, executor, options);
    CHECK(report.end == RunReport::End::kInterrupted);
    const std::vector<GroupResult> given = group_results(executor);
    CHECK(given.size() > 3);
    for (const GroupResult& one : given) {
      CHECK(one.items.size() >= 16);  // A third of a window.
    }
    CHECK(stage(report, "s").dropped > 0);
    CHECK(stage(report, "s").note.find("the run was interrupted before its input ended") != std::string::npos);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Groups: a limit behind the stage ends it in good order") {
  const Graph::Impl graph = graph_of(
      numbers(1'000'000) +
      "[stages.s]\nkind = \"reduce\"\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\nby = \"group\"\nwindow = { size = "
      "\"50s\", lateness = \"0s\", " +
      kNumbersAndSeconds +
      " }\n[stages.few]\nkind = \"limit\"\nitems = 5\ninputs = [\"s\"]\n[sinks.all]\ntask = \"tenon.discard\"\ninputs "
      "= "
      "[\"few\"]\n");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(executor.task("tenon.discard").arguments.size() == 5);
  CHECK(stage(report, "numbers").items_out < 20'000);
  CHECK(executor.task("tenon.sum").sessions == 0);
}

TEST_CASE("Groups: a slow consumer holds back results and then the input") {
  const Graph::Impl graph =
      graph_of("[pipeline]\nqueue = { items = 4 }\n" + numbers(3000) +
               "[stages.s]\nkind = \"reduce\"\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n"
               "by = \"value\"\nwindow = { size = \"1s\", lateness = \"0s\", " +
               kNumbersAndSeconds + " }\n[sinks.all]\ntask = \"tenon.discard\"\ninputs = [\"s\"]\nworkers = 1\n");
  FakeExecutor executor;
  executor.task("tenon.discard").least = executor.task("tenon.discard").most = 1ms;
  RunOptions options;
  bool bounded = true;
  options.on_progress = [&](const RunReport& report) {
    const StageReport& one = stage(report, "s");
    bounded = bounded && one.items_in - one.items_out - one.queued <= 1024 + 300;
  };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(bounded);
  CHECK(stage(report, "all").items_out == 3000);
  check_accounts(graph, report, true);
}

TEST_CASE("Groups: errors in the file have their place and a remedy") {
  const auto errors = [](const std::string& keys) {
    return load(numbers(1) + "[stages.s]\nkind = \"reduce\"\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n" + keys +
                "[sinks.all]\ntask = \"tenon.discard\"\ninputs = [\"s\"]\n")
        .messages;
  };
  const std::string time = ", " + kNumbersAndSeconds + " }\n";
  CHECK(errors("by = \"grup\"\n") ==
        "8:6: error: reduce 's': tenon.Number has no field 'grup'\n  = did you mean 'group'?\n");
  CHECK(errors("by = []\n") == "8:6: error: 'by' is empty\n  = name at least one field, or leave it out\n");
  CHECK(errors("by = [\"group\", \"group\"]\n") == "8:16: error: field 'group' is named twice\n");
  CHECK(errors("by = 3\n") ==
        "8:6: error: 'by' is an integer; it takes names of fields\n"
        "  = write by = \"<field>\" or by = [\"<field>\", ...]\n");
  CHECK(errors("groups = 3\n") ==
        "8:1: error: 'groups' does nothing without 'by' or 'window'\n"
        "  = a reduce over the whole stream keeps one group, in its task\n");
  CHECK(errors("by = \"group\"\nmemory = \"1KiB\"\n") ==
        "9:10: error: 'memory' is less than 1MiB, which a few items fill\n  = the default is \"256MiB\"\n");
  CHECK(errors("window = {}\n").find("'window' has neither 'size' nor 'gap'") != std::string::npos);
  CHECK(errors("window = { size = \"1m\", gap = \"1m\" }\n").find("'window' has both 'size' and 'gap'") !=
        std::string::npos);
  CHECK(errors("window = { gap = \"1m\", slide = \"1m\" }\n").find("'slide' does nothing without 'size'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1m\", slide = \"2m\" }\n").find("'slide' is longer than 'size'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1h\", slide = \"1s\" }\n").find("more than 1000 windows") != std::string::npos);
  CHECK(errors("window = { size = \"1000s\", slide = \"1s\"" + time).empty());
  CHECK(errors("window = { size = \"0s\" }\n").find("'size' is 0") != std::string::npos);
  CHECK(errors("window = { size = \"1m\", lateness = \"1s\" }\n").find("'lateness' does nothing without 'time'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1m\", idle = \"1s\" }\n").find("'idle' does nothing without 'time'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1m\", idle = \"1s\"" + time).find("'idle' does nothing without 'lateness'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1m\", unit = \"s\" }\n").find("'unit' does nothing without 'time'") !=
        std::string::npos);
  CHECK(errors("window = { size = \"1m\", time = \"value\", unit = \"m\" }\n").find("unknown unit 'm'") !=
        std::string::npos);
  CHECK(
      errors("window = { size = \"1m\", time = \"value\" }\n") ==
      "8:32: error: reduce 's': the name of 'value' does not say the unit of the time\n"
      "  = add unit = \"s\", \"ms\", \"us\" or \"ns\" to 'window'; names that end in _s, _ms, _us or _ns need none\n");
  CHECK(errors("window = { size = \"1m\", time = \"group\", unit = \"s\" }\n")
            .find("'group' is a text, which has no unit") != std::string::npos);
  CHECK(errors("window = { size = \"1m\", tme = \"group\" }\n").find("did you mean 'time'?") != std::string::npos);
  CHECK(errors("workers = 2\n").find("a reduce without 'by' or 'window' is one session") != std::string::npos);
  CHECK(errors("by = \"group\"\nworkers = 2\n").empty());
  const auto behind = [](const std::string& keys, const std::string& field) {
    return load(numbers(1) + "[stages.s]\nkind = \"reduce\"\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n" + keys +
                "[stages.p]\nkind = \"project\"\ninputs = [\"s\"]\nfields = [\"" + field +
                "\"]\n[sinks.all]\ntask = \"tenon.discard\"\ninputs = [\"p\"]\n")
        .messages;
  };
  CHECK(behind("by = \"group\"\n", "@key").empty());
  CHECK(behind("by = \"group\"\n", "@key.group").empty());
  CHECK(behind("by = \"group\"\n", "@window_start").find("items have no '@window_start'") != std::string::npos);
  CHECK(behind("by = [\"group\", \"value\"]\n", "@key").find("items have no '@key'") != std::string::npos);
  CHECK(behind("", "@key").find("items have no '@key'") != std::string::npos);
}

TEST_CASE("Watermark: follows the input that is furthest behind and never goes back") {
  internal::Watermark mark(3, 10);
  mark.took(0, 100);
  mark.took(1, 50);
  CHECK(mark.mark() == internal::Watermark::kNone);  // Nothing is known of the third input.
  mark.idle(2);
  CHECK(mark.mark() == 40);
  CHECK_FALSE(mark.all_idle());
  mark.took(2, 20);
  CHECK(mark.mark() == 40);
  mark.took(1, 200);
  CHECK(mark.mark() == 40);
  mark.took(2, 150);
  CHECK(mark.mark() == 90);
  mark.took(2, 30);
  CHECK(mark.mark() == 90);
  mark.ended(0);
  CHECK(mark.mark() == 140);
  mark.idle(1);
  mark.idle(2);
  CHECK(mark.all_idle());
  CHECK(mark.mark() == 140);
  mark.ended(1);
  mark.ended(2);
  CHECK_FALSE(mark.all_idle());
  CHECK(mark.mark() == internal::Watermark::kEnd);
  internal::Watermark unlimited(1, std::nullopt);
  unlimited.took(0, 100);
  CHECK(unlimited.mark() == internal::Watermark::kNone);
  unlimited.ended(0);
  CHECK(unlimited.mark() == internal::Watermark::kEnd);
}

TEST_CASE("Times: texts of RFC 3339 are read and written") {
  for (const char* const text : {"1970-01-01T00:00:00Z", "2026-11-30T22:18:00Z", "1969-12-31T23:59:59.999999999Z",
                                 "2000-02-29T12:00:00.5Z", "1800-01-01T00:00:00.000001Z"}) {
    const std::optional<std::int64_t> time = parse_time(text);
    REQUIRE(time);
    const std::string written = time_text(*time);
    CHECK(parse_time(written) == time);
    CHECK((written == text || written == "2000-02-29T12:00:00.500Z"));
  }
  CHECK(parse_time("1970-01-01 01:00:00+01:00") == 0);
  CHECK(parse_time("1970-01-01t00:30:00.25-0130") == 7'200'250'000'000);
  CHECK(parse_time("1970-01-02T00:00:00") == 86'400'000'000'000);
  CHECK(parse_time("2016-12-31T23:59:60Z") == parse_time("2017-01-01T00:00:00Z"));
  for (const char* const text :
       {"", "today", "2026-11-30", "2026-11-30T22:18", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-11-30T24:00:00Z", "2026-11-30T22:18:00.Z", "2026-11-30T22:18:00Zx", "2026-11-30T22:18:00+1:00",
        "2500-01-01T00:00:00Z", "1700-01-01T00:00:00Z", "2026-11-30T22:18:00+25:00"}) {
    INFO(text);
    CHECK_FALSE(parse_time(text));
  }
}

}  // namespace tenon::test

// Stages without a task: filter, route by conditions, project, sample, limit, throttle, delay.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include <tenon/types_generated.h>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using namespace std::chrono_literals;

const std::string kSumOfStage = "[sinks.sum]\ntask = \"tenon.sum\"\ninputs = [\"s\"]\n";

std::string stage_text(const std::string& keys) {
  return "[stages.s]\ninputs = [\"numbers\"]\n" + keys;
}

/// The errors of a pipeline of numbers through a stage `s`.
std::string stage_errors(const std::string& keys) {
  return load(numbers(1) + stage_text(keys) + kSumOfStage).messages;
}

}  // namespace

TEST_CASE("Filter: items that match pass in order, the others are counted with the reason") {
  const Graph::Impl graph = graph_of(
      numbers(1000) + stage_text("kind = \"filter\"\nwhere = { value = \"< 500\", group = [\"g0\", \"g2\"] }\n") +
      kSumOfStage);
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  std::vector<std::string> expected = values(500);
  expected.erase(
      std::remove_if(expected.begin(), expected.end(), [](const std::string& item) { return item.ends_with("g1"); }),
      expected.end());
  CHECK(split(text_of(report.outputs.at(0).second)) == expected);
  CHECK(stage(report, "s").kind == "filter");
  CHECK(stage(report, "s").dropped == 1000 - expected.size());
  CHECK(stage(report, "s").note == "667 items did not match 'where'");
  check_accounts(graph, report, true);
}

TEST_CASE("Filter: the output else has the other items if something takes it") {
  const Graph::Impl graph = graph_of(numbers(100) + stage_text("kind = \"filter\"\nwhere = { value = \">= 70\" }\n") +
                                     kSumOfStage + "[sinks.rest]\ntask = \"tenon.sum\"\ninputs = [\"s.else\"]\n");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 30);
  CHECK(stage(report, "rest").grouped == 70);
  CHECK(stage(report, "s").items_out == 100);
  CHECK(stage(report, "s").dropped == 0);
  CHECK(stage(report, "s").note.empty());
  check_accounts(graph, report, true);
}

TEST_CASE("Filter: a full output holds only its own input back") {
  const Graph::Impl graph = graph_of("[pipeline]\nqueue = { items = 4 }\n" + numbers(300) +
                                     stage_text("kind = \"filter\"\nwhere = { group = \"g1\" }\n") +
                                     "[sinks.slow]\ntask = \"tenon.discard\"\nworkers = 1\ninputs = [\"s\"]\n" +
                                     "[sinks.rest]\ntask = \"tenon.sum\"\ninputs = [\"s.else\"]\n");
  FakeExecutor executor;
  executor.task("tenon.discard").least = 5ms;
  executor.task("tenon.discard").most = 5ms;
  RunOptions options;
  options.on_progress = [](const RunReport& report) {
    for (const StageReport& one : report.stages) {
      CHECK(one.queued <= 4);
    }
  };
  const RunReport report = run(graph, executor, options);
  CHECK(stage(report, "slow").items_out == 100);
  CHECK(stage(report, "rest").grouped == 200);
  check_accounts(graph, report, true);
}

TEST_CASE("Filter: an item whose field is not valid fails by itself") {
  const Graph::Impl graph = graph_of(
      numbers(10) + "[stages.double]\ntask = \"tenon.double\"\ninputs = [\"numbers\"]\n[stages.s]\n" +
      "inputs = [\"double\"]\nkind = \"filter\"\nwhere = { value = \">= 0\", group = \"g0\" }\n" + kSumOfStage);
  FakeExecutor executor;
  executor.task("tenon.double").run = [](const std::string& text) -> Result<std::string> {
    return text.starts_with("value=3;") ? "corrupt" : text;
  };
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "s").failed == 1);
  CHECK(stage(report, "s").items_out == 3);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].error.code == ErrorCode::kCorrupt);
  CHECK(report.failures[0].error.message == "a field that the conditions read is not valid");
  CHECK(report.failures[0].item == "item 3");
  check_accounts(graph, report, true);
}

TEST_CASE("Route: the first condition that holds decides") {
  const std::string route = R"(
[stages.by]
kind = "route"
inputs = ["numbers"]
cases = { low = { value = "< 10" }, middle = { value = "< 50" }, g1 = { group = "g1" } }
[sinks.low]
task = "tenon.discard"
inputs = ["by.low"]
[sinks.middle]
task = "tenon.discard"
inputs = ["by.middle"]
[sinks.g1]
task = "tenon.discard"
inputs = ["by.g1"]
)";
  SECTION("else connected") {
    const Graph::Impl graph =
        graph_of(numbers(110) + route + "[sinks.rest]\ntask = \"tenon.discard\"\ninputs = [\"by.else\"]\n");
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "low").items_out == 10);
    CHECK(stage(report, "middle").items_out == 40);
    CHECK(stage(report, "g1").items_out == 20);
    CHECK(stage(report, "rest").items_out == 40);
    check_accounts(graph, report, true);
  }
  SECTION("else dropped") {
    std::string dropped = route;
    dropped.replace(dropped.find("cases ="), 0, "else = \"drop\"\n");
    const Graph::Impl graph = graph_of(numbers(110) + dropped);
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "by").dropped == 40);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Project: fields become a record under their new names, with defaults for what is absent") {
  const Graph::Impl graph = graph_of(numbers(3) + stage_text(R"(kind = "project"
fields = { number = "value", team = "group", at = "@index" }
defaults = { team = "none" }
)") + "[sinks.show]\ntask = \"tenon.show\"\ninputs = [\"s\"]\norder = \"input\"\n");
  CHECK(graph.nodes[1].output_type.name == "tenon.Record");
  FakeExecutor executor;
  executor.task("tenon.numbers").item = [](std::int64_t number) {
    return number == 1 ? std::string("value=1") : "value=" + std::to_string(number) + ";group=g";
  };
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  const std::vector<std::string>& arguments = executor.task("tenon.show").arguments;
  REQUIRE(arguments.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    // A copy that is aligned as a reply is.
    const Buffer bytes(arguments[i].begin(), arguments[i].end());
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    REQUIRE(verifier.VerifyBuffer<Record>(nullptr));
    const auto* const fields = flatbuffers::GetRoot<Record>(bytes.data())->fields();
    REQUIRE(fields->size() == 3);
    CHECK(fields->Get(0)->name()->str() == "number");
    CHECK(fields->Get(0)->value_as_IntValue()->value() == static_cast<std::int64_t>(i));
    CHECK(fields->Get(1)->name()->str() == "team");
    CHECK(fields->Get(1)->value_as_TextValue()->value()->str() == (i == 1 ? "none" : "g"));
    CHECK(fields->Get(2)->value_as_IntValue()->value() == static_cast<std::int64_t>(i + 1));
  }
  check_accounts(graph, report, true);
}

TEST_CASE("Sample: every passes one item of so many, fraction the same items for the same seed") {
  const auto sampled = [](const std::string& keys, std::uint32_t executor_seed) {
    const Graph::Impl graph =
        graph_of(numbers(10'000) + "[stages.double]\ntask = \"tenon.double\"\ninputs = " +
                 "[\"numbers\"]\n[stages.s]\ninputs = [\"double\"]\nkind = \"sample\"\n" + keys + kSumOfStage);
    FakeExecutor executor(executor_seed);
    const RunReport report = run(graph, executor);
    check_accounts(graph, report, true);
    return sorted(split(text_of(report.outputs.at(0).second)));
  };
  CHECK(sampled("every = 100\n", 1).size() == 100);
  const std::vector<std::string> first = sampled("fraction = 0.1\nseed = 7\n", 1);
  CHECK(first.size() > 900);
  CHECK(first.size() < 1100);
  CHECK(sampled("fraction = 0.1\nseed = 7\n", 5) == first);
  CHECK(sampled("fraction = 0.1\nseed = 8\n", 1) != first);
  CHECK(sampled("fraction = 1.0\n", 1).size() == 10'000);
}

TEST_CASE("Limit: the run ends in good order after so many items, and its source stops") {
  const Graph::Impl graph =
      graph_of("[pipeline]\nqueue = { items = 64 }\n" + numbers(1'000'000) +
               "[stages.double]\ntask = \"tenon.double\"\norder = \"input\"\ninputs = [\"numbers\"]\n[stages.s]\n" +
               "inputs = [\"double\"]\nkind = \"limit\"\nitems = 10\n" + kSumOfStage);
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK_FALSE(report.error);
  CHECK(report.failures.empty());
  CHECK(split(text_of(report.outputs.at(0).second)) == values(10));
  CHECK(stage(report, "s").items_out == 10);
  CHECK(stage(report, "numbers").items_out < 5000);
  check_accounts(graph, report, true);
}

TEST_CASE("Limit: what another stage takes is not ended") {
  const Graph::Impl graph = graph_of(numbers(2000) + stage_text("kind = \"limit\"\nitems = 3\n") + kSumOfStage +
                                     "[sinks.all]\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 3);
  CHECK(stage(report, "all").grouped == 2000);
  CHECK(stage(report, "s").dropped == 1997);
  CHECK(stage(report, "s").note == "1997 items came after the limit of 3");
  check_accounts(graph, report, true);
}

TEST_CASE("Limit: nothing that goes wrong before it matters any more once it is reached") {
  // These stages have retries that would come much later, batches, keys, or a session for each item.
  for (const std::string& before :
       {std::string("task = \"tenon.double\"\nretry = { attempts = 5, backoff = \"10h\", max = \"10h\" }\n"),
        std::string("task = \"tenon.double\"\norder = \"key:group\"\n"),
        std::string("task = \"tenon.double\"\norder = \"input\"\nretry = { attempts = 9, backoff = \"10h\", max = "
                    "\"10h\" }\n"),
        std::string("task = \"tenon.sum\"\nkind = \"batch\"\nsize = 3\nretry = { attempts = 9, backoff = \"10h\", max "
                    "= \"10h\" }\n"),
        std::string("task = \"other.split\"\nworkers = 3\n"),
        std::string("task = \"other.split\"\norder = \"input\"\n"), std::string("kind = \"delay\"\nfor = \"1ms\"\n"),
        std::string("kind = \"throttle\"\nrate = \"1000/s\"\n")}) {
    for (std::uint32_t seed = 1; seed < 10; ++seed) {
      INFO(before << seed);
      const Graph::Impl graph =
          graph_of(numbers(5000) + "[stages.before]\ninputs = [\"numbers\"]\n" + before +
                   "[stages.s]\ninputs = [\"before\"]\nkind = \"limit\"\nitems = 7\n[sinks.end]\ntask = " +
                   "\"tenon.discard\"\ninputs = [\"s\"]\n");
      FakeExecutor executor(seed);
      executor.task("tenon.double").run = [](const std::string& text) -> Result<std::string> {
        return std::stoi(text.substr(6)) > 20 ? Result<std::string>(fail(ErrorCode::kFailed, "late")) : text;
      };
      executor.task("tenon.sum").failures = {9, 20, 25, 31};
      const auto began = executor.now();
      const RunReport report = run(graph, executor);
      CHECK(report.end == RunReport::End::kDone);
      CHECK(stage(report, "end").items_out == 7);
      CHECK(executor.now() - began < 9h);
      check_accounts(graph, report, true);
    }
  }
}

TEST_CASE("Limit: exactly so many items pass, from several inputs and without room behind it") {
  for (int items = 1; items < 8; ++items) {
    for (std::uint32_t seed = 1; seed < 6; ++seed) {
      const Graph::Impl graph = graph_of(
          numbers(1000) + "[stages.a]\ntask = \"tenon.double\"\ninputs = [\"numbers\"]\n[stages.b]\n" +
          "task = \"tenon.double\"\ninputs = [\"numbers\"]\n[stages.s]\ninputs = [\"a\", \"b\"]\nkind = \"limit\"\n" +
          "items = " + std::to_string(items) + "\n[sinks.end]\ntask = \"tenon.discard\"\nworkers = 1\n" +
          "queue = { items = 1 }\ninputs = [\"s\"]\n");
      FakeExecutor executor(seed);
      FakeTask& end = executor.task("tenon.discard");
      end.least = end.most = 5ms;
      const RunReport report = run(graph, executor);
      CHECK(report.end == RunReport::End::kDone);
      CHECK(stage(report, "s").items_out == static_cast<std::uint64_t>(items));
      CHECK(stage(report, "end").items_out == static_cast<std::uint64_t>(items));
      check_accounts(graph, report, true);
    }
  }
}

TEST_CASE("Limit: items that wait for a retry behind the one that reaches it do not hold up the end") {
  for (std::uint32_t seed = 1; seed < 40; ++seed) {
    const Graph::Impl graph =
        graph_of(numbers(10) + "[stages.before]\ninputs = [\"numbers\"]\ntask = \"tenon.double\"\norder = \"input\"\n" +
                 "retry = { attempts = 9, backoff = \"10h\", max = \"10h\" }\n" +
                 "[stages.s]\ninputs = [\"before\"]\nkind = \"limit\"\nitems = 7\n[sinks.end]\n" +
                 "task = \"tenon.discard\"\ninputs = [\"s\"]\n");
    FakeExecutor executor(seed);
    executor.task("tenon.double").run = [](const std::string& text) -> Result<std::string> {
      return std::stoi(text.substr(6)) > 6 ? Result<std::string>(fail(ErrorCode::kFailed, "late")) : text;
    };
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(stage(report, "end").items_out == 7);
    CHECK(report.failure_count == 0);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Limit: a source that dies in a step that is no longer needed fails nothing") {
  const Graph::Impl graph = graph_of(numbers(5000) + stage_text("kind = \"limit\"\nitems = 7\n") + kSumOfStage);
  FakeExecutor executor;
  FakeTask& source = executor.task("tenon.numbers");
  source.least = source.most = 5ms;
  source.checkpoints = false;
  source.crashes = {2};  // The steps before it give 12 items.
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "sum").grouped == 7);
  CHECK(source.operations == 3);
  check_accounts(graph, report, true);
}

TEST_CASE("Limit: fewer items than the limit end as they would without it") {
  const Graph::Impl graph = graph_of(numbers(5) + stage_text("kind = \"limit\"\nitems = 5\n") + kSumOfStage);
  FakeExecutor executor;
  CHECK(stage(run(graph, executor), "sum").grouped == 5);
  const Graph::Impl more = graph_of(numbers(5) + stage_text("kind = \"limit\"\nitems = 50\n") + kSumOfStage);
  FakeExecutor again;
  CHECK(stage(run(more, again), "sum").grouped == 5);
}

TEST_CASE("Throttle: no more items pass than the rate and the burst allow") {
  const Graph::Impl graph =
      graph_of(numbers(1000) + stage_text("kind = \"throttle\"\nrate = \"100/s\"\n") + kSumOfStage);
  FakeExecutor executor;
  const auto began = executor.now();
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 1000);
  CHECK(executor.now() - began >= 9990ms);
  CHECK(executor.now() - began < 10100ms);
  check_accounts(graph, report, true);
  const Graph::Impl burst =
      graph_of(numbers(1000) + stage_text("kind = \"throttle\"\nrate = \"7/m\"\nburst = 1000\n") + kSumOfStage);
  FakeExecutor fast;
  const auto start = fast.now();
  CHECK(stage(run(burst, fast), "sum").grouped == 1000);
  CHECK(fast.now() - start < 1s);
}

TEST_CASE("Throttle: its inputs take turns") {
  const Graph::Impl graph = graph_of(numbers(100) + R"(
[sources.more_numbers]
task = "tenon.numbers"
args = { count = 100 }
[stages.s]
kind = "throttle"
rate = "10/s"
inputs = ["numbers", "more_numbers"]
[stages.first]
kind = "limit"
items = 50
inputs = ["s"]
[sinks.sum]
task = "tenon.sum"
inputs = ["first"]
)");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  const std::vector<std::string> items = split(text_of(report.outputs.at(0).second));
  CHECK(std::count(items.begin(), items.end(), values(1).front()) == 2);
  CHECK(std::count(items.begin(), items.end(), values(20).back()) == 2);
  check_accounts(graph, report, true);
}

TEST_CASE("Delay: each item passes this long after it came, within the bound of the queue") {
  const Graph::Impl graph =
      graph_of(numbers(100) + stage_text("kind = \"delay\"\nfor = \"2s\"\nqueue = { items = 10 }\n") + kSumOfStage);
  FakeExecutor executor;
  const auto began = executor.now();
  const RunReport report = run(graph, executor);
  CHECK(split(text_of(report.outputs.at(0).second)) == values(100));
  CHECK(executor.now() - began >= 20s);
  CHECK(executor.now() - began < 42s);
  check_accounts(graph, report, true);
}

TEST_CASE("Stages without a task: a stop delivers what they hold, and a second one ends them") {
  for (const int stop_at : {1, 2}) {
    const Graph::Impl graph = graph_of(numbers(100'000) + stage_text("kind = \"delay\"\nfor = \"1h\"\n") +
                                       "[sinks.end]\ntask = \"tenon.discard\"\ninputs = [\"s\"]\n");
    FakeExecutor executor;
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    executor.on_wait = [&] { stop = executor.waits() > 20 ? stop_at : 0; };
    const auto began = executor.now();
    const RunReport report = run(graph, executor, options);
    CHECK(report.end == RunReport::End::kInterrupted);
    check_accounts(graph, report, stop_at == 1);
    CHECK((executor.now() - began > 1h) == (stop_at == 1));
  }
}

TEST_CASE("Stages without a task: what is missing or out of range is an error with its remedy") {
  CHECK(stage_errors("kind = \"filter\"\n") ==
        "4:9: error: filter 's' has no where\n  = add where = { <field> = <value> }\n");
  CHECK(stage_errors("kind = \"filter\"\nwhere = { vlue = 1 }\n") ==
        "7:11: error: filter 's': tenon.Number has no field 'vlue'\n  = did you mean 'value'?\n");
  CHECK(stage_errors("kind = \"filter\"\ntask = \"tenon.double\"\nwhere = { value = 1 }\n")
            .starts_with("7:1: error: unknown key 'task' in stage 's'\n"));
  CHECK(stage_errors("kind = \"project\"\n").starts_with("4:9: error: project 's' has no fields\n"));
  CHECK(stage_errors("kind = \"project\"\nfields = [\"value\", \"value\"]\n")
            .find("7:20: error: field 'value' is named twice\n") != std::string::npos);
  CHECK(stage_errors("kind = \"sample\"\n") ==
        "4:9: error: sample 's' has neither 'every' nor 'fraction'\n  = add every = <items> or fraction = <0 to 1>\n");
  CHECK(stage_errors("kind = \"sample\"\nevery = 2\nseed = 1\n") ==
        "8:1: error: 'seed' does nothing without 'fraction'\n  = add fraction = <0 to 1>, or leave 'seed' out\n");
  CHECK(stage_errors("kind = \"sample\"\nfraction = 1.5\n") ==
        "7:12: error: 'fraction' is not a number above 0 and at most 1\n  = 0.01 lets one item of a hundred pass\n");
  CHECK(stage_errors("kind = \"limit\"\n") ==
        "4:9: error: limit 's' has no items\n  = add items = <number of items>\n");
  CHECK(stage_errors("kind = \"limit\"\nitems = 0\n").starts_with("7:9: error: 'items' is 0; it takes 1 to "));
  for (const char* const rate : {"100", "0/s", "x/s", "1/", "1/s2", "1/0s", "-1/s"}) {
    CHECK(stage_errors("kind = \"throttle\"\nrate = \"" + std::string(rate) + "\"\n") ==
          "7:8: error: '" + std::string(rate) +
              "' is not a rate\n  = write it as in \"100/s\", \"30/m\" or \"1/10s\"\n");
  }
  CHECK(stage_errors("kind = \"delay\"\nfor = \"0s\"\n") ==
        "7:7: error: a delay of 0 does nothing\n  = leave the stage out\n");
  CHECK(stage_errors("kind = \"delay\"\n") ==
        "4:9: error: delay 's' has no for\n  = add for = \"<duration>\", such as \"2s\"\n");
  CHECK(load(numbers(1) + stage_text("kind = \"filter\"\nwhere = { value = 1 }\n") + kSumOfStage +
             "[sinks.x]\ntask = \"tenon.sum\"\ninputs = [\"s.other\"]\n")
            .messages.find("filter 's' has no output 'other'\n  = write \"s\" or \"s.else\"\n") != std::string::npos);
}

TEST_CASE("Project: defaults and fields that a record cannot have") {
  const auto with = [](const std::string& keys) {
    return load("[sources.v]\ntask = \"other.values_numbers\"\n[stages.p]\ninputs = [\"v\"]\nkind = \"project\"\n" +
                keys + "[sinks.s]\ntask = \"tenon.show\"\ninputs = [\"p\"]\n")
        .messages;
  };
  CHECK(with("fields = [\"small\", \"ratio\"]\ndefaults = { ratio = 0.5 }\n").empty());
  CHECK(with("fields = { s = \"smal\" }\n") ==
        "6:16: error: project 'p': other.Values has no field 'smal'\n  = did you mean 'small'?\n");
  CHECK(with("fields = [\"small\"]\ndefaults = { smal = 1 }\n") ==
        "7:14: error: 'defaults' names 'smal', which is not one of the fields\n  = did you mean 'small'?\n");
  CHECK(with("fields = [7]\n").starts_with("6:11: error: a field is an integer; it takes a name\n"));
}

TEST_CASE("Route: a case that has the condition of an earlier one, or the name else, is an error") {
  const auto with = [](const std::string& cases) {
    return load(numbers(1) +
                "[stages.by]\nkind = \"route\"\ninputs = [\"numbers\"]\nelse = \"drop\"\ncases = " + cases +
                "\n[sinks.a]\ntask = \"tenon.sum\"\ninputs = [\"by.a\"]\n[sinks.b]\ntask = \"tenon.sum\"\ninputs = "
                "[\"by.b\"]\n")
        .messages;
  };
  CHECK(with("{ a = { value = 1 }, b = { value = 2 } }").empty());
  CHECK(
      with("{ a = { value = 1 }, b = { value = 1 } }")
          .starts_with("8:30: error: case 'b' never gets an item: case 'a' has the same condition and comes first\n"));
  CHECK(with("{ a = { value = 1 }, b = { vale = 1 } }") ==
        "8:36: error: route 'by': tenon.Number has no field 'vale'\n  = did you mean 'value'?\n");
}

}  // namespace tenon::test

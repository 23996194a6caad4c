#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "support.hpp"
#include "tenon_test/catch.hpp"

using probe::Item;
using tenon::test::Block;
using tenon::test::Worker;

namespace {

/// Returns why a worker with these settings is refused; empty if it is accepted.
std::string refusal(const Block& settings) {
  try {
    Worker worker(settings);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("Task: every form of function gives its result") {
  Worker worker;
  CHECK(worker.call("offset", item(1)).as<Item>().value() == 2);
  CHECK(worker.call("native", item(1)).as<Item>().value() == 3);
  const Block argument = item(9, "as it was");
  const auto same = worker.call("same", argument);
  REQUIRE(same.ok());
  CHECK(std::vector(same.results[0].span().begin(), same.results[0].span().end()) ==
        std::vector(argument.span().begin(), argument.span().end()));
}

TEST_CASE("Task: params are given, or a table at its defaults") {
  Worker worker;
  CHECK(worker.call("scaled", item(3)).as<Item>().value() == 6);
  probe::ParamsT params;
  params.factor = 7;
  CHECK(worker.call("scaled", item(3), params).as<Item>().value() == 21);
}

TEST_CASE("Task: absent params with required fields are refused by name") {
  Worker worker;
  const auto outcome = worker.call("strict", item(3));
  CHECK(outcome.status == TENON_INVALID_ARGUMENT);
  CHECK(outcome.message.find("probe.StrictParams") != std::string::npos);
}

TEST_CASE("Task: what does not verify never reaches the function") {
  Worker worker;
  const std::vector<std::uint8_t> garbage(64, 0xff);
  for (const Block& argument : {Block(), Block(std::span<const std::uint8_t>(garbage)),
                                Block(item(1, "cut").span().first(9)), Block(item(1).span().first(0))}) {
    const auto outcome = worker.call("offset", argument);
    CHECK(outcome.status == TENON_CORRUPT);
    CHECK(outcome.message.find("probe.Item") != std::string::npos);
  }
  const auto outcome = worker.call("scaled", item(1), Block(std::span<const std::uint8_t>(garbage)));
  CHECK(outcome.status == TENON_CORRUPT);
  CHECK(outcome.message.find("params") != std::string::npos);
}

TEST_CASE("Task: exceptions become errors") {
  Worker worker;
  struct Row {
    const char* what;
    tenon_status_t status;
    const char* message;
  };
  for (const Row& row :
       {Row{"task_error", TENON_NOT_FOUND, "nothing there"}, Row{"no_code", TENON_FAILED, "not a code"},
        Row{"bad_alloc", TENON_OUT_OF_MEMORY, "out of memory"}, Row{"exception", TENON_FAILED, "it went wrong"},
        Row{"number", TENON_FAILED, "not a std::exception"}, Row{"none", TENON_FAILED, "probe.Item"}}) {
    CAPTURE(row.what);
    const auto outcome = worker.call("throws", item(0, row.what));
    CHECK(outcome.status == row.status);
    CHECK(outcome.message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("Task: a result grows in the transport's memory") {
  Worker worker;
  for (const std::int64_t size : {0, 1, 15, 16, 17, 1000, 100000}) {
    const auto outcome = worker.call("large", item(size));
    const auto& bytes = outcome.as<tenon::Bytes>();
    CHECK(bytes.data()->size() == static_cast<std::size_t>(size));
    CHECK(bytes.origin()->str() == "grown");
  }
}

TEST_CASE("Task: memory that is not there is a clean error") {
  Worker worker;
  for (std::uint64_t failing = 1; failing <= 2; ++failing) {
    worker.settings.failing_allocation = failing;
    const auto outcome = worker.call("large", item(1000));
    CHECK(outcome.status == TENON_OUT_OF_MEMORY);
    CHECK(outcome.results.empty());
  }
  worker.settings = {};
  worker.settings.result_limit_bytes = 500;
  const auto outcome = worker.call("large", item(1000));
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(outcome.message.find("larger than the test allows") != std::string::npos);
}

TEST_CASE("Task: check ends the task when it is cancelled or late") {
  Worker worker;
  worker.settings.polls_before_stop = 3;
  CHECK(worker.call("polls", item(0)).status == TENON_CANCELLED);
  CHECK(worker.progress.size() == 3);
  worker.settings.stop_status = TENON_DEADLINE;
  CHECK(worker.call("polls", item(0)).status == TENON_DEADLINE);
}

TEST_CASE("Task: nested calls give verified results or their own error") {
  Worker worker;
  CHECK(worker.call("nested", item(4, "probe.offset")).as<Item>().value() == 50);
  CHECK(worker.logs == std::vector<std::string>{"calling probe.offset"});
  const auto missing = worker.call("nested", item(4, "other.task"));
  CHECK(missing.status == TENON_NOT_FOUND);
  CHECK(missing.message.find("other.task") != std::string::npos);
  worker.others["other.task"] = [](const Block&, const Block&) {
    return tenon::test::Outcome{TENON_OK, {}, {item(6)}};
  };
  CHECK(worker.call("nested", item(4, "other.task")).as<Item>().value() == 60);
  const std::vector<std::uint8_t> garbage(32, 0xff);
  worker.others["other.task"] = [&](const Block&, const Block&) {
    return tenon::test::Outcome{TENON_OK, {}, {Block(std::span<const std::uint8_t>(garbage))}};
  };
  CHECK(worker.call("nested", item(4, "other.task")).status == TENON_CORRUPT);
}

TEST_CASE("State: one per worker, made from the settings") {
  Worker first;
  CHECK(first.call("counted", item(1)).as<Item>().value() == 5006);
  CHECK(first.call("counted", item(1)).as<Item>().value() == 5007);
  probe::SettingsT settings;
  settings.offset = 1;
  Worker second(settings);
  CHECK(second.call("counted", item(1)).as<Item>().value() == 1002);
}

TEST_CASE("State: init refuses settings that are broken or make no sense") {
  probe::SettingsT settings;
  settings.offset = -1;
  CHECK(refusal(settings).find("offset is negative") != std::string::npos);
  const std::vector<std::uint8_t> garbage(32, 0xff);
  CHECK(refusal(Block(std::span<const std::uint8_t>(garbage))).find("probe.Settings") != std::string::npos);
}

TEST_CASE("Descriptor: names and kinds come from the functions") {
  Worker worker;
  const tenon_plugin_t& plugin = worker.plugin();
  CHECK(std::string(plugin.manifest->name) == "probe");
  CHECK(std::string(plugin.manifest->version) == "1.2.3");
  CHECK(plugin.task_count == 14);
  const tenon_task_t& scaled = plugin.tasks[3];
  CHECK(std::string(scaled.argument_type) == "probe.Item");
  CHECK(std::string(scaled.params_type) == "probe.Params");
  CHECK(plugin.tasks[0].params_type == nullptr);
  CHECK(plugin.tasks[10].kind == TENON_TASK_SOURCE);
  CHECK(plugin.tasks[12].kind == TENON_TASK_REDUCE);
  CHECK(plugin.tasks[12].run == nullptr);
}

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "tenon_generated.h"
#include "tenon_test/catch.hpp"

namespace tasks = tenon::tasks;
using tenon::test::Block;
using tenon::test::Outcome;
using tenon::test::Worker;

namespace {

tenon::BytesT bytes_of(std::string_view text) {
  tenon::BytesT bytes;
  bytes.data.assign(text.begin(), text.end());
  return bytes;
}

std::vector<std::uint8_t> copy_of(const Block& block) {
  return {block.span().begin(), block.span().end()};
}

tasks::InvokeT invocation(const std::string& task, const Block& argument, const Block& params = {}) {
  tasks::InvokeT invoke;
  invoke.task = task;
  invoke.argument = copy_of(argument);
  invoke.params = copy_of(params);
  return invoke;
}

tasks::FailParamsT failing(tasks::FailMode mode, const std::string& message) {
  tasks::FailParamsT params;
  params.mode = mode;
  params.message = message;
  return params;
}

}  // namespace

TEST_CASE("Tenon: echo gives its argument back, byte for byte") {
  Worker worker;
  for (const std::string& text : {std::string(), std::string("hello"), std::string(100'000, '\0')}) {
    const Block argument(bytes_of(text));
    const Outcome outcome = worker.call("echo", argument);
    REQUIRE(outcome.ok());
    CHECK(copy_of(outcome.results.at(0)) == copy_of(argument));
  }
}

TEST_CASE("Tenon: echo refuses what does not verify") {
  Worker worker;
  const std::uint8_t broken[] = {255, 255, 255, 255, 1, 2, 3};
  CHECK(worker.call("echo", Block(std::span<const std::uint8_t>(broken))).status == TENON_CORRUPT);
  CHECK(worker.call("echo", Block()).status != TENON_OK);
}

TEST_CASE("Tenon: discard takes any table") {
  Worker worker;
  tasks::NestT nest;
  nest.depth = 7;
  tenon::FileT file;
  file.path = "/a";
  CHECK_NOTHROW((void)worker.call("discard", nest).as<tenon::Empty>());
  CHECK_NOTHROW((void)worker.call("discard", file).as<tenon::Empty>());
  CHECK_NOTHROW((void)worker.call("discard", bytes_of("x")).as<tenon::Empty>());
}

TEST_CASE("Tenon: sleep waits as long as asked for, and not at all for nothing") {
  Worker worker;
  tasks::SleepT sleep;
  CHECK(worker.call("sleep", sleep).ok());
  sleep.duration_ms = 20;
  const auto begin = std::chrono::steady_clock::now();
  CHECK(worker.call("sleep", sleep).ok());
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(20));
}

TEST_CASE("Tenon: sleep ends when it is cancelled or its deadline passes") {
  Worker worker;
  tasks::SleepT sleep;
  sleep.duration_ms = std::numeric_limits<std::uint64_t>::max();
  worker.settings.polls_before_stop = 2;
  CHECK(worker.call("sleep", sleep).status == TENON_CANCELLED);
  worker.settings.stop_status = TENON_DEADLINE;
  CHECK(worker.call("sleep", sleep).status == TENON_DEADLINE);
  worker.settings.polls_before_stop = 0;
  sleep.duration_ms = 0;
  CHECK(worker.call("sleep", sleep).status == TENON_DEADLINE);
}

TEST_CASE("Tenon: fail reports the code and the message it is given") {
  Worker worker;
  tasks::FailParamsT params = failing(tasks::FailMode::error, "as asked");
  params.code = TENON_IO;
  const Outcome outcome = worker.call("fail", tenon::EmptyT(), params);
  CHECK(outcome.status == TENON_IO);
  CHECK(outcome.message == "as asked");
}

TEST_CASE("Tenon: fail without params is an error with a message of its own") {
  Worker worker;
  const Outcome outcome = worker.call("fail", tenon::EmptyT());
  CHECK(outcome.status == TENON_FAILED);
  CHECK(outcome.message == "tenon.fail was asked to fail");
}

TEST_CASE("Tenon: fail throws, and the border turns that into an error") {
  Worker worker;
  const Outcome outcome = worker.call("fail", tenon::EmptyT(), failing(tasks::FailMode::throws, "thrown"));
  CHECK(outcome.status == TENON_FAILED);
  CHECK(outcome.message.find("thrown") != std::string::npos);
}

TEST_CASE("Tenon: fail refuses a mode it does not know") {
  Worker worker;
  const Outcome outcome = worker.call("fail", tenon::EmptyT(), failing(static_cast<tasks::FailMode>(77), ""));
  CHECK(outcome.status == TENON_INVALID_ARGUMENT);
  CHECK(outcome.message == "mode 77 is not known");
}

TEST_CASE("Tenon: fail succeeds from the attempt on that is named") {
  Worker worker;
  tasks::FailParamsT params = failing(tasks::FailMode::error, "again");
  params.succeed_on_attempt = 3;
  for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
    worker.settings.attempt = attempt;
    CHECK(worker.call("fail", tenon::EmptyT(), params).ok() == (attempt >= 3));
  }
}

TEST_CASE("Tenon: nest comes as deep as asked for") {
  Worker worker;
  for (const std::uint32_t depth : {0u, 1u, 25u}) {
    tasks::NestT nest;
    nest.depth = depth;
    CHECK(worker.call("nest", nest).as<tasks::Nest>().depth() == depth);
  }
}

TEST_CASE("Tenon: invoke gives the bytes of another task's result") {
  Worker worker;
  const Block argument(bytes_of("inner"));
  const Outcome outcome = worker.call("invoke", invocation("tenon.echo", argument));
  const auto& data = *outcome.as<tenon::Bytes>().data();
  CHECK(std::vector<std::uint8_t>(data.begin(), data.end()) == copy_of(argument));
}

TEST_CASE("Tenon: invoke hands params on, and the nested error back") {
  Worker worker;
  tasks::FailParamsT params = failing(tasks::FailMode::error, "from within");
  params.code = TENON_TOO_LARGE;
  const Outcome outcome = worker.call("invoke", invocation("tenon.fail", tenon::EmptyT(), params));
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(outcome.message == "tenon.fail: from within");
}

TEST_CASE("Tenon: invoke reaches other plugins, and says when there is no such task") {
  Worker worker;
  worker.others["other.twice"] = [](const Block& argument, const Block&) -> Outcome {
    tenon::NumberT twice;
    twice.value = 2 * argument.as<tenon::Number>().value();
    return {TENON_OK, "", {Block(twice)}};
  };
  tenon::NumberT number;
  number.value = 21;
  const Outcome outcome = worker.call("invoke", invocation("other.twice", number));
  const auto& data = *outcome.as<tenon::Bytes>().data();
  CHECK(Block(std::span(data.data(), data.size())).as<tenon::Number>().value() == 42);
  CHECK(worker.call("invoke", invocation("other.none", number)).status == TENON_NOT_FOUND);
}

TEST_CASE("Tenon: allocate says how much it took, and stops when it is cancelled") {
  Worker worker;
  tasks::AllocateT allocate;
  for (const std::uint64_t size_bytes : {0ull, 1ull, (1ull << 20), (1ull << 20) + 1, (3ull << 20)}) {
    allocate.size_bytes = size_bytes;
    CHECK(worker.call("allocate", allocate).as<tenon::Number>().value() == static_cast<std::int64_t>(size_bytes));
  }
  allocate.size_bytes = std::numeric_limits<std::uint64_t>::max();
  worker.settings.polls_before_stop = 3;
  CHECK(worker.call("allocate", allocate).status == TENON_CANCELLED);
}

TEST_CASE("Tenon: whoami names the worker and counts its calls") {
  Worker worker;
  for (std::uint64_t calls = 1; calls <= 3; ++calls) {
    const Outcome outcome = worker.call("whoami", tenon::EmptyT());
    const auto& who = outcome.as<tasks::Worker>();
    CHECK(who.pid() == ::getpid());
    CHECK(who.worker_id() == 1);
    CHECK(who.calls() == calls);
  }
  Worker other;
  CHECK(other.call("whoami", tenon::EmptyT()).as<tasks::Worker>().calls() == 1);
}

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "support.hpp"
#include "tenon_test/catch.hpp"

using probe::Item;
using tenon::test::Block;
using tenon::test::Outcome;
using tenon::test::Session;
using tenon::test::Worker;

namespace {

std::vector<std::int64_t> values(const Outcome& outcome) {
  std::vector<std::int64_t> values;
  for (const Block& result : outcome.results) {
    values.push_back(result.as<Item>().value());
  }
  return values;
}

using Values = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("Source: steps give as many results as there is room for") {
  Worker worker;
  Session session = worker.open("count_to", item(5));
  REQUIRE(session.opened().ok());
  CHECK(values(session.step(2)) == Values{0, 2});
  CHECK(values(session.step(0)).empty());
  CHECK(values(session.step(1)) == Values{4});
  const Outcome last = session.step(10);
  CHECK(last.status == TENON_END);
  CHECK(values(last) == Values{6, 8});
}

TEST_CASE("Source: no results at all is an end") {
  Worker worker;
  CHECK(worker.open("count_to", item(0)).step(1).status == TENON_END);
}

TEST_CASE("Source: a pause gives the step back") {
  Worker worker;
  Session session = worker.open("pausing", item(2));
  CHECK(session.step(10).results.empty());
  CHECK(values(session.step(10)) == Values{0});
  const Outcome last = session.step(10);
  CHECK(values(last) == Values{1});
  CHECK(last.status == TENON_END);
}

TEST_CASE("Source: an exception ends the session with its message") {
  Worker worker;
  Session session = worker.open("count_to", item(5, "throw"));
  CHECK(session.step(2).ok());
  const Outcome failed = session.step(1);
  CHECK(failed.status == TENON_FAILED);
  CHECK(failed.message == "thrown at 2");
}

TEST_CASE("Source: a broken argument fails open") {
  Worker worker;
  CHECK(worker.open("count_to", Block()).opened().status == TENON_CORRUPT);
}

TEST_CASE("Source: memory that is not there ends the step") {
  Worker worker;
  Session session = worker.open("count_to", item(5));
  worker.settings.failing_allocation = 2;
  CHECK(session.step(5).status == TENON_OUT_OF_MEMORY);
}

TEST_CASE("Checkpoint: a source goes on exactly where it was") {
  Worker worker;
  probe::ParamsT params;
  params.factor = 1;
  for (std::uint32_t cut = 0; cut <= 5; ++cut) {
    CAPTURE(cut);
    Block checkpoint;
    Values seen;
    {
      Session session = worker.open("count_to", item(5), params);
      seen = values(session.step(cut));
      checkpoint = session.checkpoint();
    }
    Session again = worker.open("count_to", item(5), params, checkpoint);
    REQUIRE(again.opened().ok());
    // A session that has not run yet passes on its checkpoint.
    Session third = worker.open("count_to", item(5), params, again.checkpoint());
    for (const std::int64_t value : values(third.step(10))) {
      seen.push_back(value);
    }
    CHECK(seen == Values{0, 1, 2, 3, 4});
  }
}

TEST_CASE("Checkpoint: a reduce goes on exactly where it was") {
  Worker worker;
  Session session = worker.open("total");
  CHECK(session.take(item(1)).status == TENON_OK);
  CHECK(session.take(item(2)).status == TENON_OK);
  const Block checkpoint = session.checkpoint();
  session.close();
  Session again = worker.open("total", {}, {}, checkpoint);
  CHECK(again.take(item(3)).ok());
  const Outcome done = again.finish();
  CHECK(done.status == TENON_END);
  CHECK(done.as<Item>().value() == 12);
  CHECK(done.as<Item>().text()->str() == "3");
}

TEST_CASE("Checkpoint: a state may have a form of its own") {
  Worker worker;
  Session session = worker.open("joined");
  CHECK(session.take(item(0, "a")).ok());
  Session again = worker.open("joined", {}, {}, session.checkpoint());
  CHECK(again.take(item(0, "b")).ok());
  CHECK(again.finish().as<Item>().text()->str() == "ab");
}

TEST_CASE("Checkpoint: a session without state has none once it has begun") {
  Worker worker;
  Session session = worker.open("pausing", item(2));
  CHECK(session.try_checkpoint().ok());
  (void)session.step(1);
  CHECK(session.try_checkpoint().status == TENON_UNSUPPORTED);
}

TEST_CASE("Checkpoint: broken and foreign bytes are refused") {
  Worker worker;
  Session session = worker.open("count_to", item(5));
  (void)session.step(2);
  const Block good = session.checkpoint();
  for (std::size_t size = 0; size < good.span().size(); ++size) {
    CHECK(worker.open("count_to", item(5), {}, Block(good.span().first(size))).opened().status == TENON_CORRUPT);
  }
  std::vector<std::uint8_t> bytes(good.span().begin(), good.span().end());
  bytes[8] = 9;
  CHECK(worker.open("count_to", item(5), {}, Block(std::span<const std::uint8_t>(bytes))).opened().status ==
        TENON_INCOMPATIBLE);
  // The state itself is broken, which is found when the coroutine requests it.
  bytes = {good.span().begin(), good.span().end()};
  std::fill(bytes.begin() + 48, bytes.end(), std::uint8_t{0xff});
  CHECK(worker.open("count_to", item(5), {}, Block(std::span<const std::uint8_t>(bytes))).step(1).status ==
        TENON_CORRUPT);
  // A task without state must not silently start again.
  Session stateless = worker.open("pausing", item(2), {}, good);
  CHECK(stateless.step(1).ok());
  CHECK(stateless.step(1).status == TENON_INCOMPATIBLE);
}

TEST_CASE("Reduce: zero, one and many arguments") {
  Worker worker;
  for (const int count : {0, 1, 100}) {
    Session session = worker.open("total");
    for (int i = 0; i < count; ++i) {
      CHECK(session.take(item(1)).status == TENON_OK);
    }
    CHECK(session.finish().as<Item>().value() == 2 * count);
  }
}

TEST_CASE("Reduce: each argument is verified, and a failure ends the session") {
  Worker worker;
  Session session = worker.open("total");
  const std::vector<std::uint8_t> garbage(32, 0xff);
  CHECK(session.take(Block(std::span<const std::uint8_t>(garbage))).status == TENON_CORRUPT);
  Session other = worker.open("total");
  const Outcome failed = other.take(item(-1));
  CHECK(failed.status == TENON_INVALID_ARGUMENT);
  CHECK(failed.message == "a negative value");
}

TEST_CASE("Session: closing one that is not complete frees everything") {
  Worker worker;
  Session session = worker.open("count_to", item(5));
  (void)session.step(1);
  Session reduce = worker.open("joined");
  (void)reduce.take(item(0, "a"));
}

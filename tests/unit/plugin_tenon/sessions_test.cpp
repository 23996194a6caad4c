#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "tenon_generated.h"
#include "tenon_test/catch.hpp"

namespace tasks = tenon::tasks;
using tenon::test::Block;
using tenon::test::Outcome;
using tenon::test::Session;
using tenon::test::Worker;

namespace {

using Values = std::vector<std::int64_t>;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

Values values(const Outcome& outcome) {
  Values values;
  for (const Block& result : outcome.results) {
    values.push_back(result.as<tenon::Number>().value());
  }
  return values;
}

tasks::NumbersT numbers(std::uint64_t count, std::int64_t first = 0, std::int64_t step = 1) {
  tasks::NumbersT numbers;
  numbers.count = count;
  numbers.first = first;
  numbers.step = step;
  return numbers;
}

tenon::NumberT number(std::int64_t value) {
  tenon::NumberT number;
  number.value = value;
  return number;
}

}  // namespace

TEST_CASE("Tenon: numbers gives as many as asked for, in order") {
  Worker worker;
  CHECK(worker.open("numbers", numbers(0)).step(4).status == TENON_END);
  Session session = worker.open("numbers", numbers(5, 10, -3));
  CHECK(values(session.step(2)) == Values{10, 7});
  CHECK(values(session.step(2)) == Values{4, 1});
  const Outcome last = session.step(2);
  CHECK(last.status == TENON_END);
  CHECK(values(last) == Values{-2});
}

TEST_CASE("Tenon: numbers wraps round at the end of 64 bits") {
  Worker worker;
  CHECK(values(worker.open("numbers", numbers(2, kMost, 1)).step(2)) == Values{kMost, kLeast});
}

TEST_CASE("Tenon: numbers reports how far it is and how many there will be") {
  Worker worker;
  using Progress = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  Session session = worker.open("numbers", numbers(3));
  CHECK(values(session.step(2)) == Values{0, 1});
  CHECK(worker.progress == Progress{{1, 3}, {2, 3}});
  const Block checkpoint = session.checkpoint();
  worker.progress.clear();
  Session later = worker.open("numbers", numbers(3), {}, checkpoint);
  CHECK(values(later.step(2)) == Values{2});
  CHECK(worker.progress == Progress{{3, 3}});
}

TEST_CASE("Tenon: numbers continues from each of its checkpoints") {
  Worker worker;
  const Values all{5, 7, 9, 11};
  for (std::uint32_t given = 0; given <= all.size(); ++given) {
    Session session = worker.open("numbers", numbers(4, 5, 2));
    Values seen = given == 0 ? Values() : values(session.step(given));
    Session later = worker.open("numbers", numbers(4, 5, 2), {}, session.checkpoint());
    session.close();
    const Outcome rest = later.step(10);
    CHECK(rest.status == TENON_END);
    for (const std::int64_t value : values(rest)) {
      seen.push_back(value);
    }
    CHECK(seen == all);
  }
}

TEST_CASE("Tenon: numbers rests between its results without holding the worker") {
  Worker worker;
  tasks::NumbersT argument = numbers(1);
  argument.interval_ms = std::numeric_limits<std::uint32_t>::max();
  Session session = worker.open("numbers", argument);
  const Outcome outcome = session.step(1);
  CHECK(outcome.status == TENON_OK);
  CHECK(outcome.results.empty());
}

TEST_CASE("Tenon: numbers refuses a broken checkpoint") {
  Worker worker;
  const std::vector<std::uint8_t> broken(48, 7);
  CHECK(worker.open("numbers", numbers(4), {}, Block(broken)).opened().status == TENON_CORRUPT);
}

TEST_CASE("Tenon: sum adds none, one and many") {
  Worker worker;
  CHECK(worker.open("sum").finish().as<tenon::Number>().value() == 0);
  Session session = worker.open("sum");
  std::int64_t expected = 0;
  for (std::int64_t value = -3; value <= 100; ++value) {
    REQUIRE(session.take(number(value)).ok());
    expected += value;
  }
  CHECK(session.finish().as<tenon::Number>().value() == expected);
}

TEST_CASE("Tenon: sum continues from its checkpoint") {
  Worker worker;
  Session session = worker.open("sum");
  REQUIRE(session.take(number(40)).ok());
  const Block checkpoint = session.checkpoint();
  REQUIRE(session.take(number(1000)).ok());
  Session later = worker.open("sum", {}, {}, checkpoint);
  REQUIRE(later.take(number(2)).ok());
  CHECK(later.finish().as<tenon::Number>().value() == 42);
}

TEST_CASE("Tenon: a sum beyond 64 bits is an error that names the number") {
  Worker worker;
  for (const std::int64_t edge : {kMost, kLeast}) {
    Session session = worker.open("sum");
    REQUIRE(session.take(number(edge)).ok());
    const std::int64_t further = edge > 0 ? 1 : -1;
    const Outcome outcome = session.take(number(further));
    CHECK(outcome.status == TENON_TOO_LARGE);
    CHECK(outcome.message.find("overflowed at number 2, " + std::to_string(further)) != std::string::npos);
  }
}

#include "pipeline/run_ledger.hpp"

#include "pipeline/retries.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/text.hpp"

namespace tenon::test {

using internal::RunLedger;

namespace {

/// The ledger of a graph with one node.
struct Books {
  explicit Books(std::uint64_t give_up_after) {
    graph.nodes.resize(1);
    graph.nodes[0].name = "parse";
    options.give_up_after = give_up_after;
    options.max_reported_failures = 2;
  }
  void fail(RunLedger& ledger, int items) const {
    for (int i = 0; i < items; ++i) {
      ++ledger.stage(0).items_in;
      ledger.failed(0, "item " + std::to_string(i), 1, Error{ErrorCode::kFailed, "bad", {}}, {});
    }
  }
  Graph::Impl graph;
  RunOptions options;
};

}  // namespace

TEST_CASE("RunLedger: counts every failure and keeps the first ones") {
  Books books(0);
  RunLedger ledger(books.graph, books.options);
  books.fail(ledger, 5);
  CHECK(ledger.report().failure_count == 5);
  REQUIRE(ledger.report().failures.size() == 2);
  CHECK(ledger.report().failures[1].item == "item 1");
  CHECK(ledger.report().failures[1].stage == "parse");
}

TEST_CASE("RunLedger: a stage whose first items all fail ends the run, once there are more of them") {
  Books books(3);
  RunLedger ledger(books.graph, books.options);
  books.fail(ledger, 3);
  CHECK_FALSE(ledger.take_hopeless());
  books.fail(ledger, 1);
  const auto error = ledger.take_hopeless();
  REQUIRE(error);
  CHECK(has(error->message, "stage 'parse': the first 4 items have all failed"));
  CHECK(has(error->message, "bad"));
}

TEST_CASE("RunLedger: a success that was under way meanwhile keeps the run going") {
  Books books(1);
  RunLedger ledger(books.graph, books.options);
  books.fail(ledger, 2);
  ledger.succeeded(0);
  CHECK_FALSE(ledger.take_hopeless());
  books.fail(ledger, 5);
  CHECK_FALSE(ledger.take_hopeless());
}

TEST_CASE("retries: the delay doubles up to its limit, and only what may pass by itself is tried again") {
  internal::PlanNode plan;
  plan.retry = {.attempts = 3, .backoff = std::chrono::milliseconds(100), .max = std::chrono::milliseconds(350)};
  CHECK(internal::backoff(plan.retry, 1) == std::chrono::milliseconds(100));
  CHECK(internal::backoff(plan.retry, 2) == std::chrono::milliseconds(200));
  CHECK(internal::backoff(plan.retry, 3) == std::chrono::milliseconds(350));
  CHECK(internal::backoff(plan.retry, 4000) == std::chrono::milliseconds(350));
  const Error failed{ErrorCode::kFailed, {}, {}};
  CHECK_FALSE(internal::may_retry(plan, failed, 1));
  plan.retries = true;
  CHECK(internal::may_retry(plan, failed, 2));
  CHECK_FALSE(internal::may_retry(plan, failed, 3));
  CHECK_FALSE(internal::may_retry(plan, Error{ErrorCode::kInvalidArgument, {}, {}}, 1));
}

}  // namespace tenon::test

#include "serve/jobs.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include "serve/mailbox.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("Jobs: run in order, refuse beyond the bound, drop what waits at the end") {
  std::promise<void> entered;
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  std::vector<int> order;
  const auto witness = std::make_shared<int>(0);
  {
    Jobs jobs("test-jobs", 1, 2);
    REQUIRE(jobs.start());
    REQUIRE(jobs.run([&] {
      order.push_back(1);
      entered.set_value();
      opened.wait();
    }));
    entered.get_future().wait();
    CHECK(jobs.run([&, witness] { order.push_back(2); }));
    CHECK(jobs.run([&, witness] { order.push_back(3); }));
    CHECK_FALSE(jobs.run([&] { order.push_back(4); }));
    gate.set_value();
  }
  CHECK(witness.use_count() == 1);
  REQUIRE_FALSE(order.empty());
  CHECK(order.front() == 1);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("Mailbox: functions run on the loop, none after it is closed") {
  auto mailbox = Mailbox::create();
  REQUIRE(mailbox);
  int runs = 0;
  (*mailbox)->post([&] { ++runs; });
  (*mailbox)->post([&] { ++runs; });
  CHECK(runs == 0);
  (*mailbox)->run();
  CHECK(runs == 2);
  const auto witness = std::make_shared<int>(0);
  (*mailbox)->post([&, witness] { ++runs; });
  (*mailbox)->close();
  (*mailbox)->post([&, witness] { ++runs; });
  (*mailbox)->run();
  CHECK(runs == 2);
  CHECK(witness.use_count() == 1);
}

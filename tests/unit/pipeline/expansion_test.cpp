/// Which items of an expand run, and whose results come next, without an engine.
#include "pipeline/expansion.hpp"

#include <string>
#include <vector>

#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::Expansion;

namespace {

/// An expansion whose results are texts.
struct Texts {
  explicit Texts(std::uint32_t sessions, bool ordered, internal::QueueLimits held = {})
      : expansion(plan, {.sessions = sessions, .ordered = ordered, .held = held}) {}

  std::uint32_t take(const std::string& text) { return expansion.take({make_reply(text), 0}); }
  void gave(std::uint32_t which, const std::vector<std::string>& texts) {
    std::vector<Reply> results;
    for (const std::string& text : texts) {
      results.push_back(make_reply(text));
    }
    expansion.gave(which, std::move(results), ready_);
  }
  void over(std::uint32_t which) { expansion.over(which, ready_); }
  std::string ready() {
    std::string all;
    for (const Reply& reply : ready_) {
      all += text_of(reply);
    }
    ready_.clear();
    return all;
  }

  internal::PlanNode plan;
  Expansion expansion;

 private:
  std::vector<Reply> ready_;
};

}  // namespace

TEST_CASE("Expansion: takes an item for each free session") {
  Texts texts(2, false);
  CHECK(texts.expansion.empty());
  const std::uint32_t first = texts.take("1");
  CHECK(texts.expansion.takes());
  texts.take("2");
  CHECK_FALSE(texts.expansion.takes());
  texts.over(first);
  CHECK(texts.expansion.takes());
  CHECK_FALSE(texts.expansion.empty());
}

TEST_CASE("Expansion: without an order, results pass on as they come") {
  Texts texts(2, false);
  const std::uint32_t first = texts.take("1");
  const std::uint32_t second = texts.take("2");
  texts.gave(second, {"c"});
  texts.gave(first, {"a", "b"});
  CHECK(texts.ready() == "cab");
  CHECK(texts.expansion.held().items == 0);
  texts.over(first);
  texts.over(second);
  CHECK(texts.expansion.empty());
}

TEST_CASE("Expansion: with an order, later items hold their results back until those before them are over") {
  Texts texts(3, true);
  const std::uint32_t first = texts.take("1");
  const std::uint32_t second = texts.take("2");
  const std::uint32_t third = texts.take("3");
  texts.gave(third, {"e"});
  texts.gave(second, {"c"});
  texts.gave(first, {"a"});
  CHECK(texts.ready() == "a");
  CHECK(texts.expansion.held().items == 2);
  texts.over(third);
  CHECK(texts.ready().empty());
  texts.gave(first, {"b"});
  texts.over(first);
  // The second is first now: what it has held back, and at once what it gives from now on.
  CHECK(texts.ready() == "bc");
  CHECK_FALSE(texts.expansion.holds_back(second));
  texts.gave(second, {"d"});
  texts.over(second);
  CHECK(texts.ready() == "de");
  CHECK(texts.expansion.held().items == 0);
  CHECK(texts.expansion.held().bytes == 0);
  CHECK(texts.expansion.empty());
}

TEST_CASE("Expansion: what is held back is bounded in items and bytes") {
  Texts texts(4, true, {.items = 8, .bytes = 1000});
  texts.take("1");
  const std::uint32_t second = texts.take("2");
  CHECK(texts.expansion.room_to_hold(second) == 2);
  texts.gave(second, {"a"});
  CHECK(texts.expansion.room_to_hold(second) == 1);
  texts.gave(second, {"b"});
  CHECK(texts.expansion.room_to_hold(second) == 0);
  const std::uint32_t third = texts.take("3");
  texts.gave(third, {std::string(250, 'x')});
  CHECK(texts.expansion.room_to_hold(third) == 0);
  // Items that have ended and wait must not pile up behind a long one.
  std::uint32_t taken = 0;
  while (texts.expansion.takes()) {
    const std::uint32_t next = texts.take("n");
    texts.gave(next, {"y", "y"});
    texts.over(next);
    REQUIRE(++taken < 10);
  }
  CHECK(texts.expansion.held().items <= 9);
}

TEST_CASE("Expansion: items without results do not pile up behind a long one either") {
  Texts texts(2, true);
  texts.take("1");
  std::uint32_t taken = 0;
  while (texts.expansion.takes()) {
    texts.over(texts.take("n"));
    REQUIRE(++taken < 1000);
  }
  CHECK(taken + 1 == Expansion::kMostInOrder + 8);
}

TEST_CASE("Expansion: results that were asked for take room until they are given, but not while they are held back") {
  Texts texts(2, true);
  const std::uint32_t first = texts.take("1");
  const std::uint32_t second = texts.take("2");
  texts.expansion.asked(first, 4);
  texts.expansion.asked(second, 100);
  CHECK(texts.expansion.ahead().items == 4);
  texts.expansion.answered(second);
  texts.expansion.answered(first);
  CHECK(texts.expansion.ahead().items == 0);
}

TEST_CASE("Expansion: each round begins with another session") {
  Texts texts(3, false);
  for (const char* text : {"1", "2", "3"}) {
    texts.take(text);
  }
  std::vector<std::uint32_t> begins;
  for (int i = 0; i < 3; ++i) {
    begins.push_back(texts.expansion.next_round().front());
  }
  CHECK(begins == std::vector<std::uint32_t>{1, 2, 0});
}

}  // namespace tenon::test

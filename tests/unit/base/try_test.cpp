#include "base/try.hpp"

#include <memory>
#include <string>
#include <utility>

#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

Result<std::unique_ptr<int>> number(int value) {
  if (value < 0) {
    return fail(ErrorCode::kInvalidArgument, "below zero");
  }
  return std::make_unique<int>(value);
}

Result<void> check(int value) {
  TENON_TRY(number(value));
  return {};
}

Result<int> sum(int first, int second) {
  TENON_ASSIGN(const std::unique_ptr<int> one, number(first));
  TENON_ASSIGN(auto two, number(second));
  *two += *one;
  return *two;
}

tl::expected<std::pair<int, int>, std::string> pair_of(bool good) {
  const auto make = [&]() -> tl::expected<std::pair<int, int>, std::string> {
    return good ? tl::expected<std::pair<int, int>, std::string>(std::pair(1, 2))
                : tl::make_unexpected(std::string("bad"));
  };
  TENON_ASSIGN(const auto both, make());
  return std::pair<int, int>(both.second, both.first);
}

}  // namespace

TEST_CASE("TENON_TRY: returns the error, or goes on") {
  CHECK(check(1));
  const auto failed = check(-1);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kInvalidArgument);
  CHECK(failed.error().message == "below zero");
}

TEST_CASE("TENON_ASSIGN: the value moves into the declaration, the first error ends the function") {
  CHECK(sum(3, 4) == 7);
  CHECK_FALSE(sum(-1, 4));
  CHECK_FALSE(sum(3, -1));
}

TEST_CASE("TENON_ASSIGN: works with other types of errors") {
  CHECK(pair_of(true) == std::pair<int, int>(2, 1));
  CHECK(pair_of(false).error() == "bad");
}

}  // namespace tenon::test

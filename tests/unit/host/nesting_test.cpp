/// A task that calls other tasks is only as idempotent as they are: a task that must not run twice
/// does not run twice if the caller's worker dies.
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::ErrorCode;
namespace fs = std::filesystem;

namespace {

tenon::Runtime start() {
  auto runtime = tenon::Runtime::start(tenon::test::runtime_options(1));
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return std::move(*runtime);
}

std::uintmax_t runs_in(const fs::path& file) {
  return fs::exists(file) ? fs::file_size(file) : 0;
}

struct NestingScene {
  tenon::test::TemporaryDirectory directory;
  tenon::Runtime runtime = start();
  fs::path nested = directory / "nested";
  fs::path outer = directory / "outer";

  tenon::Buffer order(const std::string& task, const std::string& death) const {
    return *tenon::test::argument_from_json(runtime, "nesting.outer",
                                            "{\"path\": \"" + nested.string() + "\", \"outer_path\": \"" +
                                                outer.string() + "\", \"death\": \"" + death + "\", \"task\": \"" +
                                                task + "\"}");
  }
};

}  // namespace

TEST_CASE("nested: an idempotent call that has called a task which is not idempotent is not tried again") {
  const std::string death = GENERATE("in_nested", "after_nested");
  const bool direct = GENERATE(false, true);
  CAPTURE(death, direct);
  NestingScene scene;
  tenon::Runtime& runtime = scene.runtime;
  const auto argument = scene.order("nesting.once", death);
  const auto reply = direct ? runtime.call("nesting.outer", argument) : runtime.submit("nesting.outer", argument).get();
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kCrashed);
  CHECK(reply.error().message.find("it is not tried again, because it had called nesting.once, which is not "
                                   "idempotent") != std::string::npos);
  CHECK(reply.error().context.attempt == 1);
  CHECK(runs_in(scene.nested) == 1);
  CHECK(runs_in(scene.outer) == 1);
}

TEST_CASE("nested: before it has called such a task, and with idempotent ones, a call is tried again") {
  NestingScene scene;
  tenon::Runtime& runtime = scene.runtime;
  SECTION("it dies before") {
    const auto reply = runtime.call("nesting.outer", scene.order("nesting.once", "before_nested"));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().context.attempt == 3);
    CHECK(runs_in(scene.nested) == 0);
    CHECK(runs_in(scene.outer) == 3);
  }
  SECTION("the nested task is idempotent") {
    const auto reply = runtime.call("nesting.outer", scene.order("nesting.again", "after_nested"));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().context.attempt == 3);
    CHECK(runs_in(scene.nested) == 3);
  }
  SECTION("an earlier call in the same worker had called one") {
    REQUIRE(runtime.call("nesting.outer", scene.order("nesting.once", "none")));
    const auto reply = runtime.call("nesting.outer", scene.order("nesting.again", "after_nested"));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().context.attempt == 3);
    CHECK(runs_in(scene.nested) == 4);
  }
}

TEST_CASE("nested: items of a bulk call are judged one by one") {
  NestingScene scene;
  tenon::Runtime& runtime = scene.runtime;
  const auto good = scene.order("nesting.once", "none");
  const auto bad = scene.order("nesting.once", "after_nested");
  constexpr int kCount = 300;
  int given = 0;
  auto stream = runtime.map("nesting.outer", [&]() -> std::optional<tenon::BytesView> {
    if (given == kCount) {
      return std::nullopt;
    }
    return given++ % 100 == 57 ? bad : good;
  });
  int crashed = 0;
  while (auto item = stream.next()) {
    crashed += item->reply ? 0 : 1;
    CHECK(item->reply.has_value() == (item->index % 100 != 57));
  }
  CHECK(crashed == 3);
  CHECK(runs_in(scene.nested) == kCount);
}

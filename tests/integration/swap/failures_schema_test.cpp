// Versions that break the schema: they are refused with the names of the breaks, unless forced.
#include <string>
#include <vector>

#include "scene.hpp"
#include "shape_generated.h"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test

SceneOptions shapes() {
  SceneOptions options;
  options.plugin = "shape";
  options.variant = "shape_first";
  return options;
}

void check_refused(const std::string& variant, const std::vector<std::string>& words) {
  INFO(variant);
  Scene scene(shapes());
  const auto swapped = scene.runtime.swap(variant_file(variant, "shape").string());
  REQUIRE_FALSE(swapped.has_value());
  scene.check_serves_on(swapped.error(), ErrorCode::kIncompatible, words);
  const auto refused = scene.newest(GenerationState::kRefused);
  REQUIRE(refused.has_value());
  CHECK(refused->version == "1.1.0");
  // A schema that breaks must not prevent a later forced swap.
  CHECK(scene.events.count(SwapEvent::Kind::kQuarantined) == 0);
  scene.end();
}

}  // namespace

TEST_CASE("Swap: a break of the schema is refused, by name") {
  check_refused("shape_renamed_task", {"measure"});
  check_refused("shape_removed_field", {"shape.Shape", "colour"});
  check_refused("shape_removed_result", {"shape.Measured", "area"});
  check_refused("shape_added_required", {"shape.Shape", "owner"});
  check_refused("shape_changed_type", {"shape.Shape", "weight", "uint32", "uint64"});
  check_refused("shape_int_to_enum", {"shape.Shape", "unit"});
  check_refused("shape_struct_layout", {"shape.Point"});
}

TEST_CASE("Swap: a break of the schema that is forced is told, and can be taken back") {
  Scene scene(shapes());
  // Their arguments do not verify as the new version's type, which is what this swap forces.
  scene.callers.stop();
  SwapOptions options;
  options.force = true;
  options.probation = std::chrono::milliseconds(0);
  const auto swapped = scene.runtime.swap(variant_file("shape_changed_type", "shape").string(), options);
  REQUIRE(swapped.has_value());
  REQUIRE(swapped->overridden.size() >= 1);
  CHECK(swapped->overridden.front().find("weight") != std::string::npos);
  const auto forced = scene.events.wait_for(SwapEvent::Kind::kForced);
  REQUIRE(forced.has_value());
  CHECK(forced->message.find("weight") != std::string::npos);
  CHECK(scene.current().version == "1.1.0");

  const auto back = scene.runtime.rollback("shape", "weights are too heavy");
  INFO((back ? std::string() : back.error().to_string()) << scene.events.text() << scene.callers.wrong());
  REQUIRE(back.has_value());
  CHECK(back->now.version == "1.0.0");
  const auto told = scene.events.wait_for(SwapEvent::Kind::kRolledBack);
  REQUIRE(told.has_value());
  CHECK(told->message.find("weights are too heavy") != std::string::npos);
  CHECK(scene.current().version == "1.0.0");
  // A version that was rolled back does not come back unless it is forced.
  const auto again = scene.runtime.swap(variant_file("shape_changed_type", "shape").string());
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kRejected);
  CHECK(again.error().message.find("weights are too heavy") != std::string::npos);
  scene.end();
}

TEST_CASE("Swap: a forced version that its callers cannot use is rolled back by itself") {
  Scene scene(shapes());
  scene.callers.stop();
  SwapOptions options;
  options.force = true;
  flatbuffers::FlatBufferBuilder old_argument;
  old_argument.Finish(shape::CreateShape(old_argument));
  REQUIRE(scene.runtime.swap(variant_file("shape_added_required", "shape").string(), options).has_value());
  const bool back = eventually([&] {
    static_cast<void>(scene.runtime.call<shape::Measured>("shape.measure", old_argument));
    return scene.events.count(SwapEvent::Kind::kRolledBack) == 1;
  });
  INFO(scene.events.text());
  CHECK(back);
  CHECK(scene.current().version == "1.0.0");
  CHECK(scene.runtime.call<shape::Measured>("shape.measure", old_argument).has_value());
  scene.end();
}

#include "swap/records.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include <tenon_test/catch.hpp>

#include "fake_fleet.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

GenerationRecords::Id add(GenerationRecords& records, const std::string& plugin, const std::string& version) {
  GenerationInfo info;
  info.plugin = plugin;
  info.version = version;
  info.sha256 = "of " + version;
  return records.add(std::move(info), "store/" + version);
}

GenerationRef attached(FakeFleet& fleet, GenerationRecords& records, GenerationRecords::Id id) {
  GenerationRef generation = fleet.add(std::make_shared<const PluginInfo>(), nullptr, {});
  records.attach(id, generation);
  return generation;
}

std::size_t count(GenerationRecords& records, const std::string& plugin) {
  const auto all = records.all();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const GenerationInfo& info) { return info.plugin == plugin; }));
}

}  // namespace

TEST_CASE("GenerationRecords: of those that are over the newest are kept, for each plugin") {
  const auto fleet = std::make_shared<FakeFleet>(Catalog());
  GenerationRecords records(fleet);
  const auto other = add(records, "other", "1.0.0");
  records.set_state(other, GenerationState::kRefused, "too old");
  GenerationRecords::Id first = 0;
  constexpr std::size_t kAdded = GenerationRecords::kKept + 10;
  for (std::size_t i = 1; i <= kAdded; ++i) {
    const auto id = add(records, "image", std::to_string(i));
    records.set_state(id, GenerationState::kRefused, "for a test");
    first = first == 0 ? id : first;
    CHECK(count(records, "image") == std::min(i, GenerationRecords::kKept));
  }
  const auto all = records.all();
  REQUIRE(all.size() == GenerationRecords::kKept + 1);
  CHECK(all.front().version == std::to_string(kAdded));
  CHECK(all[GenerationRecords::kKept - 1].version == "11");
  CHECK(all.back().plugin == "other");
  CHECK(records.stored("image").size() == GenerationRecords::kKept);
  // A generation that is gone is not a trap for code that still has its number.
  records.set_state(first, GenerationState::kCurrent);
  records.set_version(first, "9");
  records.detach(first);
  CHECK(records.info(first).plugin.empty());
  CHECK(records.all().size() == GenerationRecords::kKept + 1);
}

TEST_CASE("GenerationRecords: what is current, drains, or is kept for a roll-back stays, however old") {
  const auto fleet = std::make_shared<FakeFleet>(Catalog());
  GenerationRecords records(fleet);
  const auto kept = add(records, "image", "kept");
  const GenerationRef generation = attached(*fleet, records, kept);
  records.set_state(kept, GenerationState::kRetired);
  const auto draining = add(records, "image", "draining");
  records.set_state(draining, GenerationState::kDraining);
  const auto current = add(records, "image", "current");
  records.set_state(current, GenerationState::kCurrent);
  const auto fill = [&] {
    for (std::size_t i = 0; i < GenerationRecords::kKept; ++i) {
      records.set_state(add(records, "image", std::to_string(i)), GenerationState::kRefused);
    }
  };
  fill();
  CHECK(records.all().size() == GenerationRecords::kKept + 3);
  for (const auto id : {kept, draining, current}) {
    CHECK(records.info(id).plugin == "image");
  }
  // As soon as it is no longer needed, it is removed like the others.
  fleet->change([&](FakeFleet::State& state) { state.tallies[generation->number] = {.calls = 5}; });
  records.detach(kept);
  CHECK(records.info(kept).calls == 5);
  fill();
  CHECK(records.info(kept).plugin.empty());
  CHECK(records.all().size() == GenerationRecords::kKept + 2);
}

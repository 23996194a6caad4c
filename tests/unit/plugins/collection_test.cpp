#include <algorithm>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "files_generated.h"
#include "tenon_test/catch.hpp"

using tenon::test::Block;
using tenon::test::Worker;

namespace {

struct Sample {
  std::string path;
  std::uint64_t size_bytes;
  std::string hex;
};

Block digest_of(const Sample& sample, const std::string& algorithm = "sha256") {
  tenon::DigestT digest;
  digest.file = std::make_unique<tenon::FileT>();
  digest.file->path = sample.path;
  digest.file->size_bytes = sample.size_bytes;
  digest.file->extension = sample.path.substr(sample.path.find('.') + 1);
  digest.algorithm = algorithm;
  digest.value = {1};
  digest.hex = sample.hex;
  return digest;
}

const std::vector<Sample> kSamples{{"/t/b.c", 100, "aa"},  {"/t/a.c", 100, "aa"}, {"/t/c.h", 5000, "bb"},
                                   {"/t/e.h", 0, "00"},    {"/t/d.h", 0, "00"},   {"/t/z.c", 100, "cc"},
                                   {"/t/y.x", 5000, "bb"}, {"/t/x.x", 5000, "bb"}};

files::InventoryT inventory_of(const std::vector<Sample>& samples) {
  Worker worker;
  auto session = worker.open("inventory");
  for (const Sample& sample : samples) {
    REQUIRE(session.take(digest_of(sample)).ok());
  }
  const auto outcome = session.finish();
  REQUIRE(outcome.status == TENON_END);
  files::InventoryT inventory;
  outcome.as<files::Inventory>().UnPackTo(&inventory);
  return inventory;
}

}  // namespace

TEST_CASE("Inventory: totals, extensions, sizes, largest files and duplicates") {
  const auto inventory = inventory_of(kSamples);
  CHECK(inventory.title == "Inventory");
  CHECK(inventory.total_files == 8);
  CHECK(inventory.size_bytes == 15300);
  REQUIRE(inventory.extensions.size() == 3);
  CHECK(inventory.extensions[0]->extension == "x");
  CHECK(inventory.extensions[0]->size_bytes == 10000);
  CHECK(inventory.extensions[1]->files == 3);
  CHECK(inventory.sizes[0]->files == 2);
  CHECK(inventory.sizes[1]->files == 3);
  CHECK(inventory.sizes[3]->files == 3);
  CHECK(inventory.largest.size() == 8);
  CHECK(inventory.largest[0]->path == "/t/c.h");
  CHECK(std::is_sorted(inventory.files.begin(), inventory.files.end(),
                       [](const auto& a, const auto& b) { return a->path < b->path; }));
  const auto& duplicates = *inventory.duplicates;
  CHECK(duplicates.wasted_bytes == 10100);
  REQUIRE(duplicates.groups.size() == 3);
  CHECK(duplicates.groups[0]->paths == std::vector<std::string>{"/t/c.h", "/t/x.x", "/t/y.x"});
  CHECK(duplicates.groups[0]->wasted_bytes == 10000);
  CHECK(duplicates.groups[1]->paths == std::vector<std::string>{"/t/a.c", "/t/b.c"});
  CHECK(duplicates.groups[2]->size_bytes == 0);
}

TEST_CASE("Inventory: the order and a second delivery of digests make no difference") {
  auto samples = kSamples;
  const auto first = inventory_of(samples);
  std::reverse(samples.begin(), samples.end());
  samples.push_back(samples.front());
  const auto second = inventory_of(samples);
  flatbuffers::FlatBufferBuilder a;
  flatbuffers::FlatBufferBuilder b;
  a.Finish(files::Inventory::Pack(a, &first));
  b.Finish(files::Inventory::Pack(b, &second));
  CHECK(std::equal(a.GetBufferPointer(), a.GetBufferPointer() + a.GetSize(), b.GetBufferPointer(),
                   b.GetBufferPointer() + b.GetSize()));
}

TEST_CASE("Inventory: nothing at all is an inventory as well") {
  const auto inventory = inventory_of({});
  CHECK(inventory.total_files == 0);
  CHECK(inventory.duplicates->groups.empty());
}

TEST_CASE("Inventory: goes on from a checkpoint") {
  Worker worker;
  for (std::size_t cut = 0; cut <= kSamples.size(); ++cut) {
    auto session = worker.open("inventory");
    for (std::size_t i = 0; i < cut; ++i) {
      REQUIRE(session.take(digest_of(kSamples[i])).ok());
    }
    auto later = worker.open("inventory", {}, {}, session.checkpoint());
    for (std::size_t i = cut; i < kSamples.size(); ++i) {
      REQUIRE(later.take(digest_of(kSamples[i])).ok());
    }
    const auto outcome = later.finish();
    CHECK(outcome.as<files::Inventory>().total_files() == 8);
    CHECK(outcome.as<files::Inventory>().duplicates()->wasted_bytes() == 10100);
  }
}

TEST_CASE("Inventory: two algorithms and too many files are errors") {
  Worker worker;
  auto mixed = worker.open("inventory");
  REQUIRE(mixed.take(digest_of(kSamples[0])).ok());
  CHECK(mixed.take(digest_of(kSamples[1], "blake2b")).status == TENON_INVALID_ARGUMENT);
  files::InventoryParamsT params;
  params.max_files = 1;
  auto small = worker.open("inventory", {}, params);
  REQUIRE(small.take(digest_of(kSamples[0])).ok());
  const auto outcome = small.take(digest_of(kSamples[1]));
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(outcome.message.find("max_files") != std::string::npos);
}

TEST_CASE("Duplicates: small files can be left out") {
  Worker worker;
  files::DuplicatesParamsT params;
  params.min_size_bytes = 101;
  auto session = worker.open("duplicates", {}, params);
  for (const Sample& sample : kSamples) {
    REQUIRE(session.take(digest_of(sample)).ok());
  }
  const auto outcome = session.finish();
  REQUIRE(outcome.as<files::Duplicates>().groups()->size() == 1);
  CHECK(outcome.as<files::Duplicates>().total_files() == 3);
}

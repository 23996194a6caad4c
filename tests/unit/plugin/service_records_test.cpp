#include "plugin/service_records.hpp"

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "platform/file.hpp"
#include "plugin/store.hpp"
#include "store_support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

const std::string kFirst(64, 'a');
const std::string kSecond(64, 'b');
const std::string kThird(64, 'c');

ServiceRecord record_of(const std::string& host, const std::string& plugin, const std::string& sha256) {
  ServiceRecord record;
  record.host = host;
  record.plugin = plugin;
  record.current = {sha256, "1.2.3", "/opt/plugins/" + plugin + ".so"};
  record.why = "a test\nof two lines";
  record.since = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'234'567));
  return record;
}

fs::path record_file(const fs::path& directory) {
  return fs::directory_iterator(fs::directory_iterator(directory)->path())->path();
}

}  // namespace

TEST_CASE("ServiceRecords: each host has its own, and its last word counts") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  CHECK_FALSE(records.find("one", "image"));
  ServiceRecord record = record_of("one", "image", kFirst);
  record.forced = true;
  record.file = "/opt/plugins/image.so";
  record.file_sha256 = kThird;
  record.past = {{kSecond, "1.0.0", "/opt/plugins/image.so"}};
  REQUIRE(records.remember(record));
  REQUIRE(records.remember(record_of("other", "image", kThird)));
  REQUIRE(records.remember(record_of("one", "text", kThird)));
  const auto found = records.find("one", "image");
  REQUIRE(found);
  CHECK(found->current.sha256 == kFirst);
  CHECK(found->current.version == "1.2.3");
  CHECK(found->current.source == "/opt/plugins/image.so");
  CHECK(found->why == record.why);
  CHECK(found->since == record.since);
  CHECK(found->forced);
  CHECK(found->file == record.file);
  CHECK(found->file_sha256 == kThird);
  REQUIRE(found->past.size() == 1);
  CHECK(found->past[0].sha256 == kSecond);
  CHECK(records.find("other", "image")->current.sha256 == kThird);
  CHECK(records.of("one").size() == 2);
  CHECK(records.of("nobody").empty());
  CHECK(records.needed() == std::set<std::string>{kFirst, kSecond, kThird});
  REQUIRE(records.remember(record_of("one", "image", kSecond)));
  CHECK(records.find("one", "image")->current.sha256 == kSecond);
}

TEST_CASE("ServiceRecords: what a host knows already is not written again") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  ServiceRecord record = record_of("one", "image", kFirst);
  record.past = {{kSecond, "1.0.0", "/opt/plugins/image.so"}};
  REQUIRE(records.remember(record, ServiceRecords::Durability::kPowerCut));
  const fs::path file = record_file(directory.path());
  const Buffer written = *read_file(file, 4096);
  // Whatever replaces the file changes the permissions that it has here.
  fs::permissions(file, fs::perms::owner_read);
  const auto untouched = [&] { return fs::status(file).permissions() == fs::perms::owner_read; };
  record.since += std::chrono::hours(1);
  REQUIRE(records.remember(record, ServiceRecords::Durability::kPowerCut));
  CHECK(untouched());
  CHECK(*read_file(file, 4096) == written);
  record.past.clear();
  REQUIRE(records.remember(record, ServiceRecords::Durability::kPowerCut));
  CHECK_FALSE(untouched());
  CHECK(records.find("one", "image")->past.empty());
}

TEST_CASE("ServiceRecords: what names no content or no plugin is refused") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  CHECK(records.remember(record_of("one", "image", "no hash")).error().code == ErrorCode::kInvalidArgument);
  CHECK(records.remember(record_of("one", "../image", kFirst)).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(records.find("one", "../image"));
}

TEST_CASE("ServiceRecords: a broken record counts as none") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  REQUIRE(records.remember(record_of("one", "image", kFirst)));
  const fs::path file = record_file(directory.path());
  const Buffer whole = *read_file(file, 4096);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE(write_file(file, BytesView(whole.data(), size), {.sync = false}));
    CHECK_FALSE(records.find("one", "image"));
    CHECK(records.of("one").empty());
  }
  REQUIRE(records.remember(record_of("one", "image", kSecond)));
  CHECK(records.find("one", "image")->current.sha256 == kSecond);
}

TEST_CASE("ServiceRecords: a directory that is gone is an error to write and nothing to read") {
  const ServiceRecords records(missing_path("hosts"), 10);
  CHECK_FALSE(records.remember(record_of("one", "image", kFirst)));
  CHECK_FALSE(records.find("one", "image"));
  CHECK(records.needed().empty());
  records.touch("one");
  records.sweep();
}

TEST_CASE("ServiceRecords: hosts that have not been there for months go") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  REQUIRE(records.remember(record_of("one", "image", kFirst)));
  REQUIRE(records.rolled_back("one").add(kSecond, "too dark", std::chrono::system_clock::now()));
  const fs::path host = fs::directory_iterator(directory.path())->path();
  const auto age = [&](std::chrono::hours hours) {
    fs::last_write_time(host, fs::file_time_type::clock::now() - hours);
    records.sweep();
  };
  age(std::chrono::hours(24 * 80));
  CHECK(records.find("one", "image"));
  CHECK(records.rolled_back("one").find(kSecond));
  fs::last_write_time(host, fs::file_time_type::clock::now() - std::chrono::hours(24 * 100));
  records.touch("one");
  records.sweep();
  CHECK(records.find("one", "image"));
  age(std::chrono::hours(24 * 100));
  CHECK_FALSE(records.find("one", "image"));
  CHECK_FALSE(fs::exists(host));
}

TEST_CASE("ServiceRecords: a roll-back binds one host") {
  const TemporaryDirectory directory;
  const ServiceRecords records(directory.path(), 10);
  REQUIRE(records.remember(record_of("one", "image", kFirst)));
  REQUIRE(
      records.rolled_back("one").add(kSecond, "too dark", std::chrono::system_clock::now(), {"image", "1.3.0", "one"}));
  CHECK(records.rolled_back("one").find(kSecond)->subject.version == "1.3.0");
  CHECK_FALSE(records.rolled_back("other").find(kSecond));
  REQUIRE(records.all_rolled_back().size() == 1);
  CHECK(records.all_rolled_back()[0].all()[0].subject.host == "one");
}

TEST_CASE("Store: what was served last stays when the rest is swept, and gives way to what needs its room") {
  const TemporaryDirectory directory;
  const fs::path first = directory / "first.so";
  const fs::path second = directory / "second.so";
  write_text(first, content_of(1, 1000));
  write_text(second, content_of(2, 1000));
  StoreLimits limits;
  limits.max_files = 2;
  const Store store = *Store::open(directory / "store", limits);
  const std::string kept = store.stage(first)->sha256;
  REQUIRE(store.hosts().remember(record_of("one", "first", kept)));
  const std::string other = store.stage(second)->sha256;
  store.sweep();
  CHECK(store.find(kept, "first.so"));
  CHECK(store.find(other, "second.so").error().code == ErrorCode::kNotFound);
  CHECK(store.find(kept, "other.so").error().code == ErrorCode::kNotFound);
  CHECK(store.find("no hash", "first.so").error().code == ErrorCode::kNotFound);
  // It is pinned while it is held, like staged files.
  {
    const auto held = store.find(kept, "first.so");
    REQUIRE(held);
    CHECK(held->pin.valid());
    CHECK(store.contents()->front().pins == 1);
  }
  CHECK(store.contents()->front().pins == 0);
  // It conflicts with two versions that are in use.
  const auto pin = store.stage(second)->pin;
  const fs::path third = directory / "third.so";
  write_text(third, content_of(3, 1000));
  REQUIRE(store.stage(third));
  CHECK_FALSE(store.find(kept, "first.so"));
}

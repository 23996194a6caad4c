#include "plugin/quarantine.hpp"

#include <chrono>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "store_support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

std::string hash(char digit) {
  return std::string(64, digit);
}

std::chrono::system_clock::time_point at(std::int64_t seconds) {
  return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
}

}  // namespace

TEST_CASE("Quarantine: a content is in with its reason until it is released, in every host") {
  const TemporaryDirectory directory;
  const Quarantine one(directory.path(), 10);
  const Quarantine other(directory.path(), 10);
  CHECK_FALSE(one.find(hash('a')).has_value());
  REQUIRE(one.add(hash('a'), "crashed in init:\nsignal 11", at(1000)));
  const auto record = other.find(hash('a'));
  REQUIRE(record.has_value());
  CHECK(record->sha256 == hash('a'));
  CHECK(record->reason.starts_with("crashed in init:"));
  CHECK(record->reason.find('\n') == std::string::npos);
  CHECK(record->since == at(1000));
  REQUIRE(other.add(hash('a'), "another reason", at(2000)));
  CHECK(one.find(hash('a'))->reason == "another reason");
  CHECK(one.all().size() == 1);
  CHECK(one.release(hash('a')).value_or(false));
  CHECK_FALSE(other.release(hash('a')).value_or(true));
  CHECK_FALSE(other.find(hash('a')).has_value());
}

TEST_CASE("Quarantine: what exceeded a time limit is held back only with a limit that is no longer") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 10);
  REQUIRE(quarantine.add(hash('a'), "hung in init", at(1000), {"slow", "1.0.0", {}}, std::chrono::milliseconds(500)));
  const auto hung = quarantine.find(hash('a'));
  REQUIRE(hung.has_value());
  CHECK(hung->subject.plugin == "slow");
  CHECK(hung->reason == "hung in init");
  CHECK(hung->time_limit == std::chrono::milliseconds(500));
  CHECK(hung->holds_with(std::chrono::milliseconds(499)));
  CHECK(hung->holds_with(std::chrono::milliseconds(500)));
  CHECK_FALSE(hung->holds_with(std::chrono::milliseconds(501)));

  REQUIRE(quarantine.add(hash('b'), "crashed", at(1000)));
  CHECK(quarantine.find(hash('b'))->holds_with(std::chrono::hours(1000)));
}

TEST_CASE("Quarantine: records of earlier releases are understood") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 10);
  write_text(directory / hash('1'), "tenon quarantine 1\n1000\ncrashed\n");
  write_text(directory / hash('2'), "tenon quarantine 2\n2000\nhello\n1.0.0\n\ncrashed\n");
  const auto first = quarantine.find(hash('1'));
  REQUIRE(first.has_value());
  CHECK(first->since == at(1000));
  CHECK(first->reason == "crashed");
  const auto second = quarantine.find(hash('2'));
  REQUIRE(second.has_value());
  CHECK(second->subject.plugin == "hello");
  CHECK(second->reason == "crashed");
  CHECK(second->holds_with(std::chrono::hours(1000)));
}

TEST_CASE("Quarantine: the oldest records go first when there are too many") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 3);
  for (const char digit : {'1', '2', '3', '4', '5'}) {
    REQUIRE(quarantine.add(hash(digit), "bad", at(digit)));
  }
  const auto records = quarantine.all();
  REQUIRE(records.size() == 3);
  CHECK(records[0].sha256 == hash('5'));
  CHECK(records[2].sha256 == hash('3'));
}

TEST_CASE("Quarantine: a record that is spoiled still counts") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 10);
  REQUIRE(quarantine.add(hash('a'), "a long reason", at(1000)));
  const std::string whole = text_of(directory / hash('a'));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    write_text(directory / hash('a'), whole.substr(0, size));
    const auto record = quarantine.find(hash('a'));
    REQUIRE(record.has_value());
    CHECK(record->sha256 == hash('a'));
    CHECK(record->reason.find("cannot be read") != std::string::npos);
  }
  write_text(directory / hash('a'), std::string(100'000, 'x'));
  CHECK(quarantine.find(hash('a')).has_value());
  CHECK(quarantine.all().size() == 1);
  CHECK(quarantine.release(hash('a')).value_or(false));
}

TEST_CASE("Quarantine: what is no hash is refused and leads nowhere else") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 10);
  for (const std::string& name : {std::string(), std::string("../x"), hash('A'), hash('a') + "a", hash('g')}) {
    INFO(name);
    CHECK(quarantine.add(name, "bad", at(1)).error().code == ErrorCode::kInvalidArgument);
    CHECK_FALSE(quarantine.find(name).has_value());
    CHECK_FALSE(quarantine.release(name).value_or(true));
  }
  CHECK(files_below(directory.path()).empty());
}

TEST_CASE("Quarantine: what killed writers left behind is swept once it is old, and is no record before") {
  const TemporaryDirectory directory;
  const Quarantine quarantine(directory.path(), 10);
  REQUIRE(quarantine.add(hash('a'), "bad", at(1000)));
  write_text(directory / ".tenon-0123.tmp", "half");
  CHECK(quarantine.all().size() == 1);
  quarantine.sweep();
  CHECK(files_below(directory.path()).size() == 2);
  std::filesystem::last_write_time(directory / ".tenon-0123.tmp",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::minutes(5));
  quarantine.sweep();
  CHECK(files_below(directory.path()).size() == 1);
}

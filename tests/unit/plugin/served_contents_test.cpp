#include "plugin/served_contents.hpp"

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

}  // namespace

TEST_CASE("ServedContents: the last word for each file counts") {
  const TemporaryDirectory directory;
  const ServedContents served(directory.path());
  CHECK_FALSE(served.find("/opt/plugins/image.so"));
  REQUIRE(served.remember("/opt/plugins/image.so", kFirst));
  REQUIRE(served.remember("/opt/plugins/text.so", kFirst));
  REQUIRE(served.remember("/opt/plugins/image.so", kSecond));
  CHECK(served.find("/opt/plugins/image.so") == kSecond);
  CHECK(served.find("/opt/plugins/text.so") == kFirst);
  CHECK(served.all() == std::set<std::string>{kFirst, kSecond});
  CHECK(served.remember("/opt/plugins/image.so", "no hash").error().code == ErrorCode::kInvalidArgument);
  CHECK(served.find("/opt/plugins/image.so") == kSecond);
}

TEST_CASE("ServedContents: a broken record counts as none") {
  const TemporaryDirectory directory;
  const ServedContents served(directory.path());
  REQUIRE(served.remember("/opt/plugins/image.so", kFirst));
  const fs::path record = fs::directory_iterator(directory.path())->path();
  const Buffer whole = *read_file(record, 4096);
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    REQUIRE(write_file(record, BytesView(whole.data(), size), {}));
    CHECK_FALSE(served.find("/opt/plugins/image.so"));
    CHECK(served.all().empty());
  }
  REQUIRE(served.remember("/opt/plugins/image.so", kSecond));
  CHECK(served.find("/opt/plugins/image.so") == kSecond);
}

TEST_CASE("ServedContents: a directory that is gone is an error to write and nothing to read") {
  const ServedContents served(missing_path("served"));
  CHECK_FALSE(served.remember("/opt/plugins/image.so", kFirst));
  CHECK_FALSE(served.find("/opt/plugins/image.so"));
  CHECK(served.all().empty());
  served.sweep();
}

TEST_CASE("ServedContents: records that are a month old go") {
  const TemporaryDirectory directory;
  const ServedContents served(directory.path());
  REQUIRE(served.remember("/opt/plugins/image.so", kFirst));
  served.sweep();
  CHECK(served.find("/opt/plugins/image.so"));
  const fs::path record = fs::directory_iterator(directory.path())->path();
  fs::last_write_time(record, fs::file_time_type::clock::now() - std::chrono::hours(24 * 31));
  served.sweep();
  CHECK_FALSE(served.find("/opt/plugins/image.so"));
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
  REQUIRE(store.served().remember(first, kept));
  const std::string other = store.stage(second)->sha256;
  store.sweep();
  CHECK(store.find(kept, "first.so"));
  CHECK(store.find(other, "second.so").error().code == ErrorCode::kNotFound);
  CHECK(store.find(kept, "other.so").error().code == ErrorCode::kNotFound);
  CHECK(store.find("no hash", "first.so").error().code == ErrorCode::kNotFound);
  // Pinned as long as it is held, like what has been staged.
  {
    const auto held = store.find(kept, "first.so");
    REQUIRE(held);
    CHECK(held->pin.valid());
    CHECK(store.contents()->front().pins == 1);
  }
  CHECK(store.contents()->front().pins == 0);
  // In the way of two versions that are in use.
  const auto pin = store.stage(second)->pin;
  const fs::path third = directory / "third.so";
  write_text(third, content_of(3, 1000));
  REQUIRE(store.stage(third));
  CHECK_FALSE(store.find(kept, "first.so"));
}

#include "plugin/catalog_cache.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

using namespace tenon::internal;
using tenon::test::TemporaryDirectory;
namespace fs = std::filesystem;

TEST_CASE("CatalogCache: the oldest records go when there are too many") {
  const TemporaryDirectory directory;
  const CatalogCache cache(directory.path());
  const fs::path records = directory / "inspections";
  fs::create_directories(records);
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 1100; ++i) {
    const fs::path file = records / (std::to_string(i) + ".bin");
    std::ofstream(file) << "a record";
    fs::last_write_time(file, now - std::chrono::seconds(2000 - i));
  }
  std::ofstream(records / "left.bin.tmp") << "of a process that was killed";
  fs::last_write_time(records / "left.bin.tmp", now - std::chrono::hours(2));

  cache.keep_verdict("key", Verdict{});
  CHECK(cache.find_verdict("key"));
  CHECK(std::distance(fs::directory_iterator(records), fs::directory_iterator()) <= 1024);
  CHECK_FALSE(fs::exists(records / "0.bin"));
  CHECK(fs::exists(records / "1099.bin"));
  CHECK_FALSE(fs::exists(records / "left.bin.tmp"));
}

TEST_CASE("CatalogCache: large records are bounded by their bytes") {
  const TemporaryDirectory directory;
  const CatalogCache cache(directory.path());
  const fs::path records = directory / "inspections";
  fs::create_directories(records);
  for (int i = 0; i < 319; ++i) {
    std::ofstream(records / (std::to_string(i) + ".bin"));
    fs::resize_file(records / (std::to_string(i) + ".bin"), 65'536);
  }
  cache.keep_verdict("key", Verdict{});  // The 320th.
  std::uintmax_t total_bytes = 0;
  for (const auto& entry : fs::directory_iterator(records)) {
    total_bytes += entry.file_size();
  }
  CHECK(total_bytes <= std::uintmax_t{16} << 20);
  CHECK(cache.find_verdict("key"));
}

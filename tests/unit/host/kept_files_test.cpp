// A runtime keeps the plugins that it started with, even if their files or the store change.
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "platform/file.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace std::chrono_literals;
using tenon::ErrorCode;
namespace fs = std::filesystem;

namespace {

/// A separate plugin directory with a copy of the plugin `tenon`, and a store.
struct Place {
  tenon::test::TemporaryDirectory directory;
  fs::path plugin = directory / "plugins" / "tenon.so";
  fs::path cache = directory / "cache";
  fs::path store = cache / "store";

  Place() {
    fs::create_directory(plugin.parent_path());
    put_back();
  }
  void put_back() const {
    fs::copy_file(tenon::test::build_dir() / "plugins" / "tenon.so", plugin, fs::copy_options::overwrite_existing);
  }
  [[nodiscard]] tenon::RuntimeOptions options(unsigned workers) const {
    tenon::RuntimeOptions options = tenon::test::runtime_options(workers);
    options.plugin_dirs = {plugin.parent_path()};
    options.cache_dir = cache;
    return options;
  }
  [[nodiscard]] tenon::Runtime start(unsigned workers) const {
    auto runtime = tenon::Runtime::start(options(workers));
    if (!runtime) {
      FAIL(runtime.error().to_string());
    }
    return std::move(*runtime);
  }
  void overwrite(std::string_view text) const { std::ofstream(plugin, std::ios::binary | std::ios::trunc) << text; }
  void replace(std::string_view text) const {
    std::ofstream(directory / "next", std::ios::binary) << text;
    fs::rename(directory / "next", plugin);
  }
  /// Returns the only file in the store.
  [[nodiscard]] fs::path stored() const {
    for (const auto& entry : fs::recursive_directory_iterator(store / "objects")) {
      if (entry.is_regular_file()) {
        return entry.path();
      }
    }
    return {};
  }
};

tenon::Result<tenon::Reply> echo(tenon::Runtime& runtime) {
  const flatbuffers::FlatBufferBuilder argument = tenon::test::bytes_argument("x");
  return runtime.call("tenon.echo", {argument.GetBufferPointer(), argument.GetSize()});
}

void check_answers(tenon::Runtime& runtime) {
  for (int i = 0; i < 20; ++i) {
    const auto reply = echo(runtime);
    INFO((reply ? "" : reply.error().to_string()));
    REQUIRE(reply);
  }
}

/// Kills all workers. New workers have no plugin loaded.
void kill_workers(tenon::Runtime& runtime) {
  const auto before = tenon::test::stats_of_all_workers(runtime);
  for (const auto& worker : before.workers) {
    ::kill(static_cast<pid_t>(worker.pid), SIGKILL);
  }
  const auto is_one_of_them = [&](std::int64_t pid) {
    for (const auto& worker : before.workers) {
      if (worker.pid == pid) {
        return true;
      }
    }
    return false;
  };
  for (int i = 0; i < 6000; ++i) {
    std::size_t fresh = 0;
    for (const auto& worker : runtime.stats().workers) {
      fresh += is_one_of_them(worker.pid) ? 0 : 1;
    }
    if (fresh == runtime.worker_count()) {
      return;
    }
    std::this_thread::sleep_for(10ms);
  }
  FAIL("the workers are not replaced");
}

}  // namespace

TEST_CASE("Kept files: a plugin file that is overwritten, replaced or removed does not matter to a runtime") {
  for (const unsigned workers : {1u, 2u}) {
    for (const bool loaded : {false, true}) {
      INFO(workers << " workers, loaded " << loaded);
      const Place place;
      auto runtime = place.start(workers);
      if (loaded) {
        check_answers(runtime);
      }
      place.overwrite("no library any more");
      check_answers(runtime);
      kill_workers(runtime);
      check_answers(runtime);
      place.replace("another");
      kill_workers(runtime);
      check_answers(runtime);
      fs::remove(place.plugin);
      kill_workers(runtime);
      check_answers(runtime);
    }
  }
}

TEST_CASE("Kept files: a store that is deleted or changed under a runtime is made again") {
  const Place place;
  auto runtime = place.start(2);
  check_answers(runtime);
  const fs::path stored = place.stored();
  REQUIRE(stored.filename() == "tenon.so");
  const auto with_write = [&](const std::function<void()>& change) {
    fs::permissions(stored, fs::perms::owner_write, fs::perm_options::add);
    change();
  };
  const std::pair<const char*, std::function<void()>> damages[] = {
      {"the cache is deleted", [&] { fs::remove_all(place.cache); }},
      {"the store is deleted", [&] { fs::remove_all(place.store); }},
      {"the objects are deleted", [&] { fs::remove_all(place.store / "objects"); }},
      {"one content is deleted", [&] { fs::remove_all(stored.parent_path()); }},
      {"one file is deleted", [&] { fs::remove(stored); }},
      {"another file has its name",
       [&] {
         fs::remove(stored);
         std::ofstream(stored) << "no library";
       }},
  };
  for (const auto& [what, damage] : damages) {
    INFO(what);
    damage();
    check_answers(runtime);  // These workers have it loaded.
    kill_workers(runtime);
    check_answers(runtime);
    CHECK(fs::is_regular_file(stored));
  }
  // Code that runs from the file dies with the file. The plugin file still has the content.
  kill_workers(runtime);
  with_write([&] { std::ofstream(stored, std::ios::trunc) << "damaged"; });
  check_answers(runtime);
  kill_workers(runtime);
  check_answers(runtime);
}

TEST_CASE("Kept files: a store that something stands in the place of is done without") {
  const Place place;
  auto runtime = place.start(2);
  fs::remove_all(place.store);
  std::ofstream(place.store) << "in the way";
  fs::remove(place.plugin);
  for (int i = 0; i < 2; ++i) {
    check_answers(runtime);
    kill_workers(runtime);
  }
  check_answers(runtime);
}

TEST_CASE("Kept files: without a store workers load what the host keeps in memory") {
  const Place place;
  std::ofstream(place.cache) << "no directory";
  auto runtime = place.start(2);
  place.overwrite("no library any more");
  check_answers(runtime);
  kill_workers(runtime);
  check_answers(runtime);
}

TEST_CASE("Kept files: a content that is nowhere any more is an error in words, until it is back") {
  const Place place;
  auto runtime = place.start(1);
  const fs::path stored = place.stored();
  fs::permissions(stored, fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(stored, std::ios::trunc) << "damaged";
  place.overwrite("the next version");
  for (int i = 0; i < 3; ++i) {
    const auto reply = echo(runtime);
    REQUIRE_FALSE(reply);
    INFO(reply.error().to_string());
    CHECK(reply.error().code == ErrorCode::kUnavailable);
    CHECK(reply.error().message.find(place.plugin.string()) != std::string::npos);
  }
  place.put_back();
  check_answers(runtime);
}

TEST_CASE("Kept files: a runtime from a catalog of before starts with the file as it is now, or as it was") {
  const Place place;
  tenon::CatalogOptions catalog_options;
  catalog_options.plugin_dirs = {place.plugin.parent_path()};
  catalog_options.use_environment = false;
  catalog_options.cache_dir = place.cache;
  catalog_options.worker_executable = place.options(1).worker_executable;
  auto catalog = tenon::Catalog::open(catalog_options);
  REQUIRE(catalog);
  tenon::RuntimeOptions options = place.options(1);
  options.catalog = *catalog;

  // The content was never stored, so only the file itself has it; it is inspected again.
  std::ofstream(place.plugin, std::ios::app | std::ios::binary) << "more";
  {
    auto runtime = tenon::Runtime::start(options);
    REQUIRE(runtime);
    check_answers(*runtime);
    CHECK(runtime->catalog().find_plugin("tenon")->sha256 != catalog->find_plugin("tenon")->sha256);
    CHECK(runtime->catalog().find_plugin("tenon")->file == place.plugin);
  }
  catalog = tenon::Catalog::open(catalog_options);
  REQUIRE(catalog);
  options.catalog = *catalog;
  place.overwrite("no library");
  auto runtime = tenon::Runtime::start(options);
  REQUIRE(runtime);
  check_answers(*runtime);
  CHECK(runtime->catalog().find_plugin("tenon")->sha256 == catalog->find_plugin("tenon")->sha256);
}

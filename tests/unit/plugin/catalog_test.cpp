#include <tenon/catalog.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <tenon/swap.hpp>
#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "support.hpp"

using tenon::Catalog;
using tenon::CatalogOptions;
using tenon::ErrorCode;
using tenon::PluginInfo;
using tenon::SwapOptions;
using tenon::TaskInfo;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// A directory for plugins, with a cache beside it.
struct CatalogPlace {
  TemporaryDirectory root;
  fs::path plugins = root / "plugins";
  CatalogPlace() {
    fs::create_directory(plugins);
    fs::permissions(plugins, fs::perms(0755));
  }
  void add(std::string_view name) const { fs::copy_file(variant(name), plugins / (std::string(name) + ".so")); }
  [[nodiscard]] CatalogOptions options() const {
    CatalogOptions options;
    options.plugin_dirs = {plugins};
    options.use_environment = false;
    options.cache_dir = root / "cache";
    options.worker_executable = inspector();
    options.limits.start_timeout = std::chrono::seconds(60);
    return options;
  }
  [[nodiscard]] Catalog open() const {
    auto catalog = Catalog::open(options());
    REQUIRE(message_of(catalog) == "");
    return *catalog;
  }
};

std::string problem_of(const Catalog& catalog, std::string_view name) {
  for (const auto& plugin : catalog.plugins()) {
    if (plugin->name == name && plugin->problem) {
      return plugin->problem->message;
    }
  }
  return {};
}

}  // namespace

TEST_CASE("Catalog: an empty directory is a catalog without plugins") {
  const CatalogPlace place;
  const Catalog catalog = place.open();
  CHECK(catalog.plugins().empty());
  CHECK(catalog.find_plugin("good") == nullptr);
  CHECK(has(message_of(catalog.find_task("good.echo")), "no usable plugin"));
}

TEST_CASE("Catalog: finds plugins and tasks by name") {
  const CatalogPlace place;
  place.add("good");
  const Catalog catalog = place.open();
  const auto plugin = catalog.find_plugin("good");
  INFO(problem_of(catalog, "good"));
  REQUIRE(plugin != nullptr);
  CHECK(plugin->version == "1.2.3");
  CHECK(plugin->file == place.plugins / "good.so");
  CHECK(plugin->sha256.size() == 64);
  CHECK(plugin->size_bytes == fs::file_size(place.plugins / "good.so"));
  const auto task = catalog.find_task("good.echo");
  REQUIRE(task.has_value());
  CHECK(task->task->argument_type == "sample.All");
  CHECK(has(message_of(catalog.find_task("good.ecko")), "did you mean 'good.echo'"));
  CHECK(has(message_of(catalog.find_task("god.echo")), "did you mean 'good.echo'"));
  CHECK(catalog.find_task("").error().code == ErrorCode::kNotFound);
  CHECK(catalog.find_task("good").error().code == ErrorCode::kNotFound);
}

TEST_CASE("Catalog: broken plugins are listed with their reason and hurt nobody") {
  const CatalogPlace place;
  for (const char* name : {"good", "crash_constructor", "exit_init", "wrong_kind"}) {
    place.add(name);
  }
  auto truncated = bytes_of_file(variant("larger"));
  truncated.resize(truncated.size() / 2);
  write_bytes(place.plugins / "larger.so", truncated);
  write_bytes(place.plugins / "text.so", bytes_of_file(sample_schema_file()));
  fs::copy_file(variant("good"), place.plugins / "better.so");
  fs::create_directory(place.plugins / "folder.so");
  fs::create_symlink("nowhere", place.plugins / "dangling.so");
  write_bytes(place.plugins / "notes.txt", {});
  const Catalog catalog = place.open();
  CHECK(catalog.plugins().size() == 8);
  CHECK(catalog.find_plugin("good") != nullptr);
  CHECK(has(problem_of(catalog, "crash_constructor"), "while it was loaded"));
  CHECK(has(problem_of(catalog, "exit_init"), "ended its process in init"));
  CHECK(has(problem_of(catalog, "wrong_kind"), "'echo' is a source, but"));
  CHECK(has(problem_of(catalog, "larger"), "truncated"));
  CHECK(has(problem_of(catalog, "text"), "not a shared library"));
  CHECK(has(problem_of(catalog, "better"), "rename the file to good.so"));
  CHECK_FALSE(problem_of(catalog, "dangling").empty());
  const auto refused = catalog.find_task("wrong_kind.echo");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kNotFound);
  CHECK(has(refused.error().message, "cannot be used"));
}

TEST_CASE("Catalog: the first directory wins, the others' files are listed as shadowed") {
  const CatalogPlace place;
  place.add("good");
  fs::create_directory(place.root / "more");
  fs::copy_file(variant("good"), place.root / "more" / "good.so");
  CatalogOptions options = place.options();
  options.plugin_dirs = {place.plugins, place.root / "more", place.plugins / "."};
  const auto catalog = Catalog::open(options);
  REQUIRE(message_of(catalog) == "");
  REQUIRE(catalog->plugins().size() == 2);
  CHECK(catalog->find_plugin("good")->file == place.plugins / "good.so");
  CHECK(has(problem_of(*catalog, "good"), "shadowed by " + (place.plugins / "good.so").string()));
}

TEST_CASE("Catalog: TENON_PLUGIN_PATH is searched first, missing parts are passed over") {
  const CatalogPlace place;
  place.add("good");
  CatalogOptions options = place.options();
  options.plugin_dirs.clear();
  options.use_environment = true;
  ::setenv("TENON_PLUGIN_PATH", (missing_path().string() + ":" + place.plugins.string()).c_str(), 1);
  const auto catalog = Catalog::open(options);
  ::unsetenv("TENON_PLUGIN_PATH");
  REQUIRE(message_of(catalog) == "");
  CHECK(catalog->find_plugin("good") != nullptr);
}

TEST_CASE("Catalog: the usual limits suit a machine-learning runtime, and are those of swaps") {
  const CatalogOptions usual;
  CHECK(usual.limits.start_timeout >= std::chrono::seconds(30));
  CHECK(usual.limits.memory_bytes >= std::uint64_t{64} << 30);
  CHECK(SwapOptions().step_timeout.count() == 0);  // The value comes from the plugin.

  CatalogOptions special;
  special.limits_of["slow"].start_timeout = std::chrono::minutes(2);
  CHECK(special.limits_for("slow").start_timeout == std::chrono::minutes(2));
  CHECK(special.limits_for("other") == usual.limits);
}

TEST_CASE("Catalog: a missing directory and a missing worker are errors") {
  const CatalogPlace place;
  CatalogOptions options = place.options();
  options.plugin_dirs = {place.root / "none"};
  CHECK(Catalog::open(options).error().code == ErrorCode::kNotFound);
  options = place.options();
  options.worker_executable = place.root / "none";
  CHECK(Catalog::open(options).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("Catalog: a second start inspects nothing that is known") {
  const CatalogPlace place;
  place.add("good");
  place.add("wrong_kind");
  const fs::path count = place.root / "count";
  const fs::path worker = place.root / "tenon-worker";
  std::ofstream(worker) << "#!/bin/sh\necho x >> '" << count.string() << "'\nexec '" << inspector().string()
                        << "' \"$@\"\n";
  fs::permissions(worker, fs::perms(0755));
  CatalogOptions options = place.options();
  options.worker_executable = worker;
  const auto inspections = [&] { return fs::exists(count) ? fs::file_size(count) / 2 : 0; };
  const std::shared_ptr<const PluginInfo> first = Catalog::open(options)->find_plugin("good");
  REQUIRE(first != nullptr);
  CHECK(inspections() == 2);
  const auto second = Catalog::open(options);
  CHECK(inspections() == 2);
  CHECK(second->find_plugin("good") != nullptr);
  CHECK(has(problem_of(*second, "wrong_kind"), "'echo' is a source, but"));

  SECTION("what is known is all there, for whoever asks first") {
    // Waits until the file's time stamps are reliable evidence of its content.
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    REQUIRE(Catalog::open(options).has_value());
    const auto third = Catalog::open(options);
    CHECK(inspections() == 2);
    const std::shared_ptr<const PluginInfo> plugin = third->find_plugin("good");
    REQUIRE(plugin != nullptr);
    CHECK(plugin->state.has_value());
    CHECK(plugin->version == first->version);
    CHECK(plugin->sha256 == first->sha256);
    CHECK(plugin->size_bytes == first->size_bytes);
    std::vector<std::string> texts(4);
    std::vector<std::thread> threads;
    for (std::string& text : texts) {
      threads.emplace_back([&text, &plugin] {
        for (const TaskInfo& task : plugin->schema->tasks()) {
          text += task.full_name + "(" + task.argument_type + ") " + task.documentation + "\n";
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    std::string expected;
    for (const TaskInfo& task : first->schema->tasks()) {
      expected += task.full_name + "(" + task.argument_type + ") " + task.documentation + "\n";
    }
    CHECK_FALSE(expected.empty());
    CHECK(texts == std::vector<std::string>(4, expected));
    CHECK(third->find_task("good.echo")->task->name == "echo");
  }
  SECTION("broken records are made again") {
    for (const auto& record : fs::recursive_directory_iterator(place.root / "cache")) {
      if (record.is_regular_file()) {
        auto bytes = bytes_of_file(record.path());
        bytes[bytes.size() / 2] ^= 1;
        write_bytes(record.path(), bytes);
      }
    }
    CHECK(Catalog::open(options)->find_plugin("good") != nullptr);
    CHECK(inspections() == 4);
    CHECK(Catalog::open(options)->find_plugin("good") != nullptr);
    CHECK(inspections() == 4);
  }
  SECTION("other content is inspected") {
    auto bytes = bytes_of_file(variant("good"));
    bytes.push_back(0);
    write_bytes(place.plugins / "good.so", bytes);
    CHECK(Catalog::open(options)->find_plugin("good") != nullptr);
    CHECK(inspections() == 3);
  }
  SECTION("another worker inspects for itself") {
    std::ofstream(worker, std::ios::app) << "# another build\n";
    CHECK(Catalog::open(options)->find_plugin("good") != nullptr);
    CHECK(inspections() == 4);
  }
  SECTION("a cache that cannot be written is done without") {
    options.cache_dir = place.plugins / "good.so";
    CHECK(Catalog::open(options)->find_plugin("good") != nullptr);
    CHECK(inspections() == 4);
  }
}

TEST_CASE("Catalog: files and directories that others may change are refused") {
  const CatalogPlace place;
  place.add("good");
  SECTION("a file that everyone may write") {
    fs::permissions(place.plugins / "good.so", fs::perms(0777));
    CHECK(has(problem_of(place.open(), "good"), "chmod o-w"));
  }
  SECTION("a directory that everyone may write") {
    fs::permissions(place.plugins, fs::perms(0777));
    CHECK(has(problem_of(place.open(), "good"), "plugin directory"));
  }
  SECTION("a sticky one is safe") {
    fs::permissions(place.plugins, fs::perms(01777));
    CHECK(place.open().find_plugin("good") != nullptr);
  }
  SECTION("a file of another user") {
    if (::geteuid() != 0) {
      SUCCEED("skipped: only root can give a file away");
      return;
    }
    REQUIRE(::chown((place.plugins / "good.so").c_str(), 12345, 12345) == 0);
    CHECK(has(problem_of(place.open(), "good"), "belongs to user 12345"));
  }
  SECTION("a link is judged by what it leads to") {
    fs::create_directory(place.root / "open");
    fs::rename(place.plugins / "good.so", place.root / "open" / "good.so");
    fs::permissions(place.root / "open", fs::perms(0777));
    fs::create_symlink(place.root / "open" / "good.so", place.plugins / "good.so");
    CHECK(has(problem_of(place.open(), "good"), "plugin directory"));
    fs::permissions(place.root / "open", fs::perms(0755));
    CHECK(place.open().find_plugin("good") != nullptr);
  }
}

TEST_CASE("find_worker_executable: takes what is named or says where it looked") {
  CHECK(tenon::find_worker_executable(inspector()).value() == inspector());
  CHECK(tenon::find_worker_executable(missing_path()).error().code == ErrorCode::kUnavailable);
  ::setenv("TENON_WORKER", inspector().c_str(), 1);
  CHECK(tenon::find_worker_executable({}).value() == inspector());
  ::setenv("TENON_WORKER", missing_path().c_str(), 1);
  CHECK(has(message_of(tenon::find_worker_executable({})), "TENON_WORKER names"));
  ::unsetenv("TENON_WORKER");
}

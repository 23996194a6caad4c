/// Checks whether a plugin file still is the inspected one: by its state, or by its content if the
/// state does not decide.
#include "plugin/plugin_file.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "plugin/file_hash.hpp"
#include "plugin/library.hpp"
#include "support.hpp"

using tenon::Catalog;
using tenon::CatalogOptions;
using tenon::ErrorCode;
using tenon::PluginFileState;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

struct File {
  TemporaryDirectory directory;
  fs::path path = directory / "some.so";
  explicit File(const std::string& content) { write(content); }
  /// Writes in place, which keeps the inode.
  void write(const std::string& content) const { std::ofstream(path, std::ios::binary | std::ios::trunc) << content; }
  [[nodiscard]] PluginFileState state() const { return file_state(file_identity(path).value()); }
};

const std::string kNoHash(64, '0');

template <typename R>
std::optional<ErrorCode> code_of(const R& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

}  // namespace

TEST_CASE("open_inspected: a file in the inspected state is not read") {
  const File file("content");
  // The hash matches no file, so only reading the file would show the difference.
  const auto found = open_inspected(file.path, file.state(), kNoHash);
  CHECK(message_of(found) == "");
  CHECK(found.value().identity == file_identity(file.path).value());
}

TEST_CASE("open_inspected: without a known state the content decides") {
  const File file("content");
  CHECK(open_inspected(file.path, std::nullopt, sha256_of_file(file.path).value()).has_value());
  const auto other = open_inspected(file.path, std::nullopt, kNoHash);
  CHECK(code_of(other) == ErrorCode::kIncompatible);
  CHECK(has(message_of(other), "has changed since the runtime inspected it"));
}

TEST_CASE("open_inspected: a touched file passes by its content") {
  const File file("content");
  const PluginFileState before = file.state();
  const std::string hash = sha256_of_file(file.path).value();
  fs::last_write_time(file.path, fs::last_write_time(file.path) - std::chrono::hours(1));
  REQUIRE_FALSE(file.state() == before);
  CHECK(message_of(open_inspected(file.path, before, hash)) == "");
}

TEST_CASE("open_inspected: a file written in place is refused, its times set back or not") {
  const File file("content");
  const PluginFileState before = file.state();
  const std::string hash = sha256_of_file(file.path).value();
  const auto time = fs::last_write_time(file.path);
  file.write("CONTENT");
  fs::last_write_time(file.path, time);
  REQUIRE(file.state().mtime_ns == before.mtime_ns);
  REQUIRE(file.state().size_bytes == before.size_bytes);
  CHECK(code_of(open_inspected(file.path, before, hash)) == ErrorCode::kIncompatible);
}

TEST_CASE("open_inspected: a replaced file is refused, an equal copy is not") {
  const File file("content");
  const PluginFileState before = file.state();
  const std::string hash = sha256_of_file(file.path).value();
  const fs::path copy = file.directory / "copy";
  fs::copy_file(file.path, copy);
  fs::rename(copy, file.path);
  REQUIRE_FALSE(file.state() == before);
  CHECK(message_of(open_inspected(file.path, before, hash)) == "");
  std::ofstream(copy) << "another";
  fs::rename(copy, file.path);
  CHECK(code_of(open_inspected(file.path, before, hash)) == ErrorCode::kIncompatible);
}

TEST_CASE("open_inspected: a file that is gone or too large is an error in words") {
  const File file("content");
  const PluginFileState before = file.state();
  fs::resize_file(file.path, kMaxPluginBytes + 1);  // The file is sparse.
  const auto large = open_inspected(file.path, before, kNoHash);
  CHECK(code_of(large) == ErrorCode::kTooLarge);
  CHECK(has(message_of(large), "strip"));
  fs::remove(file.path);
  CHECK(code_of(open_inspected(file.path, before, kNoHash)) == ErrorCode::kNotFound);
}

namespace {

void discard_log(const tenon_worker_t*, tenon_log_level_t, const char*) {}
const tenon_worker_t kWorker{
    sizeof(tenon_worker_t), TENON_ABI_MAJOR, TENON_ABI_MINOR, 1, discard_log, nullptr, nullptr};

/// Loads a copy of the plugin "good" to which `change` is applied in between. `entered` receives
/// whether its entry was called.
template <typename Change>
tenon::Result<std::unique_ptr<LoadedPlugin>> load_changing(const fs::path& file, Change change, bool& entered) {
  fs::copy_file(variant("good"), file);
  auto opened = open_inspected(file, std::nullopt, sha256_of_file(file).value());
  REQUIRE(opened);
  // The file is kept open, as a worker does.
  const auto kept = std::make_unique<OpenPluginFile>(std::move(*opened));
  LibraryOptions options;
  options.worker = &kWorker;
  options.on_stage = [&](LoadStage stage) {
    if (stage == LoadStage::kLoadLibrary) {
      change();
    }
    entered = entered || stage == LoadStage::kEntry;
  };
  return LoadedPlugin::load(*kept, options);
}

}  // namespace

TEST_CASE("LoadedPlugin: a file that is written to while it is loaded is refused before its code is called") {
  const TemporaryDirectory directory;
  bool entered = false;
  const auto loaded = load_changing(
      directory / "good.so", [&] { std::ofstream(directory / "good.so", std::ios::app | std::ios::binary) << "more"; },
      entered);
  CHECK(code_of(loaded) == ErrorCode::kIncompatible);
  CHECK(has(message_of(loaded), "while it was loaded"));
  CHECK_FALSE(entered);
}

TEST_CASE("LoadedPlugin: an open file is loaded whatever has its name by then") {
  for (const bool replaced : {false, true}) {
    const TemporaryDirectory directory;
    bool entered = false;
    const auto loaded = load_changing(
        directory / "good.so",
        [&] {
          fs::remove(directory / "good.so");
          if (replaced) {
            std::ofstream(directory / "good.so") << "no library";
          }
        },
        entered);
    CHECK(message_of(loaded) == "");
    CHECK(entered);
  }
}

TEST_CASE("Catalog: knows the state of a file that has been quiet, not of one that has just changed") {
  const TemporaryDirectory root;
  fs::create_directory(root / "plugins");
  fs::copy_file(variant("good"), root / "plugins" / "good.so");
  CatalogOptions options;
  options.plugin_dirs = {root / "plugins"};
  options.use_environment = false;
  options.cache_dir = root / "cache";
  options.worker_executable = inspector();
  const auto fresh = Catalog::open(options);
  REQUIRE(fresh);
  REQUIRE(fresh->find_plugin("good") != nullptr);
  // The copy above took less than the second for which a file must be unchanged.
  CHECK_FALSE(fresh->find_plugin("good")->state.has_value());

  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  const auto quiet = Catalog::open(options);
  REQUIRE(quiet);
  const auto plugin = quiet->find_plugin("good");
  REQUIRE(plugin != nullptr);
  REQUIRE(plugin->state.has_value());
  CHECK(*plugin->state == file_state(file_identity(plugin->file).value()));
}

TEST_CASE("Catalog: a plugin file beyond the limit is listed with its problem and not read") {
  const TemporaryDirectory root;
  fs::create_directory(root / "plugins");
  const fs::path file = root / "plugins" / "huge.so";
  std::ofstream(file).put('x');
  fs::resize_file(file, kMaxPluginBytes + 1);
  CatalogOptions options;
  options.plugin_dirs = {root / "plugins"};
  options.use_environment = false;
  options.cache_dir = root / "cache";
  options.worker_executable = inspector();
  const auto catalog = Catalog::open(options);
  REQUIRE(catalog);
  REQUIRE(catalog->plugins().size() == 1);
  const auto& plugin = *catalog->plugins().front();
  REQUIRE(plugin.problem);
  CHECK(plugin.problem->code == ErrorCode::kTooLarge);
  CHECK(plugin.sha256.empty());
}

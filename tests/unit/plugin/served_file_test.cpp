// Files that a host serves stay available if the store is deleted or changed, or if there is none.
#include "plugin/served_file.hpp"

#include <chrono>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "plugin/file_keeper.hpp"
#include "store_support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// A store that serves the content of `source`.
struct Scene {
  TemporaryDirectory directory;
  fs::path source = directory / "image.so";
  std::string content = content_of(7, 100'003);
  Store store = open_store(directory / "cache" / "store");
  ServedFileRef served;

  Scene() {
    write_text(source, content);
    served = ServedFile::stored(store, stage(store, source), source);
  }
  /// Returns the file whose path workers receive.
  [[nodiscard]] fs::path file() const { return served->current().file; }
  /// Changes the stored file in place, which no program of tenon does.
  void spoil(const std::string& text) const {
    fs::permissions(file(), fs::perms::owner_write, fs::perm_options::add);
    write_text(file(), text);
  }
};

/// Returns the content of an open file, from its start.
std::string text_of_open(const FileDescriptor& descriptor) {
  const auto copy = descriptor.duplicate();
  REQUIRE(copy);
  std::string text;
  std::uint8_t buffer[4096];
  for (;;) {
    const auto count = read_some_at(*copy, text.size(), buffer);
    REQUIRE(count);
    if (*count == 0) {
      return text;
    }
    text.append(buffer, buffer + *count);
  }
}

ServedFile::Loadable restored(const ServedFileRef& served) {
  auto found = served->restore();
  INFO((found ? "" : found.error().to_string()));
  REQUIRE(found);
  return std::move(*found);
}

/// Checks that the file is in the store again, from which workers load it by name.
void check_stored(const Scene& scene) {
  const auto found = restored(scene.served);
  CHECK(found.file == scene.store.place_of(sha256_of(scene.content), "image.so"));
  CHECK(text_of(found.file) == scene.content);
  REQUIRE(found.descriptor != nullptr);
  CHECK(text_of_open(*found.descriptor) == scene.content);
  CHECK(found.identity == *file_identity(found.file));
  CHECK(scene.store.contents()->front().pins == 1);
}

PluginInfo plugin_of(const fs::path& file) {
  PluginInfo plugin;
  plugin.name = file.stem().string();
  plugin.file = file;
  plugin.sha256 = sha256_of(text_of(file));
  return plugin;
}

}  // namespace

TEST_CASE("ServedFile: what is deleted of the store is put there again, also when the plugin file is gone") {
  const Scene scene;
  check_stored(scene);
  fs::remove(scene.source);
  const fs::path store = scene.store.directory();
  for (const fs::path& victim : {store.parent_path(), store, store / "objects", scene.file().parent_path(),
                                 scene.file(), store / "incoming", store / "lock"}) {
    INFO(victim);
    fs::remove_all(victim);
    check_stored(scene);
  }
}

TEST_CASE("ServedFile: other things in the place of the stored file are replaced") {
  const Scene scene;
  const fs::path file = scene.file();
  fs::remove(file);
  fs::create_symlink(scene.source, file);
  check_stored(scene);
  CHECK_FALSE(fs::is_symlink(file));
  fs::remove(file);
  write_text(file, "another");
  check_stored(scene);
  fs::remove_all(file.parent_path());
  write_text(file.parent_path(), "no directory");
  check_stored(scene);
}

TEST_CASE("ServedFile: a stored file that was changed in place comes from the plugin file again") {
  const Scene scene;
  for (const std::string text : {"", "short", "other"}) {
    scene.spoil(text.empty() ? text : content_of(9, text.size() * 20'000));
    check_stored(scene);
  }
}

TEST_CASE("ServedFile: a content that is nowhere any more is an error in words, until it is back") {
  const Scene scene;
  write_text(scene.source, "the next version");
  scene.spoil("damaged");
  for (int i = 0; i < 2; ++i) {
    const auto lost = scene.served->restore();
    REQUIRE_FALSE(lost);
    INFO(lost.error().message);
    CHECK(lost.error().code == ErrorCode::kUnavailable);
    CHECK(lost.error().message.find(scene.source.string()) != std::string::npos);
    CHECK(lost.error().message.find("put the file with SHA-256") != std::string::npos);
  }
  write_text(scene.source, scene.content);
  check_stored(scene);
}

TEST_CASE("ServedFile: with a store that cannot be used any more, what is held open is served") {
  const Scene scene;
  const fs::path store = scene.store.directory();
  fs::remove_all(store);
  write_text(store, "in the way");
  for (int i = 0; i < 2; ++i) {
    const auto found = restored(scene.served);
    CHECK(found.file.empty());
    REQUIRE(found.descriptor != nullptr);
    CHECK(text_of_open(*found.descriptor) == scene.content);
  }
  fs::remove(store);
  check_stored(scene);
}

TEST_CASE("ServedFile: a store that is deleted all the time never costs the content") {
  Scene scene;
  fs::remove(scene.source);  // Now only the open descriptor has the content.
  const fs::path place = scene.file();
  std::jthread cleaner([&](const std::stop_token& over) {
    while (!over.stop_requested()) {
      std::error_code ignored;
      fs::remove(place, ignored);
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const auto found = restored(scene.served);
    REQUIRE((found.descriptor != nullptr || !found.file.empty()));
  }
  cleaner.request_stop();
  cleaner.join();
  const auto found = restored(scene.served);
  REQUIRE(found.descriptor != nullptr);
  CHECK(text_of_open(*found.descriptor) == scene.content);
}

TEST_CASE("ServedFile: with neither the store nor its copy, a sealed copy of the plugin file is served") {
  const Scene scene;
  scene.spoil("damaged");
  fs::remove_all(scene.store.directory());
  write_text(scene.store.directory(), "in the way");
  const auto found = restored(scene.served);
  CHECK(found.file.empty());
  write_text(scene.source, "the next version");
  CHECK(text_of_open(*restored(scene.served).descriptor) == scene.content);
  CHECK_FALSE(write_all(*found.descriptor, BytesView(reinterpret_cast<const std::uint8_t*>("x"), 1)));
}

TEST_CASE("Store: after its deletion pins are locked again, and records can be written") {
  const TemporaryDirectory directory;
  write_text(directory / "a.so", "a");
  const Store first = open_store(directory / "store");
  const StagedPlugin staged = stage(first, directory / "a.so");
  fs::remove_all(directory / "store");
  CHECK(first.quarantine().add(std::string(64, 'a'), "a test", std::chrono::system_clock::now()));
  CHECK(first.quarantine().find(std::string(64, 'a')));
  ServiceRecord record;
  record.host = "one";
  record.plugin = "a";
  record.current = {staged.sha256, "1.0.0", directory / "a.so"};
  CHECK(first.hosts().remember(record));
  CHECK(stage(first, directory / "a.so").file == staged.file);
  // Another host neither sweeps pinned files nor takes the temporary files of the first host.
  const Store second = open_store(directory / "store");
  CHECK(second.sweep() == 0);
  CHECK(fs::exists(staged.file));
}

TEST_CASE("FileKeeper: the second start copies and hashes nothing") {
  const TemporaryDirectory directory;
  const fs::path file = directory / "image.so";
  write_text(file, content_of(1, 10'000));
  const PluginInfo plugin = plugin_of(file);
  FileKeeper first(directory / "cache");
  const auto kept = first.keep(plugin);
  REQUIRE(kept);
  first.sweep();
  const ServedFile::Loadable stored = (*kept)->current();
  CHECK((*kept)->sha256() == plugin.sha256);
  CHECK(stored.file.string().starts_with((directory / "cache" / "store").string()));

  // This is the catalog's version, whatever the file now contains.
  write_text(file, "the next version");
  FileKeeper second(directory / "cache");
  const auto again = second.keep(plugin);
  REQUIRE(again);
  CHECK((*again)->sha256() == plugin.sha256);
  CHECK((*again)->current().file == stored.file);
  CHECK((*again)->current().identity == stored.identity);
  CHECK_FALSE(second.refusal());

  // The file differs from the catalog's, and the store does not have that content, so the present
  // content is kept.
  PluginInfo unknown = plugin;
  unknown.sha256 = std::string(64, '0');
  const auto changed = second.keep(unknown);
  REQUIRE(changed);
  CHECK((*changed)->sha256() == sha256_of("the next version"));
}

TEST_CASE("FileKeeper: without a store plugins are kept in memory") {
  const TemporaryDirectory directory;
  const fs::path file = directory / "image.so";
  write_text(directory / "cache", "no directory");
  const std::string content = content_of(3, 50'000);
  write_text(file, content);
  const PluginInfo plugin = plugin_of(file);
  FileKeeper keeper(directory / "cache");
  REQUIRE(keeper.refusal());
  const auto kept = keeper.keep(plugin);
  REQUIRE(kept);
  write_text(file, "the next version");
  CHECK((*kept)->current().file.empty());
  CHECK(text_of_open(*restored(*kept).descriptor) == content);

  const auto changed = keeper.keep(plugin);
  REQUIRE_FALSE(changed);
  CHECK(changed.error().code == ErrorCode::kIncompatible);
}

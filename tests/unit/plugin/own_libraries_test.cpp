// The own libraries of a plugin are found, hashed and kept with it.
#include "plugin/own_libraries.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "platform/dynamic_library.hpp"
#include "platform/elf_carrier.hpp"
#include "platform/file.hpp"
#include "plugin/examiner.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/file_keeper.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin_fingerprint.hpp"
#include "plugin/plugin_identity.hpp"
#include "plugin/store.hpp"
#include "support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

fs::path own(const std::string& name) {
  return variant("own").replace_extension() / name;
}

/// The plugin "talking", which finds libspeech.so in the directory `lib` beside it.
struct LibraryPlace {
  TemporaryDirectory directory;
  fs::path plugin = directory / "talking.so";
  fs::path library = directory / "lib" / "libspeech.so";

  LibraryPlace() {
    fs::create_directories(library.parent_path());
    fs::copy_file(variant("talking"), plugin);
    put("first");
  }
  void put(const std::string& words) const {
    fs::copy_file(own(words) / "libspeech.so", library, fs::copy_options::overwrite_existing);
  }
  [[nodiscard]] Store store() const {
    auto opened = Store::open(directory / "cache" / "store", {.keep_unpinned = std::chrono::hours(1)});
    REQUIRE(opened);
    return std::move(*opened);
  }
  [[nodiscard]] PluginInfo examined() const {
    CatalogOptions options;
    options.cache_dir = directory / "cache";
    options.worker_executable = inspector();
    options.limits.start_timeout = std::chrono::seconds(60);
    auto examiner = Examiner::create(options);
    REQUIRE(examiner);
    PluginInfo info;
    info.name = "talking";
    info.file = plugin;
    examiner->examine(info);
    return info;
  }
};

std::vector<OwnLibrary> libraries_of(const fs::path& file) {
  return own_libraries(file).libraries;
}

StagedPlugin staged(const Store& store, const fs::path& file) {
  auto result = store.stage(file);
  INFO((result ? "" : result.error().to_string()));
  REQUIRE(result);
  return std::move(*result);
}

std::string hash_of(const fs::path& file) {
  return sha256_of_bytes(bytes_of_file(file));
}

}  // namespace

TEST_CASE("own_libraries: finds what $ORIGIN leads to, and nothing of the system") {
  const LibraryPlace place;
  const auto found = libraries_of(place.plugin);
  REQUIRE(found.size() == 1);
  CHECK(found[0].name == "libspeech.so");
  CHECK(found[0].file == place.library);
  CHECK_FALSE(found[0].fixed);

  fs::remove(place.library);
  CHECK(libraries_of(place.plugin).empty());
  CHECK(own_libraries(MemorySource({}), place.directory.path()).libraries.empty());
}

TEST_CASE("own_libraries: finds what libraries need, each after its own needs, and what LD_LIBRARY_PATH names") {
  const TemporaryDirectory directory;
  fs::create_directories(directory / "lib" / "deep");
  fs::create_directories(directory / "path");
  fs::copy_file(variant("user"), directory / "user.so");
  fs::copy_file(own("libvoice.so"), directory / "lib" / "libvoice.so");
  fs::copy_file(own("first") / "libspeech.so", directory / "lib" / "deep" / "libspeech.so");
  fs::copy_file(own("libnameless.so"), directory / "path" / "libnameless.so");
  const EnvironmentValue path("LD_LIBRARY_PATH", "/nowhere:" + (directory / "path").string());
  const auto found = libraries_of(directory / "user.so");
  REQUIRE(found.size() == 3);
  CHECK(found[0].name == "libspeech.so");
  CHECK(found[0].file == directory / "lib" / "deep" / "libspeech.so");
  CHECK(found[1].name == "libvoice.so");
  CHECK(found[2].file == directory / "path" / "libnameless.so");
  // It has no SONAME, but the loader can be given its name.
  CHECK_FALSE(found[2].fixed);
}

TEST_CASE(
    "own_libraries: tells where it looks, also where nothing is yet, and reads relative paths as the loader does") {
  const TemporaryDirectory directory;
  fs::create_directories(directory / "path");
  fs::copy_file(variant("user"), directory / "user.so");
  fs::copy_file(own("libnameless.so"), directory / "path" / "libnameless.so");
  const EnvironmentValue path("LD_LIBRARY_PATH", (directory / "path").lexically_relative(fs::current_path()).string());
  const OwnLibraries found = own_libraries(directory / "user.so");
  REQUIRE(found.libraries.size() == 1);
  CHECK(found.libraries[0].file == directory / "path" / "libnameless.so");
  CHECK(found.directories == std::vector<fs::path>{directory / "path", "/nowhere", directory / "lib"});
}

TEST_CASE("load_own_library: the loader knows a library without SONAME by the name of its file") {
  const TemporaryDirectory directory;
  fs::copy_file(own("libnameless.so"), directory / "libnameless.so");
  const auto file = open_for_reading(directory / "libnameless.so");
  REQUIRE(file);
  REQUIRE_FALSE(DynamicLibrary::is_loaded("libnameless.so"));
  REQUIRE(load_own_library(*file, directory / "libnameless.so"));
  CHECK(DynamicLibrary::is_loaded("libnameless.so"));
  CHECK(make_elf_carrier({}, "libnameless.so", directory.path()).empty());
}

TEST_CASE("plugin_identity: a list of libraries is read as it was written, and damage is no list") {
  const TemporaryDirectory directory;
  const std::vector<ListedLibrary> libraries = {{std::string(64, 'a'), "libone.so.1", ""},
                                                {std::string(64, 'b'), "libtwo.so", "/opt/lib/libtwo.so"}};
  const std::string list = library_list(libraries);
  const auto content = [&](const std::string& text) {
    write_bytes(directory / "file", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const auto file = open_for_reading(directory / "file");
    REQUIRE(file);
    const auto read = read_library_list(*file);
    REQUIRE(read);
    return *read;
  };
  CHECK(library_list(std::vector<ListedLibrary>()).empty());
  CHECK(content("ELF" + list).libraries == libraries);
  CHECK(content("ELF" + list).content_bytes == 3);
  for (const std::string& damaged :
       {std::string(), std::string("x"), list.substr(1), list.substr(0, list.size() - 1), std::string("ELF")}) {
    CHECK(content(damaged).libraries.empty());
    CHECK(content(damaged).content_bytes == damaged.size());
  }
}

TEST_CASE("Store: a plugin is staged with its libraries, and another library makes another plugin") {
  const LibraryPlace place;
  const Store store = place.store();
  const StagedPlugin first = staged(store, place.plugin);
  REQUIRE(first.libraries.size() == 1);
  CHECK(first.libraries[0].file == store.place_of(hash_of(place.library), "libspeech.so"));
  place.put("second");
  const StagedPlugin second = staged(store, place.plugin);
  CHECK(second.sha256 != first.sha256);
  CHECK(bytes_of_file(second.libraries[0].file) == bytes_of_file(place.library));
  // Both versions exist side by side, each with its own libraries.
  CHECK(bytes_of_file(first.libraries[0].file) == bytes_of_file(own("first") / "libspeech.so"));
  place.put("first");
  CHECK(staged(store, place.plugin).sha256 == first.sha256);
  // A stored plugin keeps its identity, whatever file the author's path now has.
  CHECK(staged(store, second.file).sha256 == second.sha256);

  SECTION("it is found again with its libraries") {
    fs::remove_all(place.library.parent_path());
    const auto found = place.store().find(second.sha256, "talking.so");
    REQUIRE(found);
    REQUIRE(found->libraries.size() == 1);
    CHECK(found->libraries[0].file == second.libraries[0].file);
    CHECK(found->libraries[0].pin.valid());
  }
  SECTION("without one of them it is not found") {
    fs::remove(second.libraries[0].file);
    CHECK_FALSE(place.store().find(second.sha256, "talking.so"));
  }
  SECTION("a copy that somebody takes from the store is the plugin that it was made from") {
    fs::copy_file(second.file, place.directory / "again.so");
    fs::permissions(place.directory / "again.so", fs::perms::owner_write, fs::perm_options::add);
    CHECK(staged(store, place.directory / "again.so").sha256 == first.sha256);
  }
  SECTION("a library that is served stays when the store is swept") {
    ServiceRecord record;
    record.host = "one";
    record.plugin = "plugin";
    record.current = {first.sha256, "1.0.0", place.plugin};
    REQUIRE(store.hosts().remember(record));
    auto opened = Store::open(place.directory / "cache" / "store", {.keep_unpinned = std::chrono::seconds(0)});
    REQUIRE(opened);
    CHECK(opened->find(first.sha256, "talking.so"));
  }
}

TEST_CASE("ServedFile: libraries of a served plugin are put back too") {
  const LibraryPlace place;
  const Store store = place.store();
  const auto served = ServedFile::stored(store, staged(store, place.plugin), place.plugin);
  REQUIRE(served->libraries().size() == 1);
  place.put("second");
  fs::remove_all(place.directory / "cache");
  CHECK(served->restore());
  const auto library = served->libraries()[0].file->restore();
  REQUIRE(library);
  CHECK(bytes_of_file(library->file) == bytes_of_file(own("first") / "libspeech.so"));
}

TEST_CASE("Examiner: lists libraries with their hashes; another library is another plugin") {
  const LibraryPlace place;
  const PluginInfo first = place.examined();
  INFO((first.problem ? first.problem->to_string() : ""));
  REQUIRE(first.usable());
  REQUIRE(first.libraries.size() == 1);
  CHECK(first.libraries[0].file == place.library);
  CHECK(first.libraries[0].sha256 == hash_of(place.library));
  // The file name in the store identifies a copy, so it is recognised without being read.
  CHECK(staged(place.store(), place.plugin).sha256 == first.sha256);
  const auto before = fingerprint_of(place.plugin);
  place.put("second");
  CHECK(place.examined().sha256 != first.sha256);
  CHECK(fingerprint_of(place.plugin) != before);
}

TEST_CASE("Examiner: a plugin whose library was missing is asked again once it is there") {
  const LibraryPlace place;
  fs::rename(place.library, place.directory / "away");
  const PluginInfo broken = place.examined();
  REQUIRE(broken.problem.has_value());
  CHECK(has(broken.problem->message, "libspeech.so"));
  SECTION("in its place") {
    fs::rename(place.directory / "away", place.library);
  }
  SECTION("or by LD_LIBRARY_PATH") {
    fs::create_directory(place.directory / "elsewhere");
    fs::rename(place.directory / "away", place.directory / "elsewhere" / "libspeech.so");
    const EnvironmentValue path("LD_LIBRARY_PATH", (place.directory / "elsewhere").string());
    CHECK(place.examined().usable());
    return;
  }
  CHECK(place.examined().usable());
}

TEST_CASE("FileKeeper: without a store a plugin and its libraries are kept in memory") {
  const LibraryPlace place;
  PluginInfo plugin = place.examined();
  REQUIRE(plugin.usable());
  fs::remove_all(place.directory / "cache");
  write_bytes(place.directory / "cache", {});  // No directory can be created here.
  FileKeeper keeper(place.directory / "cache");
  const auto kept = keeper.keep(plugin);
  REQUIRE(kept);
  place.put("second");
  const auto file = (*kept)->restore();
  const auto library = (*kept)->libraries().at(0).file->restore();
  REQUIRE(file);
  REQUIRE(library);
  CHECK(sha256_of_file(*file->descriptor).value_or("") == plugin.sha256);
  CHECK(sha256_of_file(*library->descriptor).value_or("") == plugin.libraries[0].sha256);
}

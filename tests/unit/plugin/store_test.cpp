#include "plugin/store.hpp"

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "store_support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// Directories for a store and for sources.
struct StorePlace {
  TemporaryDirectory directory;
  fs::path store = directory / "store";
  fs::path source(const std::string& name, const std::string& content) const {
    const fs::path file = directory / name;
    write_text(file, content);
    return file;
  }
};

StoreLimits keeping() {
  StoreLimits limits;
  limits.keep_unpinned = std::chrono::hours(1);
  return limits;
}

void set_age(const StagedPlugin& staged, std::chrono::minutes age) {
  fs::last_write_time(staged.file.parent_path(), fs::file_time_type::clock::now() - age);
}

}  // namespace

TEST_CASE("Store: a staged file is a read-only copy under its hash, with its own name") {
  const StorePlace place;
  const Store store = open_store(place.store);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{1'000'003}}) {
    INFO(size);
    const std::string content = content_of(1, size);
    const fs::path source = place.source("image.so", content);
    const StagedPlugin staged = stage(store, source);
    CHECK(staged.sha256 == sha256_of(content));
    CHECK(staged.size_bytes == size);
    CHECK(staged.file == place.store / "objects" / staged.sha256 / "image.so");
    CHECK(text_of(staged.file) == content);
    CHECK((staged.identity.mode & 0777) == 0400);
    CHECK(staged.identity == *file_identity(staged.file));
    CHECK(staged.pin.sha256() == staged.sha256);
    // Later changes of the source do not matter.
    write_text(source, "other");
    CHECK(text_of(staged.file) == content);
  }
  CHECK(fs::is_empty(place.store / "incoming"));
}

TEST_CASE("Store: the same content is the same file, whatever it is called outside") {
  const StorePlace place;
  const Store store = open_store(place.store);
  const StagedPlugin first = stage(store, place.source("a.so", "content"));
  const StagedPlugin again = stage(store, place.source("a.so", "content"));
  CHECK(again.file == first.file);
  CHECK(again.identity == first.identity);
  const StagedPlugin other = stage(store, place.source("b.so", "content"));
  CHECK(other.file.parent_path() == first.file.parent_path());
  CHECK(other.file.filename() == "b.so");
  CHECK(store.contents()->size() == 1);
  // A link is staged under its own name, with the content of its target.
  fs::create_symlink(place.directory / "a.so", place.directory / "c.so");
  CHECK(stage(store, place.directory / "c.so").file.filename() == "c.so");
}

TEST_CASE("Store: a stored file that was changed is mended") {
  const StorePlace place;
  const Store store = open_store(place.store);
  const fs::path source = place.source("a.so", "content");
  const StagedPlugin staged = stage(store, source);
  SECTION("in place, with the same size") {
    REQUIRE(::chmod(staged.file.c_str(), 0600) == 0);
    std::ofstream(staged.file) << "CONTENT";
    REQUIRE(::chmod(staged.file.c_str(), 0400) == 0);
  }
  SECTION("cut off") {
    REQUIRE(::chmod(staged.file.c_str(), 0600) == 0);
    REQUIRE(::truncate(staged.file.c_str(), 3) == 0);
    REQUIRE(::chmod(staged.file.c_str(), 0400) == 0);
  }
  SECTION("made writable") {
    REQUIRE(::chmod(staged.file.c_str(), 0600) == 0);
  }
  SECTION("removed") {
    fs::remove(staged.file);
  }
  SECTION("made a link") {
    fs::remove(staged.file);
    fs::create_symlink(source, staged.file);
  }
  const StagedPlugin again = stage(store, source);
  CHECK(again.file == staged.file);
  CHECK(text_of(again.file) == "content");
  CHECK((again.identity.mode & 0777) == 0400);
  CHECK_FALSE(fs::is_symlink(fs::symlink_status(again.file)));
  check_whole(place.store);
}

TEST_CASE("Store: what is pinned stays, what is not goes with the next sweep") {
  const StorePlace place;
  const Store store = open_store(place.store);
  StagedPlugin staged = stage(store, place.source("a.so", "content"));
  Pin first = std::move(staged.pin);
  CHECK_FALSE(staged.pin.valid());
  Pin second = first;
  CHECK(store.contents()->at(0).pins == 2);
  CHECK(store.sweep() == 0);
  first.reset();
  first.reset();
  CHECK(store.sweep() == 0);
  CHECK(fs::exists(staged.file));
  second = Pin();
  CHECK(store.contents()->at(0).pins == 0);
  CHECK(store.sweep() == 1);
  CHECK_FALSE(fs::exists(staged.file));
  CHECK(fs::is_empty(place.store / "objects"));
}

TEST_CASE("Store: a pin outlives its store and keeps the file from every other one") {
  const StorePlace place;
  Pin pin;
  fs::path file;
  {
    const Store store = open_store(place.store);
    StagedPlugin staged = stage(store, place.source("a.so", "content"));
    file = staged.file;
    pin = std::move(staged.pin);
  }
  const Store other = open_store(place.store);
  CHECK(other.sweep() == 0);
  CHECK(fs::exists(file));
  // Both use it; it is kept until the last one releases it.
  StagedPlugin again = stage(other, place.directory / "a.so");
  CHECK(again.file == file);
  pin.reset();
  CHECK(open_store(place.store).sweep() == 0);
  CHECK(fs::exists(file));
  again.pin.reset();
  CHECK(open_store(place.store).sweep() == 0);
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("Store: what nobody pins is kept for a time, and goes oldest first when room is needed") {
  const StorePlace place;
  StoreLimits limits = keeping();
  limits.max_files = 3;
  const Store store = open_store(place.store, limits);
  StagedPlugin oldest = stage(store, place.source("a.so", "a"));
  StagedPlugin older = stage(store, place.source("b.so", "b"));
  StagedPlugin young = stage(store, place.source("c.so", "c"));
  older.pin.reset();
  young.pin.reset();
  set_age(oldest, std::chrono::minutes(30));
  set_age(older, std::chrono::minutes(20));
  CHECK(store.sweep() == 0);

  const StagedPlugin fourth = stage(store, place.source("d.so", "d"));
  CHECK(fs::exists(oldest.file));
  CHECK_FALSE(fs::exists(older.file));
  CHECK(fs::exists(young.file));
  CHECK(fs::exists(fourth.file));
  set_age(young, std::chrono::minutes(61));
  CHECK(store.sweep() == 1);
  CHECK_FALSE(fs::exists(young.file));
}

TEST_CASE("Store: the bounds hold in files and in bytes, and what is in use is never pushed out") {
  const StorePlace place;
  StoreLimits limits = keeping();
  limits.max_files = 2;
  limits.max_bytes = 1000;
  const Store store = open_store(place.store, limits);
  const StagedPlugin first = stage(store, place.source("a.so", std::string(600, 'a')));
  const auto by_bytes = store.stage(place.source("b.so", std::string(600, 'b')));
  REQUIRE_FALSE(by_bytes);
  CHECK(by_bytes.error().code == ErrorCode::kRejected);
  CHECK(by_bytes.error().message.find("no room") != std::string::npos);
  StagedPlugin second = stage(store, place.source("b.so", std::string(400, 'b')));
  CHECK(store.stage(place.source("c.so", "")).error().code == ErrorCode::kRejected);
  CHECK(store.stage(place.source("c.so", std::string(1001, 'c'))).error().code == ErrorCode::kTooLarge);
  // Content that is already stored needs no space.
  CHECK(store.stage(place.source("b.so", std::string(400, 'b'))).has_value());
  second.pin.reset();
  CHECK(store.stage(place.source("c.so", std::string(400, 'c'))).has_value());
  CHECK_FALSE(fs::exists(second.file));
  CHECK(fs::exists(first.file));
  CHECK(fs::is_empty(place.store / "incoming"));
  check_whole(place.store);
}

TEST_CASE("Store: a source that changes meanwhile is told as such and leaves nothing behind") {
  const StorePlace place;
  const Store store = open_store(place.store);
  const fs::path source = place.source("a.so", content_of(1, 1000));
  std::atomic<bool> ended{false};
  std::thread writer([&] {
    // Relaxed: no other data is shared.
    for (std::uint64_t turn = 0; !ended.load(std::memory_order_relaxed); ++turn) {
      std::ofstream(source, std::ios::app) << turn;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  // If the system delays the writer for long, the source is stable, and a copy of it is complete.
  auto staged = store.stage(source);
  for (int turn = 0; turn < 100 && staged; ++turn) {
    CHECK(sha256_of_file(staged->file).value_or("") == staged->sha256);
    staged->pin.reset();
    store.sweep();
    staged = store.stage(source);
  }
  ended.store(true, std::memory_order_relaxed);
  writer.join();
  REQUIRE_FALSE(staged);
  CHECK(is_still_changing(staged.error()));
  CHECK(staged.error().message.find("changed while it was being staged") != std::string::npos);
  CHECK(files_below(place.store / "objects").empty());
  CHECK(fs::is_empty(place.store / "incoming"));
  CHECK(text_of(stage(store, source).file) == text_of(source));
}

TEST_CASE("Store: a source that is written while it is copied is noticed afterwards") {
  const StorePlace place;
  const Store store = open_store(place.store);
  const fs::path source = place.source("a.so", std::string(48'000'000, 'a'));
  // The writer starts as soon as the copy starts. It may still be too late, so it tries again.
  bool noticed = false;
  for (int turn = 0; turn < 20 && !noticed; ++turn) {
    std::atomic<bool> ended{false};
    std::thread writer([&] {
      while (fs::is_empty(place.store / "incoming") && !ended.load(std::memory_order_relaxed)) {
        std::this_thread::yield();
      }
      std::fstream(source, std::ios::in | std::ios::out) << turn;
    });
    const auto staged = store.stage(source);
    ended.store(true, std::memory_order_relaxed);
    writer.join();
    noticed = !staged;
    CHECK((staged || is_still_changing(staged.error())));
  }
  CHECK(noticed);
  CHECK(fs::is_empty(place.store / "incoming"));
}

TEST_CASE("Store: a source that is replaced or overwritten all the time is staged as it once was or not at all") {
  const StorePlace place;
  const Store store = open_store(place.store);
  const fs::path source = place.directory / "a.so";
  const std::string contents[] = {content_of(1, 3'000'000), content_of(2, 3'000'000)};
  write_text(source, contents[0]);
  std::atomic<bool> ended{false};
  const bool in_place = GENERATE(true, false);
  std::thread writer([&] {
    for (int turn = 0; !ended.load(std::memory_order_relaxed); ++turn) {
      const fs::path target = in_place ? source : place.directory / "next";
      write_text(target, contents[turn % 2]);
      if (!in_place) {
        fs::rename(target, source);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(turn % 5 * 15));
    }
  });
  int staged_count = 0;
  for (int turn = 0; turn < 30; ++turn) {
    const auto staged = store.stage(source);
    if (staged) {
      // If a writer pauses, the file is incomplete, which is also a state of the file. The file is never a mixture of
      // versions.
      const std::string text = text_of(staged->file);
      CHECK(sha256_of(text) == staged->sha256);
      CHECK((contents[0].starts_with(text) || contents[1].starts_with(text)));
      CHECK((in_place || text.size() == contents[0].size()));
      ++staged_count;
    } else {
      INFO(staged.error().to_string());
      CHECK(is_still_changing(staged.error()));
    }
  }
  ended.store(true, std::memory_order_relaxed);
  writer.join();
  INFO(staged_count << " of 30 were staged");
  CHECK(files_below(place.store / "incoming").empty());
  check_whole(place.store);
}

TEST_CASE("Store: what is no plugin file to trust is refused with the reason") {
  const StorePlace place;
  const Store store = open_store(place.store);
  CHECK(store.stage(place.directory / "none.so").error().code == ErrorCode::kNotFound);
  CHECK(store.stage("").error().code == ErrorCode::kInvalidArgument);
  CHECK(store.stage(place.directory.path() / "").error().code == ErrorCode::kInvalidArgument);
  CHECK(store.stage(place.directory.path()).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(::mkfifo((place.directory / "fifo.so").c_str(), 0600) == 0);
  CHECK(store.stage(place.directory / "fifo.so").error().code == ErrorCode::kInvalidArgument);
  const fs::path open_to_all = place.source("a.so", "content");
  REQUIRE(::chmod(open_to_all.c_str(), 0666) == 0);
  CHECK(store.stage(open_to_all).error().code == ErrorCode::kRejected);
  CHECK(files_below(place.store / "objects").empty());
}

TEST_CASE("Store: a directory that others reach is refused with what to change") {
  const TemporaryDirectory directory;
  const fs::path place = directory / "store";
  fs::create_directory(place);
  REQUIRE(::chmod(place.c_str(), 0755) == 0);
  auto store = Store::open(place, {});
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kRejected);
  CHECK(store.error().message.find("chmod 700") != std::string::npos);
  REQUIRE(::chmod(place.c_str(), 0700) == 0);
  CHECK(Store::open(place, {}).has_value());
  // The same holds for the directories inside.
  REQUIRE(::chmod((place / "objects").c_str(), 0777) == 0);
  CHECK(Store::open(place, {}).error().code == ErrorCode::kRejected);

  fs::create_directory_symlink(directory.path(), directory / "link");
  CHECK(Store::open(directory / "link", {}).error().message.find("is a link") != std::string::npos);
  write_text(directory / "file", "");
  CHECK(Store::open(directory / "file", {}).error().code == ErrorCode::kRejected);
  CHECK_FALSE(Store::open(directory / "file" / "store", {}));
  CHECK(Store::open("", {}).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(Store::open("/proc/no/store", {}));

  // It is created with its parents, closed to other users whatever the umask.
  const mode_t before = ::umask(0);
  const auto deep = Store::open(directory / "a/b/c/", {});
  ::umask(before);
  REQUIRE(deep);
  CHECK((file_identity(directory / "a/b/c")->mode & 0777) == 0700);
  CHECK((file_identity(directory / "a/b/c/objects")->mode & 0777) == 0700);
}

TEST_CASE("Store: a directory of another user is refused") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "store");
  REQUIRE(::chmod((directory / "store").c_str(), 0700) == 0);
  if (::chown((directory / "store").c_str(), 65534, 65534) != 0) {
    WARN("skipped: only root can give a directory away");
    return;
  }
  const auto store = Store::open(directory / "store", {});
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kRejected);
  CHECK(store.error().message.find("65534") != std::string::npos);
}

TEST_CASE("Store: many threads stage, pin and sweep at once") {
  const StorePlace place;
  StoreLimits limits;
  limits.max_files = 4;
  const Store store = open_store(place.store, limits);
  for (int i = 0; i < 6; ++i) {
    static_cast<void>(place.source(std::to_string(i) + ".so", content_of(static_cast<std::uint64_t>(i), 20'000)));
  }
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<std::string> problems;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int turn = 0; turn < 40; ++turn) {
        const fs::path source = place.directory / (std::to_string((turn * 5 + thread) % 6) + ".so");
        const auto staged = store.stage(source);
        const auto hash = staged ? sha256_of_file(staged->file) : fail(staged.error());
        if (!hash || *hash != staged->sha256) {
          const std::lock_guard lock(mutex);
          problems.push_back(hash ? "has become " + *hash : hash.error().to_string());
        }
        store.sweep();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(problems == std::vector<std::string>());
  store.sweep();
  CHECK(store.contents()->empty());
  CHECK(files_below(place.store / "incoming").empty());
}

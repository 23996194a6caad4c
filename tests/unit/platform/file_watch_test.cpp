#include "platform/file_watch.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include "platform/reactor/poller.hpp"

#include "child_process.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kLong{30};

void write(const fs::path& file, std::string_view text = "x") {
  std::ofstream(file, std::ios::trunc) << text;
}

/// The system reports events in order, and before the call that caused them returns, so no wait is
/// needed.
FileChanges drained(FileWatch& watch) {
  auto changes = watch.drain();
  REQUIRE(changes);
  return *changes;
}

bool names(const FileChanges& changes, const fs::path& file) {
  return std::find(changes.files.begin(), changes.files.end(), file) != changes.files.end();
}

FileWatch watch_of(const fs::path& directory) {
  auto watch = FileWatch::create();
  REQUIRE(watch);
  const auto added = watch->add(directory);
  INFO((added ? "" : added.error().to_string()));
  REQUIRE(added);
  return std::move(*watch);
}

}  // namespace

TEST_CASE("FileWatch: files written, put in place, renamed away and removed are told once each") {
  const TemporaryDirectory directory;
  write(directory / "old");
  write(directory / "gone");
  FileWatch watch = watch_of(directory.path());
  CHECK(drained(watch).empty());

  write(directory / "new");
  write(directory / "new", "again");
  fs::rename(directory / "old", directory / "renamed");
  fs::remove(directory / "gone");
  const FileChanges changes = drained(watch);
  CHECK_FALSE(changes.rescan);
  CHECK(changes.files.size() == 4);
  for (const char* name : {"new", "old", "renamed", "gone"}) {
    INFO(name);
    CHECK(names(changes, directory / name));
  }
  CHECK(drained(watch).empty());
}

TEST_CASE("FileWatch: a file that is still written is told when its writer closes it") {
  const TemporaryDirectory directory;
  FileWatch watch = watch_of(directory.path());
  std::ofstream stream(directory / "slow");
  stream << "half" << std::flush;
  CHECK(drained(watch).empty());
  stream << "whole";
  stream.close();
  CHECK(names(drained(watch), directory / "slow"));
}

TEST_CASE("FileWatch: links are told when they are made, permissions when they change, directories not at all") {
  const TemporaryDirectory directory;
  const TemporaryDirectory elsewhere;
  write(elsewhere / "file");
  FileWatch watch = watch_of(directory.path());
  fs::create_symlink(elsewhere / "file", directory / "link");
  CHECK(names(drained(watch), directory / "link"));
  fs::create_hard_link(elsewhere / "file", directory / "second");
  CHECK(names(drained(watch), directory / "second"));
  fs::permissions(directory / "second", fs::perms::owner_read);
  CHECK(names(drained(watch), directory / "second"));
  fs::create_directory(directory / "inner");
  write(directory / "inner" / "file");
  CHECK(drained(watch).empty());
}

TEST_CASE("FileWatch: the descriptor wakes a poller, and only for what happens in the directory") {
  const TemporaryDirectory directory;
  FileWatch watch = watch_of(directory.path());
  auto poller = Poller::create();
  REQUIRE(poller);
  REQUIRE(poller->add(watch.descriptor(), 7));
  CHECK(poller->wait(monotonic_now_ns())->empty());
  std::thread writer([&] { write(directory / "file"); });
  auto events = poller->wait(deadline_after(kLong));
  writer.join();
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  CHECK((*events)[0].token == 7);
  CHECK((*events)[0].readable);
  CHECK_FALSE(drained(watch).empty());
  CHECK(poller->wait(monotonic_now_ns())->empty());
}

TEST_CASE("FileWatch: a directory that is removed and made again is watched again") {
  const TemporaryDirectory around;
  const fs::path directory = around / "plugins";
  fs::create_directory(directory);
  FileWatch watch = watch_of(directory);
  for (int turn = 0; turn < 3; ++turn) {
    INFO("turn " << turn);
    write(directory / "file");
    CHECK(names(drained(watch), directory / "file"));
    fs::remove_all(directory);
    CHECK(drained(watch).rescan);
    fs::create_directory(directory);
    CHECK(drained(watch).rescan);
    write(directory / "other");
    CHECK(names(drained(watch), directory / "other"));
    // The directory is removed and created again between two polls.
    fs::remove_all(directory);
    fs::create_directory(directory);
    CHECK(drained(watch).rescan);
  }
}

TEST_CASE("FileWatch: a directory that is renamed away is given up, the one that takes its place is watched") {
  const TemporaryDirectory around;
  const fs::path directory = around / "plugins";
  fs::create_directory(directory);
  fs::create_directory(around / "next");
  FileWatch watch = watch_of(directory);
  fs::rename(directory, around / "before");
  CHECK(drained(watch).rescan);
  write(around / "before" / "file");
  CHECK(drained(watch).empty());
  fs::rename(around / "next", directory);
  CHECK(drained(watch).rescan);
  write(directory / "file");
  CHECK(names(drained(watch), directory / "file"));
}

TEST_CASE("FileWatch: a link on the way is followed anew when it is turned elsewhere") {
  const TemporaryDirectory around;
  for (const char* release : {"1", "2"}) {
    fs::create_directories(around / release / "plugins");
  }
  fs::create_directory_symlink("1", around / "current");
  const fs::path directory = around / "current" / "plugins";
  FileWatch watch = watch_of(directory);
  write(around / "1" / "plugins" / "file");
  CHECK(names(drained(watch), directory / "file"));

  fs::create_directory_symlink("2", around / "next");
  fs::rename(around / "next", around / "current");
  CHECK(drained(watch).rescan);
  write(around / "1" / "plugins" / "file");
  CHECK(drained(watch).empty());
  write(around / "2" / "plugins" / "file");
  CHECK(names(drained(watch), directory / "file"));
}

TEST_CASE("FileWatch: a directory that is not there yet is watched from when it comes, at any depth") {
  const TemporaryDirectory around;
  const fs::path directory = around / "a" / "b" / "plugins";
  FileWatch watch = watch_of(directory);
  CHECK(drained(watch).empty());
  fs::create_directory(around / "a");
  CHECK(drained(watch).rescan);
  fs::create_directories(directory);
  CHECK(drained(watch).rescan);
  write(directory / "file");
  CHECK(names(drained(watch), directory / "file"));
  fs::remove_all(around / "a");
  CHECK(drained(watch).rescan);
  fs::create_directories(directory);
  // Each new directory level causes its own event.
  CHECK(drained(watch).rescan);
  write(directory / "again");
  CHECK_FALSE(drained(watch).empty());
}

TEST_CASE("FileWatch: a directory inside another one is watched for its own files") {
  const TemporaryDirectory outer;
  const fs::path inner = outer / "inner";
  fs::create_directory(inner);
  FileWatch watch = watch_of(outer.path());
  REQUIRE(watch.add(inner));
  REQUIRE(watch.add(outer.path() / "." / "inner/"));
  write(outer / "file");
  write(inner / "file");
  const FileChanges changes = drained(watch);
  CHECK(changes.files.size() == 2);
  CHECK(names(changes, outer / "file"));
  CHECK(names(changes, inner / "file"));
}

TEST_CASE("FileWatch: lost events ask for a rescan") {
  const TemporaryDirectory directory;
  FileWatch watch = watch_of(directory.path());
  std::size_t limit = 16384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  REQUIRE(limit <= 1'000'000);
  write(directory / "a");
  write(directory / "b");
  // Consecutive equal events are merged; these alternate.
  for (std::size_t i = 0; i <= limit; ++i) {
    REQUIRE(::chmod((directory / (i % 2 == 0 ? "a" : "b")).c_str(), 0600) == 0);
  }
  bool rescan = false;
  for (FileChanges changes = drained(watch); !changes.empty(); changes = drained(watch)) {
    CHECK(changes.files.size() <= 2);
    rescan = rescan || changes.rescan;
  }
  CHECK(rescan);
  write(directory / "file");
  CHECK(names(drained(watch), directory / "file"));
}

TEST_CASE("FileWatch: what is no directory is refused, and nothing of it stays watched") {
  const TemporaryDirectory directory;
  write(directory / "file");
  auto watch = FileWatch::create();
  REQUIRE(watch);
  CHECK(watch->add(directory / "file").error().code == ErrorCode::kInvalidArgument);
  CHECK(watch->add("").error().code == ErrorCode::kInvalidArgument);
  write(directory / "other");
  CHECK(drained(*watch).empty());
}

TEST_CASE("FileWatch: a limit of the system is told with what to raise") {
  for (const char* limit : {"instances", "watches"}) {
    const CapturedRun run = run_child({"watch_limit", limit});
    REQUIRE(run.status.has_value());
    if (run.status->exit_code == 77) {
      WARN("skipped: no user namespace may be made here");
      return;
    }
    INFO(run.standard_output);
    CHECK(run.standard_output.starts_with("unavailable: "));
    CHECK(run.standard_output.find(std::string("fs.inotify.max_user_") + limit) != std::string::npos);
    CHECK(run.standard_output.find("periodic rescans") != std::string::npos);
  }
}

TEST_CASE("FileWatch: no descriptors left is told as such") {
  const CapturedRun run = run_child({"watch_limit", "descriptors"});
  INFO(run.standard_output);
  CHECK(run.standard_output.starts_with("unavailable: "));
  CHECK(run.standard_output.find("ulimit -n") != std::string::npos);
}

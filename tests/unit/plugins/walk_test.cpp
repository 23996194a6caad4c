#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "files_generated.h"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

files::WalkArgumentsT root_of(const TemporaryDirectory& directory) {
  files::WalkArgumentsT arguments;
  arguments.root = directory.path().string();
  return arguments;
}

/// Steps a walk until its end and returns all items.
std::vector<tenon::FileT> all(Session& session, std::uint32_t step = 7) {
  std::vector<tenon::FileT> files;
  REQUIRE(session.opened().ok());
  for (;;) {
    const auto outcome = session.step(step);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    for (const Block& result : outcome.results) {
      files.emplace_back();
      result.as<tenon::File>().UnPackTo(&files.back());
    }
    if (outcome.status == TENON_END) {
      return files;
    }
  }
}

std::vector<std::string> walk(Worker& worker, const files::WalkArgumentsT& arguments) {
  auto session = worker.open("walk", arguments);
  std::vector<std::string> paths;
  for (const auto& file : all(session)) {
    paths.push_back(file.relative_path);
  }
  return paths;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("Walk: gives regular files in the order of their bytes, with metadata") {
  const TemporaryDirectory directory;
  write_text(directory / "b/2.TXT", "12345");
  write_text(directory / "b/1", "");
  write_text(directory / "a.c", "x");
  write_text(directory / "b.c", "x");
  std::filesystem::create_directory(directory / "empty");
  REQUIRE(::chmod((directory / "b/2.TXT").c_str(), 0640) == 0);
  Worker worker;
  auto session = worker.open("walk", root_of(directory));
  const auto found = all(session);
  REQUIRE(found.size() == 4);
  CHECK(found[0].relative_path == "a.c");
  CHECK(found[1].relative_path == "b/1");
  CHECK(found[2].relative_path == "b/2.TXT");
  CHECK(found[3].relative_path == "b.c");
  CHECK(found[2].path == (directory / "b/2.TXT").string());
  CHECK(found[2].size_bytes == 5);
  CHECK(found[2].mode == 0640);
  CHECK(found[2].extension == "txt");
  CHECK(found[2].mtime_ns > 1'000'000'000'000'000'000);
  CHECK(found[2].kind == tenon::FileKind::Regular);
}

TEST_CASE("Walk: names of any bytes come through") {
  const TemporaryDirectory directory;
  const Paths names{"\n", " lead", "-rf", "a\tb", "back\\slash", "quo'te\"s", "\xC3\xBC", "\xFF\xFE"};
  for (const auto& name : names) {
    write_text(directory.path() / name, name);
  }
  Worker worker;
  CHECK(walk(worker, root_of(directory)) == names);
}

TEST_CASE("Walk: patterns, hidden names, depth and kinds") {
  const TemporaryDirectory directory;
  for (const char* path : {"a.h", "a.c", "sub/b.h", "sub/deep/c.h", ".git/d.h", "sub/.e.h"}) {
    write_text(directory / path, "x");
  }
  std::filesystem::create_symlink("a.h", directory / "link.h");
  REQUIRE(::mkfifo((directory / "fifo.h").c_str(), 0600) == 0);
  Worker worker;
  auto arguments = root_of(directory);
  arguments.glob = "**/*.h";
  CHECK(walk(worker, arguments) == Paths{".git/d.h", "a.h", "sub/.e.h", "sub/b.h", "sub/deep/c.h"});
  arguments.hidden = false;
  CHECK(walk(worker, arguments) == Paths{"a.h", "sub/b.h", "sub/deep/c.h"});
  arguments.exclude = {"deep/"};
  CHECK(walk(worker, arguments) == Paths{"a.h", "sub/b.h"});
  arguments.max_depth = 1;
  CHECK(walk(worker, arguments) == Paths{"a.h"});
  arguments.kinds = {tenon::FileKind::Link, tenon::FileKind::Other};
  CHECK(walk(worker, arguments) == Paths{"fifo.h", "link.h"});
  arguments = root_of(directory);
  arguments.hidden = false;
  arguments.kinds = {tenon::FileKind::Directory};
  CHECK(walk(worker, arguments) == Paths{"sub", "sub/deep"});
}

TEST_CASE("Walk: followed links end at a loop") {
  const TemporaryDirectory directory;
  write_text(directory / "real/file", "x");
  std::filesystem::create_symlink(".", directory / "loop");
  std::filesystem::create_symlink("real", directory / "again");
  std::filesystem::create_symlink("nowhere", directory / "dangling");
  Worker worker;
  auto arguments = root_of(directory);
  CHECK(walk(worker, arguments) == Paths{"real/file"});
  arguments.follow_links = true;
  CHECK(walk(worker, arguments) == Paths{"again/file", "real/file"});
}

TEST_CASE("Walk: a checkpoint at each place goes on exactly there") {
  const TemporaryDirectory directory;
  for (const char* path : {"a", "b/1", "b/2", "b/c/3", "b.x", "d/e/f/g", "z"}) {
    write_text(directory / path, "x");
  }
  Worker worker;
  auto arguments = root_of(directory);
  arguments.kinds = {tenon::FileKind::Regular, tenon::FileKind::Directory};
  const Paths whole = walk(worker, arguments);
  REQUIRE(whole.size() == 12);
  for (std::size_t given = 0; given <= whole.size(); ++given) {
    auto session = worker.open("walk", arguments);
    Paths paths;
    for (std::size_t i = 0; i < given; ++i) {
      const auto outcome = session.step(1);
      REQUIRE(outcome.results.size() == 1);
      paths.push_back(outcome.results.front().as<tenon::File>().relative_path()->str());
    }
    auto later = worker.open("walk", arguments, {}, session.checkpoint());
    for (const auto& file : all(later)) {
      paths.push_back(file.relative_path);
    }
    CHECK(paths == whole);
  }
}

TEST_CASE("Walk: a checkpoint holds when its place has gone") {
  const TemporaryDirectory directory;
  for (const char* path : {"a", "b/1", "b/2", "c"}) {
    write_text(directory / path, "x");
  }
  Worker worker;
  auto session = worker.open("walk", root_of(directory));
  REQUIRE(session.step(2).results.size() == 2);
  const Block checkpoint = session.checkpoint();
  std::filesystem::remove_all(directory / "b");
  auto later = worker.open("walk", root_of(directory), {}, checkpoint);
  const auto rest = all(later);
  REQUIRE(rest.size() == 1);
  CHECK(rest.front().relative_path == "c");
}

TEST_CASE("Walk: a checkpoint loses and doubles nothing when entries before it go, or come") {
  const TemporaryDirectory directory;
  for (const char* path : {"a/1", "a/2", "b", "c/1", "c/2", "c/3", "d"}) {
    write_text(directory / path, "x");
  }
  Worker worker;
  const auto arguments = root_of(directory);
  auto session = worker.open("walk", arguments);
  REQUIRE(session.step(4).results.size() == 4);  // These are the files up to c/1.
  const Block checkpoint = session.checkpoint();
  for (const char* gone : {"a/1", "a/2", "c/1"}) {
    std::filesystem::remove(directory / gone);
  }
  for (const char* come : {"0", "a/0", "a/3", "bb", "c/0"}) {
    write_text(directory / come, "new");
  }
  write_text(directory / "c/4", "new");
  Paths paths;
  auto later = worker.open("walk", arguments, {}, checkpoint);
  for (const auto& file : all(later)) {
    paths.push_back(file.relative_path);
  }
  CHECK(paths == Paths{"c/2", "c/3", "c/4", "d"});
}

TEST_CASE("Walk: more entries than a step looks at") {
  const TemporaryDirectory directory;
  for (int i = 0; i < 2500; ++i) {
    write_text(directory.path() / ("f" + std::to_string(i)), "");
  }
  write_text(directory / "z.h", "");
  Worker worker;
  auto arguments = root_of(directory);
  CHECK(walk(worker, arguments).size() == 2501);
  arguments.glob = "*.h";
  CHECK(walk(worker, arguments) == Paths{"z.h"});
}

TEST_CASE("Walk: a root that is a file gives that file, one that is missing an error") {
  const TemporaryDirectory directory;
  write_text(directory / "one.txt", "x");
  Worker worker;
  auto arguments = root_of(directory);
  arguments.root += "/one.txt";
  CHECK(walk(worker, arguments) == Paths{"one.txt"});
  arguments.root += "x";
  auto session = worker.open("walk", arguments);
  const auto outcome = session.step(1);
  CHECK(outcome.status == TENON_NOT_FOUND);
  CHECK(outcome.message.find("one.txtx") != std::string::npos);
}

TEST_CASE("Walk: a broken pattern is an error") {
  Worker worker;
  files::WalkArgumentsT arguments;
  arguments.root = ".";
  arguments.glob = "a[";
  auto session = worker.open("walk", arguments);
  CHECK(session.step(1).status == TENON_INVALID_ARGUMENT);
}

TEST_CASE("Walk: an unreadable directory is logged and passed over, or fails a strict walk") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read every directory");
    return;
  }
  const TemporaryDirectory directory;
  write_text(directory / "a/1", "x");
  write_text(directory / "b/2", "x");
  REQUIRE(::chmod((directory / "a").c_str(), 0) == 0);
  Worker worker;
  auto arguments = root_of(directory);
  CHECK(walk(worker, arguments) == Paths{"b/2"});
  REQUIRE(worker.logs.size() == 2);
  CHECK(worker.logs[0].find("Permission denied") != std::string::npos);
  arguments.strict = true;
  auto session = worker.open("walk", arguments);
  CHECK(session.step(10).status == TENON_IO);
  ::chmod((directory / "a").c_str(), 0700);
}

TEST_CASE("Walk: stops when it is cancelled") {
  const TemporaryDirectory directory;
  for (int i = 0; i < 1500; ++i) {
    write_text(directory.path() / ("f" + std::to_string(i)), "");
  }
  Worker worker;
  worker.settings.polls_before_stop = 0;
  auto session = worker.open("walk", root_of(directory));
  CHECK(session.step(10).status == TENON_CANCELLED);
}

TEST_CASE("Walk: directories to leave out are told by what they are") {
  const TemporaryDirectory directory;
  for (const char* path : {"a", "out/b", "out/deep/c", "sub/out/d", "sub/e"}) {
    write_text(directory / path, "x");
  }
  std::filesystem::create_directory_symlink(directory / "out", directory / "link");
  Worker worker;
  auto arguments = root_of(directory);
  arguments.leave_out = {(directory / "sub/../out").string(), (directory / "missing").string()};
  CHECK(walk(worker, arguments) == Paths{"a", "sub/e", "sub/out/d"});
  arguments.follow_links = true;
  CHECK(walk(worker, arguments) == Paths{"a", "sub/e", "sub/out/d"});
  arguments.kinds = {tenon::FileKind::Directory};
  CHECK(walk(worker, arguments) == Paths{"sub", "sub/out"});
  arguments.leave_out = {directory.path().string()};
  CHECK(walk(worker, arguments).size() > 2);
}

TEST_CASE("Walk: a zero byte in the root is an error") {
  Worker worker;
  files::WalkArgumentsT arguments;
  arguments.root = std::string("/\0x", 3);
  auto session = worker.open("walk", arguments);
  CHECK(session.step(1).status == TENON_INVALID_ARGUMENT);
}

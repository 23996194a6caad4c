#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "common/new_file.hpp"
#include "files/write.hpp"

#include "files_generated.h"
#include "obstacles.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::die_at;
using tenon::test::End;
using tenon::test::entries_in;
using tenon::test::file_with;
using tenon::test::FileSizeLimit;
using tenon::test::Outcome;
using tenon::test::parts_in;
using tenon::test::read_text;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

files::WriteParamsT into(const std::filesystem::path& directory) {
  files::WriteParamsT params;
  params.directory = directory.string();
  return params;
}

tenon::FileT item(const std::string& relative_path, const std::string& text) {
  auto file = file_with("/from/" + relative_path, text);
  file.relative_path = relative_path;
  return file;
}

}  // namespace

TEST_CASE("Write: puts the content at its relative path and makes the directories") {
  const TemporaryDirectory directory;
  Worker worker;
  auto file = item("a/b/c d\n.txt", "content");
  file.mode = 0600;
  const auto outcome = worker.call("write", file, into(directory / "new/out"));
  const auto& written = outcome.as<tenon::File>();
  CHECK(read_text(directory / "new/out/a/b/c d\n.txt") == "content");
  CHECK(written.path()->str() == (directory / "new/out/a/b/c d\n.txt").string());
  CHECK(written.relative_path()->str() == "a/b/c d\n.txt");
  CHECK(written.size_bytes() == 7);
  CHECK(written.mode() == 0600);
  CHECK(written.data() == nullptr);
  CHECK(entries_in(directory / "new/out") == 3);
}

TEST_CASE("Write: without a relative path the name alone counts; an empty file is written") {
  const TemporaryDirectory directory;
  Worker worker;
  CHECK(worker.call("write", file_with("/etc/passwd", ""), into(directory.path())).status == TENON_INVALID_ARGUMENT);
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<std::uint8_t> nothing;
  builder.ForceDefaults(true);
  builder.Finish(
      tenon::CreateFileDirect(builder, "/etc/passwd", nullptr, 0, 0, 0, tenon::FileKind::Regular, nullptr, &nothing));
  CHECK(worker.call("write", Block(builder), into(directory.path())).ok());
  CHECK(std::filesystem::file_size(directory / "passwd") == 0);
}

TEST_CASE("Write: no path leads out of the directory") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "out");
  std::filesystem::create_directory(directory / "outside");
  std::filesystem::create_directory_symlink(directory / "outside", directory / "out/link");
  Worker worker;
  for (const char* path : {"../x", "a/../../x", "/x", "a/..", "..", ".", "a/"}) {
    INFO(path);
    const auto outcome = worker.call("write", item(path, "x"), into(directory / "out"));
    CHECK(outcome.status == TENON_INVALID_ARGUMENT);
    CHECK(outcome.message.find(path) != std::string::npos);
  }
  CHECK(worker.call("write", item("link/x", "x"), into(directory / "out")).status == TENON_IO);
  CHECK(entries_in(directory / "outside") == 0);
  CHECK_FALSE(std::filesystem::exists(directory / "x"));
}

TEST_CASE("Write: a link in the place of the file is replaced, its target untouched") {
  const TemporaryDirectory directory;
  write_text(directory / "target", "old");
  std::filesystem::create_directory(directory / "out");
  std::filesystem::create_symlink(directory / "target", directory / "out/f");
  Worker worker;
  CHECK(worker.call("write", item("f", "new"), into(directory / "out")).ok());
  CHECK(read_text(directory / "target") == "old");
  CHECK(read_text(directory / "out/f") == "new");
  CHECK_FALSE(std::filesystem::is_symlink(directory / "out/f"));
}

TEST_CASE("Write: replace, keep and refuse") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "old");
  Worker worker;
  auto params = into(directory.path());
  params.existing = files::Existing::keep;
  CHECK(worker.call("write", item("f", "new"), params).as<tenon::File>().size_bytes() == 3);
  CHECK(read_text(directory / "f") == "old");
  params.existing = files::Existing::refuse;
  const auto refused = worker.call("write", item("f", "new"), params);
  CHECK(refused.status == TENON_IO);
  CHECK(refused.message.find("`existing`") != std::string::npos);
  CHECK(read_text(directory / "f") == "old");
  CHECK(worker.call("write", item("g", "new"), params).ok());
  CHECK(read_text(directory / "g") == "new");
  worker.settings.attempt = 2;
  CHECK(worker.call("write", item("g", "new"), params).ok());
  CHECK(worker.call("write", item("g", "other"), params).status == TENON_IO);
  params.existing = files::Existing::replace;
  CHECK(worker.call("write", item("f", "new"), params).ok());
  CHECK(read_text(directory / "f") == "new");
  CHECK(entries_in(directory.path()) == 2);
}

TEST_CASE("Write: the mode is that of the params, else the item's, else 0644, whatever the umask") {
  const TemporaryDirectory directory;
  Worker worker;
  const mode_t before = ::umask(077);
  auto params = into(directory.path());
  CHECK(worker.call("write", item("a", "x"), params).as<tenon::File>().mode() == 0644);
  auto file = item("b", "x");
  file.mode = 04755;
  CHECK(worker.call("write", file, params).as<tenon::File>().mode() == 0755);
  params.mode = 0400;
  CHECK(worker.call("write", file, params).as<tenon::File>().mode() == 0400);
  ::umask(before);
}

TEST_CASE("Write: a disk that is full leaves the old file and no temporary one") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "old");
  Worker worker;
  Outcome outcome;
  {
    const FileSizeLimit limit(100000);
    outcome = worker.call("write", item("f", std::string(3000000, 'x')), into(directory.path()));
  }
  CHECK(outcome.status == TENON_IO);
  CHECK(outcome.message.find((directory / "f").string()) != std::string::npos);
  CHECK(outcome.message.find("File too large") != std::string::npos);
  CHECK(read_text(directory / "f") == "old");
  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("Write: cancelled in the middle leaves nothing behind") {
  const TemporaryDirectory directory;
  Worker worker;
  worker.settings.polls_before_stop = 2;
  CHECK(worker.call("write", item("f", std::string(5000000, 'x')), into(directory.path())).status == TENON_CANCELLED);
  CHECK(entries_in(directory.path()) == 0);
}

TEST_CASE("Write: obstacles are errors that name them") {
  const TemporaryDirectory directory;
  write_text(directory / "file", "x");
  std::filesystem::create_directories(directory / "dir/full");
  Worker worker;
  CHECK(worker.call("write", item("f", "x"), into("")).status == TENON_INVALID_ARGUMENT);
  CHECK(worker.call("write", item("f", "x"), into(directory / "file")).status == TENON_IO);
  CHECK(worker.call("write", item("file/f", "x"), into(directory.path())).status == TENON_IO);
  CHECK(worker.call("write", item("dir", "x"), into(directory.path())).status == TENON_IO);
  CHECK(worker.call("write", item(std::string(300, 'n'), "x"), into(directory.path())).status == TENON_IO);
  CHECK(worker.call("write", item("f", "x"), into("/proc/no/such")).status != TENON_OK);
  auto empty = item("f", "");
  const auto no_data = worker.call("write", empty, into(directory.path()));
  CHECK(no_data.status == TENON_INVALID_ARGUMENT);
  CHECK(no_data.message.find("files.read") != std::string::npos);
}

namespace {

files::WriteRequest request_for(const std::filesystem::path& directory, const std::string& text) {
  files::WriteRequest request;
  request.directory = directory.string();
  request.relative_path = "file";
  request.data = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  return request;
}

}  // namespace

TEST_CASE("Write: a death at any system call leaves the old file or the new one, and nothing beside it for long") {
  const std::string before = "before";
  const std::string after(3000, 'a');
  for (const bool replaces : {false, true}) {
    int deaths = 0;
    int left = 0;
    for (int stop = 0;; ++stop) {
      INFO("stop " << stop << ", replaces " << replaces);
      const TemporaryDirectory directory;
      if (replaces) {
        write_text(directory / "file", before);
      }
      const End end = die_at(stop, [&] { files::write_file(request_for(directory.path(), after), [] {}); });
      if (end == End::kCannotTrace) {
        WARN("skipped: children cannot be traced here");
        return;
      }
      const std::string text = std::filesystem::exists(directory / "file") ? read_text(directory / "file") : "";
      CHECK((text == after || (end == End::kDied && text == (replaces ? before : ""))));
      left += static_cast<int>(parts_in(directory.path()).size());
      auto again = request_for(directory.path(), after);
      again.repeated = true;
      files::write_file(again, [] {});
      CHECK(read_text(directory / "file") == after);
      CHECK(entries_in(directory.path()) == 1);
      if (end == End::kFinished) {
        break;
      }
      ++deaths;
    }
    CHECK(deaths > 10);
    if (!replaces) {
      CHECK(left == 0);
    }
  }
}

TEST_CASE("Write: the first file in a directory removes what killed writers left, not what others write") {
  const TemporaryDirectory directory;
  write_text(directory / ".tenon-1-2.part", "left");
  write_text(directory / ".tenon-other", "not a writer's");
  write_text(directory / "x.part", "the user's");
  write_text(directory / ".tenon-3-4.part", "being written");
  std::filesystem::create_directory(directory / ".tenon-5-6.part");
  std::filesystem::create_symlink("x.part", directory / ".tenon-7-8.part");
  const int lock = ::open((directory / ".tenon-3-4.part").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(lock >= 0);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  files::write_file(request_for(directory.path(), "text"), [] {});
  CHECK_FALSE(std::filesystem::exists(directory / ".tenon-1-2.part"));
  CHECK(entries_in(directory.path()) == 6);
  ::close(lock);
  files::write_file(request_for(directory.path(), "text"), [] {});
  // The directory was checked before, and no call was repeated.
  CHECK(entries_in(directory.path()) == 6);
  auto repeated = request_for(directory.path(), "text");
  repeated.repeated = true;
  files::write_file(repeated, [] {});
  CHECK_FALSE(std::filesystem::exists(directory / ".tenon-3-4.part"));
}

TEST_CASE("NewFile: where every file has a name, that is hidden, locked, and gone at the end") {
  const TemporaryDirectory directory;
  const tenon::plugins::FileDescriptor at(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  {
    tenon::plugins::NewFile file(at.get());
    REQUIRE(file.create(tenon::plugins::NewFile::Names::kUse) == 0);
    REQUIRE(parts_in(directory.path()).size() == 1);
    tenon::plugins::sweep_parts(at.get());
    CHECK(parts_in(directory.path()).size() == 1);
  }
  CHECK(entries_in(directory.path()) == 0);
  write_text(directory / "there", "old");
  for (const auto names : {tenon::plugins::NewFile::Names::kUse, tenon::plugins::NewFile::Names::kAvoid}) {
    tenon::plugins::NewFile refused(at.get());
    REQUIRE(refused.create(names) == 0);
    CHECK(refused.keep_as_new("there") == EEXIST);
    tenon::plugins::NewFile other(at.get());
    REQUIRE(other.create(names) == 0);
    const std::string name = names == tenon::plugins::NewFile::Names::kUse ? "named" : "unnamed";
    CHECK(other.keep_as_new(name) == 0);
    tenon::plugins::NewFile replacing(at.get());
    REQUIRE(replacing.create(names) == 0);
    REQUIRE(::write(replacing.get(), "new", 3) == 3);
    CHECK(replacing.keep_as(name) == 0);
    CHECK(read_text(directory / name) == "new");
  }
  CHECK(read_text(directory / "there") == "old");
  CHECK(entries_in(directory.path()) == 3);
}

// Runs pipelines that write with the plugins `csv` and `jsonl`, also with workers and runs that are killed.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace fs = std::filesystem;
using tenon::test::Ended;
using tenon::test::Program;
using tenon::test::TemporaryDirectory;

namespace {

constexpr int kRows = 20000;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string example(const std::string& name) {
  return (tenon::test::source_dir() / "plugins" / name).string();
}

/// Names of all entries of a directory.
std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

/// A pipeline that writes the numbers from 1 on.
std::string counting(const std::string& task, const fs::path& path, std::uint64_t count) {
  return "[pipeline]\nname = \"counting\"\n[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { first = 1, count = " +
         std::to_string(count) +
         " }\n[stages.rows]\nkind = \"project\"\ninputs = [\"numbers\"]\nfields = { n = \"value\" }\n[sinks.out]\ntask "
         "= \"" +
         task + "\"\ninputs = [\"rows\"]\nparams = { path = \"" + path.string() + "\" }\n";
}

/// Waits until a directory has a hidden file, which a writer has kept for later. Returns its path.
fs::path wait_for_part(const fs::path& directory) {
  for (int i = 0; i < 6000; ++i) {
    for (const std::string& name : names_in(directory)) {
      if (name.starts_with(".tenon-kept-")) {
        return directory / name;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return {};
}

/// Waits until no process has the file open any more.
bool wait_until_unlocked(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  bool free = false;
  for (int i = 0; file >= 0 && !free && i < 6000; ++i) {
    free = ::flock(file, LOCK_EX | LOCK_NB) == 0;
    if (!free) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ::close(file);
  return free;
}

/// The numbers from 1 to kRows are written while the worker is killed at 10,000.
void check_deadly(const std::string& task, const std::string& name, const std::string& expected) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "out");
  const std::string mark = (directory / "killed").string();
  write(directory / "deadly.toml", counting(task, directory / "out" / name, kRows) +
                                       "[stages.late]\nkind = \"filter\"\ninputs = [\"numbers\"]\nwhere = { value = "
                                       "10000 }\n[stages.late_rows]\nkind = \"project\"\ninputs = [\"late\"]\n"
                                       "fields = { n = \"value\" }\n[sinks.kill]\ntask = \"exec.run_record\"\n"
                                       "inputs = [\"late_rows\"]\nretry = { attempts = 3, backoff = \"1ms\" }\n"
                                       "params = { shell = 'mkdir " +
                                       mark + " 2> /dev/null && kill -KILL $PPID; true' }\n");
  const Ended ended = tenon::test::tenon({"run", (directory / "deadly.toml").string(), "--workers", "1", "--json"});
  INFO(ended.error);
  INFO(ended.output);
  CHECK(ended.exit == 0);
  CHECK(fs::exists(directory / "killed"));
  CHECK(read(directory / "out" / name) == expected);
  CHECK(names_in(directory / "out") == std::vector<std::string>{name});
}

}  // namespace

TEST_CASE("csv: tree.toml lists the files of a tree") {
  const TemporaryDirectory directory;
  fs::create_directories(directory / "tree/a");
  write(directory / "tree/a/b, c.txt", "12345");
  write(directory / "tree/z", "");
  const fs::path path = directory / "out/tree.csv";
  const Ended ended = tenon::test::tenon({"run", example("csv/tree.toml"), "--json", "--set",
                                          "sources.tree.args.root=" + (directory / "tree").string(), "--set",
                                          "sinks.table.params.path=" + path.string()});
  INFO(ended.output);
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(read(path) == "path,bytes,extension\n\"a/b, c.txt\",5,txt\nz,0,\n");
  CHECK(has(ended.output, path.string()));
  CHECK(names_in(directory / "out") == std::vector<std::string>{"tree.csv"});
}

TEST_CASE("jsonl: convert.toml turns a table into JSON lines, and back") {
  const TemporaryDirectory directory;
  const std::string table = "name,address.town,age\n\"Doe, J\",K\xC3\xB6ln,42\nO'Neil,,\n";
  write(directory / "people.csv", table);
  const fs::path lines = directory / "people.jsonl";
  const Ended there = tenon::test::tenon({"run", example("jsonl/convert.toml"), "--json", "--set",
                                          "sources.rows.args.path=" + (directory / "people.csv").string(), "--set",
                                          "sinks.lines.params.path=" + lines.string()});
  INFO(there.error);
  CHECK(there.exit == 0);
  CHECK(read(lines) ==
        "{\"name\":\"Doe, J\",\"address\":{\"town\":\"K\xC3\xB6ln\"},\"age\":42}\n"
        "{\"name\":\"O'Neil\",\"address\":{\"town\":null},\"age\":null}\n");
  write(directory / "back.toml",
        "[sources.lines]\ntask = \"jsonl.read\"\nargs = { path = \"" + lines.string() +
            "\" }\n[sinks.table]\ntask = \"csv.write\"\ninputs = [\"lines\"]\nparams = { path = \"" +
            (directory / "back.csv").string() + "\" }\n");
  const Ended back = tenon::test::tenon({"run", (directory / "back.toml").string()});
  INFO(back.error);
  CHECK(back.exit == 0);
  CHECK(read(directory / "back.csv") == table);
}

TEST_CASE("csv: a worker that dies while it writes costs no row and repeats none") {
  std::string expected = "n\n";
  for (int i = 1; i <= kRows; ++i) {
    expected += std::to_string(i) + "\n";
  }
  check_deadly("csv.write", "rows.csv", expected);
}

TEST_CASE("jsonl: a worker that dies while it writes costs no record and repeats none") {
  std::string expected;
  for (int i = 1; i <= kRows; ++i) {
    expected += "{\"n\":" + std::to_string(i) + "}\n";
  }
  check_deadly("jsonl.write", "rows.jsonl", expected);
}

TEST_CASE("csv: a run that is killed leaves no file that the next one does not remove") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "out");
  write(directory / "endless.toml", counting("csv.write", directory / "out/rows.csv", 4'000'000'000));
  write(directory / "short.toml", counting("csv.write", directory / "out/rows.csv", 3));
  {
    Program program({"run", (directory / "endless.toml").string(), "--workers", "1"});
    const fs::path part = wait_for_part(directory / "out");
    REQUIRE_FALSE(part.empty());
    CHECK_FALSE(fs::exists(directory / "out/rows.csv"));
    ::kill(program.pid(), SIGKILL);
    CHECK(program.wait() == 128 + SIGKILL);
    REQUIRE(wait_until_unlocked(part));
    CHECK_FALSE(fs::exists(directory / "out/rows.csv"));
  }
  const Ended ended = tenon::test::tenon({"run", (directory / "short.toml").string()});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(read(directory / "out/rows.csv") == "n\n1\n2\n3\n");
  CHECK(names_in(directory / "out") == std::vector<std::string>{"rows.csv"});
}

TEST_CASE("csv: a run that is interrupted leaves nothing, since its table would look complete") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "out");
  write(directory / "endless.toml", counting("csv.write", directory / "out/rows.csv", 4'000'000'000));
  Program program({"run", (directory / "endless.toml").string(), "--workers", "1"});
  REQUIRE_FALSE(wait_for_part(directory / "out").empty());
  program.interrupt();
  CHECK(program.wait() > 0);
  INFO(program.error());
  CHECK(names_in(directory / "out").empty());
}

TEST_CASE("csv: a source that fails late leaves nothing of the table") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "out");
  std::string pipeline = counting("csv.write", directory / "out/rows.csv", kRows);
  pipeline.replace(pipeline.find("first = 1"), 9, "first = 1, fail_at = 15000");
  write(directory / "failing.toml", pipeline);
  const Ended ended = tenon::test::tenon({"run", (directory / "failing.toml").string(), "--workers", "1"});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "source 'numbers' (tenon.numbers) failed"));
  CHECK(names_in(directory / "out").empty());
}

TEST_CASE("csv: a row that does not fit ends the run with item, column and exit code 1, and leaves the old file") {
  const TemporaryDirectory directory;
  write(directory / "rows.jsonl", "{\"a\":1,\"b\":2}\n{\"a\":1,\"c\":2}\n");
  fs::create_directory(directory / "out");
  write(directory / "out/rows.csv", "old");
  write(directory / "convert.toml", "[sources.lines]\ntask = \"jsonl.read\"\nargs = { path = \"" +
                                        (directory / "rows.jsonl").string() +
                                        "\" }\n[sinks.table]\ntask = \"csv.write\"\ninputs = [\"lines\"]\nparams = { "
                                        "path = \"" +
                                        (directory / "out/rows.csv").string() + "\" }\n");
  const Ended ended = tenon::test::tenon({"run", (directory / "convert.toml").string()});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "sink 'table' (csv.write) failed"));
  CHECK(has(ended.error, "rows.csv', item 2: has the field 'c', which is not a column"));
  CHECK(read(directory / "out/rows.csv") == "old");
  CHECK(names_in(directory / "out") == std::vector<std::string>{"rows.csv"});
}

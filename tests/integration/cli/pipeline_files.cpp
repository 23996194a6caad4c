// tenon new pipeline and tenon fmt.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

namespace fs = std::filesystem;
using tenon::test::Ended;
using tenon::test::has;

namespace {

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

constexpr const char* kUntidy = "# why\n[ pipeline ]\nname='x' # its name\n";
constexpr const char* kTidy = "# why\n[pipeline]\nname = \"x\" # its name\n";

}  // namespace

TEST_CASE("tenon new pipeline: a start that is checked and tested and run at once") {
  const tenon::test::TemporaryDirectory directory;
  const std::string place = directory / "todo";
  const Ended made = tenon::test::tenon({"new", "pipeline", "todo", "--directory", place});
  CAPTURE(made.error);
  REQUIRE(made.exit == 0);
  CHECK(has(made.output, place + "/todo.toml\n"));
  CHECK(has(made.output, place + "/README.md\n"));
  const std::string file = place + "/todo.toml";
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"check", file}, {"fmt", "--check", file}, {"test", file}}) {
    const Ended ended = tenon::test::tenon(command);
    CAPTURE(command.front(), ended.output, ended.error);
    CHECK(ended.exit == 0);
    CHECK((command.front() != "test" || has(ended.output, "2 tests passed\n")));
  }
  fs::create_directory(directory / "texts");
  write_text(directory / "texts" / "a.txt", "TODO: sleep sleep\nsleep\n");
  const Ended run =
      tenon::test::tenon({"run", file, "--set", "sources.tree.args.root=" + (directory / "texts").string()});
  CAPTURE(run.output, run.error);
  CHECK(run.exit == 0);
  CHECK(has(run.output, "\"word\": \"sleep\",\n      \"count\": 2"));
  // Every name in the README exists.
  CHECK(has(text_of(place + "/README.md"), "tenon test todo.toml"));

  CHECK(tenon::test::tenon({"new", "pipeline", "todo", "--directory", place}).exit == 2);
  CHECK(has(tenon::test::tenon({"new", "pipelin", "x"}).error, "did you mean 'pipeline'?"));
  CHECK(has(tenon::test::tenon({"new", "pipeline", "x", "--lang", "c"}).error, "--lang is for plugins"));
  CHECK(has(tenon::test::tenon({"new", "pipeline", "X"}).error, "'X' cannot name a pipeline"));
}

TEST_CASE("tenon fmt: changes files in place and keeps their permissions") {
  const tenon::test::TemporaryDirectory directory;
  const std::string untidy = directory / "untidy.toml";
  const std::string tidy = directory / "tidy.toml";
  const std::string link = directory / "link.toml";
  write_text(untidy, kUntidy);
  write_text(tidy, kTidy);
  REQUIRE(::chmod(untidy.c_str(), 0666) == 0);
  fs::create_symlink("untidy.toml", link);

  Ended ended = tenon::test::tenon({"fmt", "--check", tidy, link});
  CHECK(ended.exit == 1);
  CHECK(ended.output == link + "\n");
  CHECK(text_of(untidy) == kUntidy);

  ended = tenon::test::tenon({"fmt", tidy, link});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  CHECK(ended.output == link + "\n");
  CHECK(text_of(untidy) == kTidy);
  CHECK(fs::is_symlink(link));
  struct stat status {};
  REQUIRE(::stat(untidy.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0666);

  ended = tenon::test::tenon({"fmt", "--check", tidy, link});
  CHECK(ended.exit == 0);
  CHECK(ended.output.empty());
}

TEST_CASE("tenon fmt: refuses what it cannot read and formats the others") {
  const tenon::test::TemporaryDirectory directory;
  const std::string broken = directory / "broken.toml";
  const std::string untidy = directory / "untidy.toml";
  write_text(broken, "a = 1\nb = [\n");
  write_text(untidy, kUntidy);
  const Ended ended = tenon::test::tenon({"fmt", broken, untidy});
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "broken.toml:"));
  CHECK(text_of(broken) == "a = 1\nb = [\n");
  CHECK(text_of(untidy) == kTidy);
  CHECK(tenon::test::tenon({"fmt", directory / "none.toml"}).exit == 2);
  CHECK(tenon::test::tenon({"fmt", directory.path().string()}).exit == 2);
  CHECK(tenon::test::tenon({"fmt"}).exit == 2);
}

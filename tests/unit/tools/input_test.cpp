#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tools/tenon/json_input.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

/// Returns `text` in pieces of at most `piece` bytes.
std::function<Result<std::size_t>(MutableBytesView)> reader(std::string text, std::size_t piece) {
  return [text = std::move(text), piece, at = std::size_t{0}](MutableBytesView buffer) mutable -> Result<std::size_t> {
    const std::size_t size = text.copy(reinterpret_cast<char*>(buffer.data()), std::min(piece, buffer.size()), at);
    at += size;
    return size;
  };
}

std::vector<std::string> lines_of(const std::string& text, std::size_t piece) {
  LineReader lines(reader(text, piece));
  std::vector<std::string> all;
  for (auto line = lines.next(); line && *line; line = lines.next()) {
    all.push_back(**line);
  }
  return all;
}

}  // namespace

TEST_CASE("LineReader: lines whatever the pieces") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) {
    CHECK(lines_of("", piece).empty());
    CHECK(lines_of("a", piece) == std::vector<std::string>{"a"});
    CHECK(lines_of("a\n", piece) == std::vector<std::string>{"a"});
    CHECK(lines_of("\n", piece) == std::vector<std::string>{""});
    CHECK(lines_of("ab\n\ncd\nef", piece) == std::vector<std::string>{"ab", "", "cd", "ef"});
  }
}

TEST_CASE("LineReader: the rest after some lines") {
  LineReader lines(reader("one\ntwo\nthree", 4));
  CHECK(lines.next().value() == "one");
  CHECK(lines.rest().value() == "two\nthree");
  CHECK_FALSE(lines.next().value());
}

TEST_CASE("LineReader: errors pass through") {
  LineReader lines([](MutableBytesView) -> Result<std::size_t> { return fail(ErrorCode::kCancelled, "interrupted"); });
  CHECK(lines.next().error().code == ErrorCode::kCancelled);
}

TEST_CASE("read_text: the word itself, a file, standard input") {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "a.json") << "{\"a\": 1}";
  World world;
  world.read_input = reader("from input", 3);
  CHECK(read_text(world, "{}", "argument")->text == "{}");
  CHECK(read_text(world, "{}", "argument")->name == "argument");
  CHECK(read_text(world, "@" + (directory / "a.json").string(), "argument")->text == "{\"a\": 1}");
  CHECK(read_text(world, "-", "argument")->text == "from input");
}

TEST_CASE("read_text: a missing file is wrong usage, an interrupt is an interrupt") {
  World world;
  world.read_input = [](MutableBytesView) -> Result<std::size_t> { return fail(ErrorCode::kCancelled, "interrupted"); };
  CHECK(read_text(world, "@" + test::missing_path("file.json").string(), "argument").error().exit == ExitCode::kUsage);
  CHECK(read_text(world, "-", "argument").error().exit == ExitCode::kInterrupted);
}

TEST_CASE("parse_overrides: at the first equals sign") {
  const auto overrides = parse_overrides({"a.b=c=d", "x="});
  REQUIRE(overrides);
  CHECK((*overrides)[0] == std::pair<std::string, std::string>{"a.b", "c=d"});
  CHECK((*overrides)[1] == std::pair<std::string, std::string>{"x", ""});
  CHECK(parse_overrides({"novalue"}).error().exit == ExitCode::kUsage);
  CHECK(parse_overrides({"=value"}).error().exit == ExitCode::kUsage);
}

TEST_CASE("require_file: a missing file and a directory are wrong usage") {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "a.toml") << "";
  CHECK(require_file((directory / "a.toml").string()));
  CHECK(require_file((directory / "b.toml").string()).error().exit == ExitCode::kUsage);
  CHECK(require_file(directory.path().string()).error().exit == ExitCode::kUsage);
}

TEST_CASE("plugin_places: where plugins are installed, whatever the system calls its library directory") {
  const test::TemporaryDirectory directory;
  const auto installed = directory.path() / TENON_INSTALL_LIBDIR / "tenon" / "plugins";
  std::filesystem::create_directories(installed);
  World world;
  world.executable = directory / "bin/tenon";
  world.variable = [](const std::string&) { return std::nullopt; };
  const auto places = plugin_places(world, {});
  REQUIRE(places);
  CHECK(*places == std::vector<std::filesystem::path>{installed});
}

TEST_CASE("plugin_places: the command line, the environment, beside the program") {
  const test::TemporaryDirectory directory;
  for (const char* name : {"flag", "environment", "build/bin", "build/plugins"}) {
    std::filesystem::create_directories(directory / name);
  }
  World world;
  world.executable = directory / "build/bin/tenon";
  world.variable = [&](const std::string& name) -> std::optional<std::string> {
    if (name != "TENON_PLUGIN_PATH") {
      return std::nullopt;
    }
    return (directory / "environment").string() + ":" + test::missing_path().string();
  };
  const auto places = plugin_places(world, {(directory / "flag").string()});
  REQUIRE(places);
  CHECK(*places ==
        std::vector<std::filesystem::path>{directory / "flag", directory / "environment", directory / "build/plugins"});
  CHECK(plugin_places(world, {test::missing_path().string()}).error().exit == ExitCode::kUsage);
}

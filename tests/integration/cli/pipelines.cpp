#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using nlohmann::json;
using tenon::test::Ended;
using tenon::test::has;
using tenon::test::Program;
using tenon::test::ProgramOptions;

namespace {

constexpr const char* kSum = R"(
[pipeline]
name = "sum"

[sources.numbers]
task = "tenon.numbers"
args = { count = 100 }

[sinks.total]
task = "tenon.sum"
inputs = ["numbers"]
)";

/// A pipeline whose items all fail with "as asked".
std::string failing(std::uint64_t count, unsigned interval_ms) {
  return "[pipeline]\nname = \"failing\"\n[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " +
         std::to_string(count) + ", interval_ms = " + std::to_string(interval_ms) +
         " }\n[stages.drop]\ntask = \"tenon.discard\"\ninputs = [\"numbers\"]\n"
         "[sinks.fail]\ntask = \"tenon.fail\"\ninputs = [\"drop\"]\nparams = { message = \"as asked\" }\n";
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

/// A separate pipeline file for a test.
class PipelineFile {
 public:
  explicit PipelineFile(const std::string& text) { std::ofstream(path(), std::ios::binary) << text; }
  [[nodiscard]] std::string path() const { return (directory_ / "pipeline.toml").string(); }

 private:
  tenon::test::TemporaryDirectory directory_;
};

/// Checks what each command reports for an invalid file: exit code 78, its name, and valid JSON on
/// request.
Ended check_wrong(const std::string& text) {
  const PipelineFile file(text);
  CHECK(tenon::test::tenon({"run", file.path()}).exit == 78);
  const Ended machine = tenon::test::tenon({"check", file.path(), "--json"});
  CHECK(machine.exit == 78);
  REQUIRE(json::accept(machine.output));
  const json result = json::parse(machine.output)["files"][0];
  CHECK_FALSE(result["ok"].get<bool>());
  CHECK_FALSE(result["diagnostics"].empty());
  Ended ended = tenon::test::tenon({"check", file.path()});
  CHECK(ended.exit == 78);
  CAPTURE(ended.error.substr(0, 2000));
  CHECK(has(ended.error, "pipeline.toml"));
  CHECK(has(ended.error, "error: "));
  return ended;
}

}  // namespace

TEST_CASE("tenon run: results of a collecting sink on standard output, the summary on standard error") {
  const PipelineFile file(kSum);
  const Ended ended = tenon::test::tenon({"run", file.path()});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  REQUIRE(json::accept(ended.output));
  CHECK(json::parse(ended.output)["value"] == 4950);
  CHECK(has(ended.error, "sum: done in "));
  CHECK_FALSE(has(ended.error, "\r"));
  const Ended quiet = tenon::test::tenon({"run", file.path(), "--quiet"});
  CHECK(quiet.exit == 0);
  CHECK(quiet.error.empty());
}

TEST_CASE("tenon run: --json reports counts and outputs, --set changes a value") {
  const PipelineFile file(kSum);
  const Ended ended =
      tenon::test::tenon({"run", file.path(), "--json", "--set", "sources.numbers.args.count=10", "--workers", "2"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  REQUIRE(json::accept(ended.output));
  const json report = json::parse(ended.output);
  CHECK(report["end"] == "done");
  CHECK(report["exit_code"] == 0);
  CHECK(report["outputs"][0]["value"]["value"] == 45);
  CHECK(tenon::test::tenon({"run", file.path(), "--set", "sources.numbers.args.cuont=10"}).exit == 78);
}

TEST_CASE("tenon run: items that fail are listed, exit 1") {
  const PipelineFile file(R"(
[pipeline]
name = "failing"

[sources.numbers]
task = "tenon.numbers"
args = { count = 3 }

[stages.broken]
task = "tenon.discard"
inputs = ["numbers"]

[sinks.fail]
task = "tenon.fail"
inputs = ["broken"]
params = { message = "as asked" }
)");
  const Ended ended = tenon::test::tenon({"run", file.path()});
  CAPTURE(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "as asked"));
  CHECK(has(ended.error, "3 failed"));
  const Ended machine = tenon::test::tenon({"run", file.path(), "--json"});
  CHECK(machine.exit == 1);
  REQUIRE(json::accept(machine.output));
  CHECK(json::parse(machine.output)["failure_count"] == 3);
  // What was told while it ran is not told again at its end.
  CHECK(count_of(ended.error, "tenon: error: fail: ") == 3);
  CHECK(count_of(machine.error, "tenon: error: fail: ") == 1);
}

TEST_CASE("tenon run: failing items are told while it runs, also with --json") {
  const PipelineFile file(failing(1'000'000, 1));
  for (const char* const option : {"--json", "--quiet"}) {
    Program program({"run", file.path(), "--give-up-after", "0", option});
    while (program.running() && !has(program.error(), "tenon: error: fail: ")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(program.running());
    CHECK(has(program.error(), "as asked"));
    CHECK(program.output().empty());
    program.interrupt();
    CHECK(program.wait() == 130);
  }
}

TEST_CASE("tenon run: a stage whose first items all fail ends the run with exit code 1") {
  const PipelineFile file(failing(5000, 0));
  const std::string said =
      "items have all failed, so the run was ended (give_up_after); the last failed with: as asked";
  const auto failed = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run", file.path(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = tenon::test::tenon(words);
    CAPTURE(ended.error);
    CHECK(ended.exit == 1);
    REQUIRE(json::accept(ended.output));
    return json::parse(ended.output);
  };
  const json usual = failed({});
  CHECK(usual["end"] == "failed");
  CHECK(usual["exit_code"] == 1);
  CHECK(has(usual["error"]["message"].get<std::string>(), said));
  CHECK(usual["failure_count"] < 5000);
  // So few are not enough for the usual number.
  const std::vector<std::string> few = {"--set", "sources.numbers.args.count=50"};
  CHECK(failed(few)["end"] == "done");
  std::vector<std::string> early = few;
  early.insert(early.end(), {"--set", "pipeline.give_up_after=2"});
  CHECK(has(failed(early)["error"]["message"].get<std::string>(), said));
  std::vector<std::string> never = early;
  never.insert(never.end(), {"--give-up-after", "0"});
  CHECK(failed(never)["end"] == "done");
  CHECK(failed(never)["failure_count"] == 50);
  const Ended people = tenon::test::tenon({"run", file.path(), "--give-up-after", "2"});
  CHECK(people.exit == 1);
  CHECK(has(people.error, said));
}

TEST_CASE("tenon run: --drain-timeout cancels items that hang after an interrupt") {
  const PipelineFile file(R"(
[pipeline]
name = "hanging"
[sources.numbers]
task = "tenon.numbers"
args = { count = 3 }
[stages.drop]
task = "tenon.discard"
inputs = ["numbers"]
[sinks.hang]
task = "tenon.fail"
inputs = ["drop"]
params = { mode = "hang" }
)");
  ProgramOptions options;
  options.terminal = true;
  Program program({"run", file.path(), "--drain-timeout", "100ms"}, options);
  REQUIRE(program.wait_for_error(" item"));
  program.interrupt();
  // Without the option, only a second interrupt ends it.
  CHECK(program.wait() == 130);
}

TEST_CASE("tenon run: the smallest example gives ten numbers") {
  const std::string example = (tenon::test::source_dir() / "plugins/tenon/count.toml").string();
  const Ended ended = tenon::test::tenon({"run", example, "--json", "--set", "sources.numbers.args.interval_ms=1"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  REQUIRE(json::accept(ended.output));
  CHECK(json::parse(ended.output)["stages"][1]["items_in"] == 10);
}

TEST_CASE("tenon run: the examples of the plugins files and text over a small tree") {
  const tenon::test::TemporaryDirectory directory;
  const std::filesystem::path tree = directory / "tree";
  std::filesystem::create_directories(tree / "below");
  const auto write = [&](const char* name, const std::string& content) { std::ofstream(tree / name) << content; };
  write("a.md", "one two two\n");
  write("below/b.md", "one two two\n");
  write("below/c.txt", "two three\n");
  const std::string target = (directory / "out").string();
  const auto run = [&](const std::string& example, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"run", (tenon::test::source_dir() / example).string(), "--json", "--set",
                                      "sources.tree.args.root=" + tree.string()};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = tenon::test::tenon(words);
    CAPTURE(ended.error);
    CHECK(ended.exit == 0);
    REQUIRE(json::accept(ended.output));
    return json::parse(ended.output);
  };
  const std::vector<std::string> to_target = {"--set", "sinks.write.params.directory=" + target};

  for (int times = 0; times < 2; ++times) {
    run("plugins/files/copy.toml", to_target);
    std::ifstream copy(directory / "out" / "below" / "b.md");
    CHECK(std::string(std::istreambuf_iterator<char>(copy), {}) == "one two two\n");
    CHECK_FALSE(std::filesystem::exists(directory / "out" / "below" / "c.txt"));
  }

  run("plugins/files/duplicates.toml", to_target);
  std::ifstream file(directory / "out" / "duplicates.json");
  const std::string duplicates(std::istreambuf_iterator<char>(file), {});
  CHECK(has(duplicates, "a.md"));
  CHECK(has(duplicates, "b.md"));
  CHECK_FALSE(has(duplicates, "c.txt"));

  const json top = run("plugins/text/top_words.toml");
  REQUIRE(top["outputs"].size() == 1);
  const json& words = top["outputs"][0]["value"]["words"];
  REQUIRE(words.size() == 3);
  CHECK(words[0]["word"] == "two");
  CHECK(words[0]["count"] == 5);
}

TEST_CASE("tenon run: the lines of walked files flow on, and a file that is not text fails by itself") {
  const tenon::test::TemporaryDirectory tree;
  const auto write = [&](const char* name, const std::string& content) {
    std::ofstream(tree / name, std::ios::binary) << content;
  };
  std::string many;
  for (int line = 0; line < 5000; ++line) {
    many += "common line\n";
  }
  write("a.txt", "one two\ntwo\n");
  write("b.txt", many);
  write("c.txt", "");
  write("d.txt",
        "\x7f"
        "ELF\x02\x01\x01");
  write("e.md", "two");
  const std::string example = (tenon::test::source_dir() / "plugins/text/line_words.toml").string();
  const std::string root = "sources.tree.args.root=" + tree.path().string();
  const Ended ended = tenon::test::tenon({"run", example, "--set", root});
  CAPTURE(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "d.txt"));
  CHECK(has(ended.error, "lines  text.lines       5 in  5,003 out  1 failed"));
  REQUIRE(json::accept(ended.output));
  const json words = json::parse(ended.output);
  CHECK(words["total"] == 10004);
  CHECK(words["words"][0]["count"] == 5000);
  CHECK(words["words"][2]["word"] == "two");
  CHECK(words["words"][2]["count"] == 3);
  const Ended machine = tenon::test::tenon({"run", example, "--set", root, "--json"});
  REQUIRE(json::accept(machine.output));
  const json report = json::parse(machine.output);
  CHECK(report["stages"][1]["kind"] == "expand");
  CHECK(report["stages"][1]["grouped"] == 4);
  CHECK(report["stages"][1]["items_out"] == 5003);
  CHECK(tenon::test::tenon({"check", example, "--set", root}).exit == 0);
  const Ended graph = tenon::test::tenon({"graph", example, "--set", root, "--format", "json"});
  REQUIRE(json::accept(graph.output));
  CHECK(json::parse(graph.output)["nodes"][1]["kind"] == "expand");
}

TEST_CASE("tenon run: an interrupt is heard and gives no result over a part of the stream") {
  const PipelineFile file(kSum);
  ProgramOptions options;
  options.terminal = true;
  Program program({"run", file.path(), "--json", "--set", "sources.numbers.args.count=1000000000", "--set",
                   "sources.numbers.args.interval_ms=1"},
                  options);
  // On a busy machine, the first line may say that there is none yet.
  REQUIRE(program.wait_for_error_match("(^|[^0-9])[1-9][0-9]* (of|item)"));
  program.interrupt();
  CHECK(program.wait() == 130);
  REQUIRE(json::accept(program.output()));
  const json report = json::parse(program.output());
  CHECK(report["end"] == "interrupted");
  const auto given = report["stages"][0]["items_out"].get<std::int64_t>();
  CHECK(given > 0);
  CHECK(report["outputs"].empty());
  CHECK(report["stages"][1]["dropped"] == given);
  CHECK(has(report["stages"][1].value("note", ""), "no result: "));
}

TEST_CASE("tenon run: the first interrupt is heard while items hang") {
  const PipelineFile file(R"(
[pipeline]
name = "slow"

[sources.numbers]
task = "tenon.numbers"
args = { count = 3 }

[stages.drop]
task = "tenon.discard"
inputs = ["numbers"]

[sinks.hang]
task = "tenon.fail"
inputs = ["drop"]
params = { mode = "hang" }
)");
  ProgramOptions options;
  options.terminal = true;
  Program program({"run", file.path()}, options);
  REQUIRE(program.wait_for_error(" item"));
  program.interrupt();
  CHECK(program.wait_for_error("interrupted: finishing "));
  CHECK(program.wait_for_error("Ctrl-C again stops at once"));
  program.interrupt();
  CHECK(program.wait() == 130);
}

TEST_CASE("tenon run: a second interrupt ends the run") {
  const PipelineFile file(R"(
[pipeline]
name = "hanging"

[sources.numbers]
task = "tenon.numbers"
args = { count = 3 }

[stages.drop]
task = "tenon.discard"
inputs = ["numbers"]

[sinks.hang]
task = "tenon.fail"
inputs = ["drop"]
params = { mode = "hang" }
)");
  Program program({"run", file.path()});
  program.wait_until_ready();
  program.interrupt();
  program.interrupt();
  CHECK(program.wait() == 130);
}

TEST_CASE("tenon check: right files, several at once") {
  const PipelineFile one(kSum);
  const PipelineFile two(kSum);
  const Ended ended = tenon::test::tenon({"check", one.path(), two.path()});
  CHECK(ended.exit == 0);
  CHECK(has(ended.output, one.path() + ": ok"));
  CHECK(has(ended.output, two.path() + ": ok"));
}

TEST_CASE("tenon check: every file is judged, the worst gives the exit code") {
  const PipelineFile good(kSum);
  const PipelineFile bad("[sources.numbers]\ntask = 3\n");
  const std::string missing = tenon::test::missing_path("x.toml").string();
  const Ended all = tenon::test::tenon({"check", missing, bad.path(), good.path()});
  CHECK(all.exit == 78);
  CHECK(has(all.error, missing));
  CHECK(has(all.error, bad.path()));
  CHECK(has(all.output, good.path() + ": ok"));
  const Ended some = tenon::test::tenon({"check", missing, good.path(), "--json"});
  CHECK(some.exit == 2);
  REQUIRE(json::accept(some.output));
  const json files = json::parse(some.output)["files"];
  REQUIRE(files.size() == 2);
  CHECK_FALSE(files[0]["ok"].get<bool>());
  CHECK(has(files[0]["error"]["message"].get<std::string>(), missing));
  CHECK(files[1]["ok"].get<bool>());
}

TEST_CASE("tenon check: a pipeline from a fifo") {
  const tenon::test::TemporaryDirectory directory;
  const std::string fifo = (directory / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::thread writer([&fifo] { std::ofstream(fifo) << kSum; });
  const Ended ended = tenon::test::tenon({"check", fifo});
  if (ended.exit != 0) {
    const std::ifstream release(fifo);  // Opening it lets the writer finish.
  }
  writer.join();
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
}

TEST_CASE("tenon check: files that are no pipeline") {
  check_wrong("");
  check_wrong(
      std::string("\0\x01\xFF\xFE binary \x7F"
                  "ELF",
                  17));
  check_wrong("[pipeline\nname = ");
}

TEST_CASE("tenon check: a TOML of 10 MB") {
  std::string text = kSum;
  text += "\n# ";
  text.append(10'000'000, 'x');
  const PipelineFile comment(text);
  const int exit = tenon::test::tenon({"check", comment.path()}).exit;
  CHECK((exit == 0 || exit == 78));
  std::string stages = "[pipeline]\nname = \"large\"\n";
  for (int i = 0; stages.size() < 10'000'000; ++i) {
    stages += "[stages.s" + std::to_string(i) + "]\ntask = \"no.task\"\ninputs = [\"nothing\"]\n";
  }
  const PipelineFile large(stages);
  CHECK(tenon::test::tenon({"check", large.path()}).exit == 78);
}

TEST_CASE("tenon check: a cycle, a duplicate, an unknown key, an unconnected input") {
  check_wrong(
      "[pipeline]\nname = \"x\"\n[stages.a]\ntask = \"tenon.echo\"\ninputs = [\"b\"]\n"
      "[stages.b]\ntask = \"tenon.echo\"\ninputs = [\"a\"]\n");
  check_wrong(std::string(kSum) + "[sinks.total]\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n");
  CHECK(has(check_wrong(std::string(kSum) + "input = [\"numbers\"]\n").error, "did you mean"));
  CHECK(has(check_wrong(std::string(kSum) + "[sinks.more]\ntask = \"tenon.sum\"\ninputs = [\"nubmers\"]\n").error,
            "numbers"));
}

TEST_CASE("tenon check: a missing plugin, environment value, and wrong types on an edge") {
  check_wrong("[pipeline]\nname = \"x\"\n[sources.a]\ntask = \"nosuchplugin.task\"\n");
  check_wrong(
      "[pipeline]\nname = \"x\"\n[sources.a]\ntask = \"tenon.numbers\"\nargs = { count = { env = \"NO_SUCH_VALUE\" } "
      "}\n"
      "[sinks.b]\ntask = \"tenon.sum\"\ninputs = [\"a\"]\n");
  check_wrong(
      "[pipeline]\nname = \"x\"\n[sources.a]\ntask = \"tenon.numbers\"\n"
      "[stages.b]\ntask = \"tenon.echo\"\ninputs = [\"a\"]\n[sinks.c]\ntask = \"tenon.discard\"\ninputs = [\"b\"]\n");
}

TEST_CASE("tenon graph: every format") {
  const PipelineFile file(kSum);
  const Ended dot = tenon::test::tenon({"graph", file.path(), "--format", "dot"});
  CAPTURE(dot.error);
  CHECK(dot.exit == 0);
  CHECK(has(dot.output, "digraph"));
  const Ended mermaid = tenon::test::tenon({"graph", file.path(), "--format=mermaid"});
  CHECK(mermaid.exit == 0);
  CHECK(has(mermaid.output, "total"));
  const Ended machine = tenon::test::tenon({"graph", file.path(), "--format", "json"});
  CHECK(machine.exit == 0);
  CHECK(json::accept(machine.output));
}

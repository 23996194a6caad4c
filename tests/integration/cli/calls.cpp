#include <sys/stat.h>

#include <algorithm>
#include <csignal>
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
using tenon::test::OutputKind;
using tenon::test::Program;
using tenon::test::ProgramOptions;

namespace {

ProgramOptions input(std::string text) {
  ProgramOptions options;
  options.input = std::move(text);
  return options;
}

}  // namespace

TEST_CASE("tenon call: JSON on the command line, in a file, on standard input") {
  const std::string argument = R"({"data": "aGVsbG8="})";
  const tenon::test::TemporaryDirectory directory;
  std::ofstream(directory / "argument.json") << argument;
  for (const Ended& ended : {tenon::test::tenon({"call", "tenon.echo", argument}),
                             tenon::test::tenon({"call", "tenon.echo", "@" + (directory / "argument.json").string()}),
                             tenon::test::tenon({"call", "tenon.echo", "-"}, input(argument))}) {
    CAPTURE(ended.error);
    CHECK(ended.exit == 0);
    REQUIRE(json::accept(ended.output));
    CHECK(json::parse(ended.output)["data"] == "aGVsbG8=");
  }
}

TEST_CASE("tenon call: --out writes the bytes alone") {
  const tenon::test::TemporaryDirectory directory;
  const std::string out = (directory / "out.bin").string();
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"data": "aGVsbG8="})", "--out", out, "--json"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  std::ifstream file(out, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "hello");
  CHECK(json::parse(ended.output)["size_bytes"] == 5);
}

TEST_CASE("tenon call: --out leaves a fifo a fifo, for a source too") {
  const tenon::test::TemporaryDirectory directory;
  const std::string fifo = (directory / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const bool source : {false, true}) {
    std::string seen;
    std::thread reader([&] {
      std::ifstream file(fifo, std::ios::binary);
      seen.assign(std::istreambuf_iterator<char>(file), {});
    });
    const Ended ended = tenon::test::tenon(
        source ? std::vector<std::string>{"call", "tenon.numbers", R"({"count": 3})", "--out", fifo}
               : std::vector<std::string>{"call", "tenon.echo", R"({"data": "aGVsbG8="})", "--out", fifo});
    if (ended.exit != 0) {
      const std::ofstream release(fifo);  // Opening it lets the reader finish.
    }
    reader.join();
    CAPTURE(ended.error);
    CHECK(ended.exit == 0);
    CHECK(ended.output.empty());
    CHECK(std::filesystem::is_fifo(fifo));
    CHECK((source ? std::count(seen.begin(), seen.end(), '\n') == 3 : seen == "hello"));
  }
}

TEST_CASE("tenon call: --out through a link writes its target, for a source too") {
  const tenon::test::TemporaryDirectory directory;
  const std::string link = (directory / "link").string();
  std::ofstream(directory / "target") << "old";
  std::filesystem::create_symlink("target", link);
  for (const std::vector<std::string>& call :
       std::vector<std::vector<std::string>>{{"call", "tenon.echo", R"({"data": "aGVsbG8="})", "--out", link},
                                             {"call", "tenon.numbers", R"({"count": 3})", "--out", link}}) {
    CHECK(tenon::test::tenon(call).exit == 0);
    CHECK(std::filesystem::is_symlink(link));
    std::ifstream file(directory / "target", std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    CHECK((call[1] == "tenon.echo" ? content == "hello" : std::count(content.begin(), content.end(), '\n') == 3));
  }
}

TEST_CASE("tenon call: --out - writes raw bytes to standard output") {
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"data": "aGVsbG8="})", "--out", "-"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  CHECK(ended.output == "hello");
  CHECK_FALSE(std::filesystem::exists("-"));
}

TEST_CASE("tenon call: --out to a directory is an error") {
  const tenon::test::TemporaryDirectory directory;
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"data": ""})", "--out", directory.path().string()});
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "it is a directory"));
}

TEST_CASE("tenon call: an argument from a fifo, as <(command) makes one") {
  const tenon::test::TemporaryDirectory directory;
  const std::string fifo = (directory / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::thread writer([&fifo] { std::ofstream(fifo) << R"({"data": "aGVsbG8="})"; });
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", "@" + fifo});
  if (ended.exit != 0) {
    const std::ifstream release(fifo);  // Opening it lets the writer finish.
  }
  writer.join();
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  CHECK(has(ended.output, "aGVsbG8="));
}

TEST_CASE("tenon call: --out to a place that cannot be written") {
  const std::string out = tenon::test::missing_path("directory/out.bin").string();
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"data": ""})", "--out", out});
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, out));
}

TEST_CASE("tenon call: a misspelt task gets the nearest one") {
  const Ended ended = tenon::test::tenon({"call", "tenon.ecko", "{}"});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "did you mean"));
  CHECK(has(ended.error, "tenon.echo"));
}

TEST_CASE("tenon call: a plugin that is not there names the places that are searched") {
  const Ended ended = tenon::test::tenon({"call", "nosuch.task", "{}"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "nosuch"));
  CHECK(has(ended.error, "plugins are searched for in --plugin-dir, in TENON_PLUGIN_PATH, and beside tenon"));
  const Ended task = tenon::test::tenon({"call", "tenon.nosuch", "{}"});
  CHECK(task.exit == 2);
  CHECK_FALSE(has(task.error, "--plugin-dir"));
}

TEST_CASE("tenon call: --timeout cancels a plain task, a source and one that does not listen") {
  for (const std::vector<std::string>& call :
       std::vector<std::vector<std::string>>{{"tenon.sleep", R"({"duration_ms": 600000})"},
                                             {"tenon.numbers", R"({"count": 1000000, "interval_ms": 60000})"},
                                             {"tenon.fail", "{}", "--params", R"({"mode": "hang"})"}}) {
    std::vector<std::string> words = {"call", "--timeout", "100ms", "--json"};
    words.insert(words.end(), call.begin(), call.end());
    const Ended ended = tenon::test::tenon(words);
    CAPTURE(call.front(), ended.output, ended.error);
    CHECK(ended.exit == 1);
    CHECK(has(ended.output, "100ms"));
  }
  for (const char* const wrong : {"0s", "soon"}) {
    const Ended ended = tenon::test::tenon({"call", "tenon.echo", "{}", "--timeout", wrong});
    CHECK(ended.exit == 2);
    CHECK(has(ended.error, "--timeout: "));
  }
}

TEST_CASE("tenon call: a misspelt field gets place, caret and the nearest one") {
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"dta": "aGVsbG8="})"});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "argument:1:2: "));
  CHECK(has(ended.error, "did you mean 'data'?"));
  CHECK(has(ended.error, "  {\"dta\""));
  CHECK(has(ended.error, "^"));
}

TEST_CASE("tenon call: wrong JSON gets line and column of its origin") {
  const tenon::test::TemporaryDirectory directory;
  const std::string file = (directory / "argument.json").string();
  std::ofstream(file) << "{\n  \"data\": ,\n}\n";
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", "@" + file});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, file + ":2:11: "));
  CHECK(has(ended.error, "    \"data\": ,"));
  for (const char* wrong : {"", "{", "[]", "null", "{\"data\": 1.5}", "{} {}", "\"text\""}) {
    CAPTURE(wrong);
    CHECK(tenon::test::tenon({"call", "tenon.echo", wrong}).exit == 2);
  }
}

TEST_CASE("tenon call: a value that does not fit its field") {
  const Ended ended = tenon::test::tenon({"call", "tenon.sleep", R"({"duration_ms": -1})"});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "duration_ms"));
}

TEST_CASE("tenon call: a missing required field") {
  const Ended ended = tenon::test::tenon({"call", "tenon.invoke", "{}"});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "task"));
}

TEST_CASE("tenon call: params are read and checked") {
  const Ended failed =
      tenon::test::tenon({"call", "tenon.fail", "{}", "--params", R"({"message": "as asked"})", "--json"});
  CHECK(failed.exit == 1);
  REQUIRE(json::accept(failed.output));
  CHECK(has(json::parse(failed.output)["error"]["message"].get<std::string>(), "as asked"));
  const Ended misspelt = tenon::test::tenon({"call", "tenon.fail", "{}", "--params", R"({"mesage": "x"})"});
  CHECK(misspelt.exit == 2);
  CHECK(has(misspelt.error, "params:1:2: "));
  CHECK(has(misspelt.error, "did you mean 'message'?"));
  CHECK(tenon::test::tenon({"call", "tenon.echo", "{}", "--params", "{}"}).exit == 2);
}

TEST_CASE("tenon call: a worker that crashes is a failure with its signal") {
  const Ended ended = tenon::test::tenon({"call", "tenon.fail", "{}", "--params", R"({"mode": "abort"})", "--json"});
  CHECK(ended.exit == 1);
  REQUIRE(json::accept(ended.output));
  const json error = json::parse(ended.output)["error"];
  CHECK(error["code"] == "crashed");
  CHECK(error["signal"] == 6);
}

TEST_CASE("tenon call: a source prints a line for each result") {
  const Ended ended = tenon::test::tenon({"call", "tenon.numbers", R"({"count": 300, "first": 5})"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  std::istringstream lines(ended.output);
  std::string line;
  std::int64_t expected = 5;
  while (std::getline(lines, line)) {
    REQUIRE(json::accept(line));
    CHECK(json::parse(line).value("value", 0) == expected++);
  }
  CHECK(expected == 305);
}

TEST_CASE("tenon call: a reduce takes lines and several arguments") {
  const Ended lines = tenon::test::tenon({"call", "tenon.sum", "-"}, input("{\"value\": 1}\n\n{\"value\": 41}"));
  CAPTURE(lines.error);
  CHECK(lines.exit == 0);
  CHECK(json::parse(lines.output)["value"] == 42);
  const Ended words = tenon::test::tenon({"call", "tenon.sum", R"({"value": 1})", R"({"value": 2})"});
  CAPTURE(words.error);
  CHECK(words.exit == 0);
  CHECK(json::parse(words.output)["value"] == 3);
}

TEST_CASE("tenon call: a wrong line of a reduce is named") {
  const Ended ended = tenon::test::tenon({"call", "tenon.sum", "-"}, input("{\"value\": 1}\n{\"valu\": 2}\n"));
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "standard input:2:2: "));
}

TEST_CASE("tenon call: several arguments for a plain task are wrong usage") {
  CHECK(tenon::test::tenon({"call", "tenon.echo", "{}", "{}"}).exit == 2);
}

TEST_CASE("tenon call: one interrupt cancels") {
  Program program({"call", "tenon.sleep", R"({"duration_ms": 600000})"});
  program.wait_until_ready();
  program.interrupt();
  CHECK(program.wait() == 130);
}

TEST_CASE("tenon call: two interrupts end a task that does not listen") {
  Program program({"call", "tenon.fail", "{}", "--params", R"({"mode": "hang"})"});
  program.wait_until_ready();
  program.interrupt();
  program.interrupt();
  const int exit = program.wait();
  CHECK(exit == 130);
}

TEST_CASE("tenon call: too little address space is an error that names the limit, and what to do") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("skipped: a sanitizer reserves more address space than the limit");
#else
  ProgramOptions options;
  options.limit = "-v 400000";
  const Ended ended = tenon::test::tenon({"call", "tenon.echo", R"({"data": "AAAA"})"}, options);
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "shared memory"));
  CHECK(has(ended.error, "RLIMIT_AS"));
  CHECK(has(ended.error, "390.6 MiB"));
  CHECK(has(ended.error, "use smaller arenas"));
#endif
}

TEST_CASE("tenon run: more workers than descriptors allow is an error that names both, and what to do") {
  ProgramOptions options;
  options.limit = "-n 64";
  const std::string file = tenon::test::source_dir().string() + "/plugins/files/inventory.toml";
  const Ended ended = tenon::test::tenon({"run", file, "--workers", "256"}, options);
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "256 workers need"));
  CHECK(has(ended.error, "it may open 64"));
  CHECK(has(ended.error, "RLIMIT_NOFILE"));
  CHECK(has(ended.error, "use fewer workers"));
}

TEST_CASE("tenon: standard output that is closed, full or not read") {
  ProgramOptions options;
  options.output = OutputKind::kClosed;
  const Ended closed = tenon::test::tenon({"list"}, options);
  CHECK(closed.exit == 1);
  CHECK(has(closed.error, "standard output"));
  options.output = OutputKind::kFullDevice;
  const Ended full = tenon::test::tenon({"list"}, options);
  CHECK(full.exit == 1);
  CHECK(has(full.error, "standard output"));
  options.output = OutputKind::kBrokenPipe;
  const Ended gone = tenon::test::tenon({"call", "tenon.numbers", R"({"count": 1000000000})"}, options);
  CHECK(gone.exit == 0);
  CHECK(gone.error.empty());
}

TEST_CASE("tenon: colors on a terminal, none with NO_COLOR") {
  ProgramOptions options;
  options.terminal = true;
  CHECK(has(tenon::test::tenon({"rnu"}, options).error, "\x1b["));
  options.environment = {{"NO_COLOR", "1"}};
  CHECK_FALSE(has(tenon::test::tenon({"rnu"}, options).error, "\x1b["));
  CHECK_FALSE(has(tenon::test::tenon({"rnu"}).error, "\x1b["));
  CHECK(has(tenon::test::tenon({"rnu", "--color", "always"}).error, "\x1b["));
}

TEST_CASE("tenon: misspelt verbs and flags") {
  const Ended verb = tenon::test::tenon({"cal"});
  CHECK(verb.exit == 2);
  CHECK(has(verb.error, "did you mean 'call'?"));
  const Ended flag = tenon::test::tenon({"call", "tenon.echo", "{}", "--pramas", "{}"});
  CHECK(flag.exit == 2);
  CHECK(has(flag.error, "did you mean '--params'?"));
}

TEST_CASE("tenon check: a file is taken by the name it was given, brackets and all") {
  const Ended ended = tenon::test::tenon({"check", "[a,b].toml", "[c,d]"});
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "'[a,b].toml'"));
  CHECK(has(ended.error, "'[c,d]'"));
}

TEST_CASE("tenon list: plugins with tasks, and why a file is no plugin") {
  const tenon::test::TemporaryDirectory directory;
  std::ofstream(directory / "garbage.so") << "this is no library";
  const Ended listed = tenon::test::tenon({"list", "--json", "--plugin-dir", directory.path().string()});
  CAPTURE(listed.error);
  CHECK(listed.exit == 0);
  REQUIRE(json::accept(listed.output));
  bool garbage = false;
  bool echo = false;
  const json plugins = json::parse(listed.output)["plugins"];
  for (const json& plugin : plugins) {
    if (plugin["name"] == "garbage") {
      garbage = !plugin["usable"].get<bool>() && !plugin["problem"]["message"].get<std::string>().empty();
    }
    for (const json& task : plugin["tasks"]) {
      echo = echo || task["name"] == "tenon.echo";
    }
  }
  CHECK(garbage);
  CHECK(echo);
  const Ended text = tenon::test::tenon({"list", "--plugin-dir", directory.path().string()});
  CHECK(has(text.output, "tenon.numbers"));
  CHECK(has(text.output, "cannot be used"));
  const Ended call = tenon::test::tenon({"call", "garbage.task", "--plugin-dir", directory.path().string()});
  CHECK(call.exit == 78);
  CHECK(tenon::test::tenon({"inspect", "garbage", "--plugin-dir", directory.path().string()}).exit == 78);
  CHECK(tenon::test::tenon({"list", "--plugin-dir", tenon::test::missing_path().string()}).exit == 2);
}

TEST_CASE("tenon inspect: documentation, types, fields and defaults") {
  const Ended text = tenon::test::tenon({"inspect", "tenon.numbers"});
  CAPTURE(text.error);
  CHECK(text.exit == 0);
  CHECK(has(text.output, "source"));
  CHECK(has(text.output, "count"));
  CHECK(has(text.output, "= 10"));
  CHECK_FALSE(has(text.output, "tenon.echo"));
  const Ended task = tenon::test::tenon({"inspect", "tenon.numbers", "--json"});
  REQUIRE(json::accept(task.output));
  CHECK(json::parse(task.output)["tasks"].size() == 1);
  const Ended plugin = tenon::test::tenon({"inspect", "tenon", "--json"});
  REQUIRE(json::accept(plugin.output));
  CHECK(json::parse(plugin.output)["tasks"].size() > 5);
  const Ended misspelt = tenon::test::tenon({"inspect", "tenno"});
  CHECK(misspelt.exit == 2);
  CHECK(has(misspelt.error, "did you mean 'tenon'?"));
}

TEST_CASE("tenon call --debug: the debugger attaches first, and the call waits for it, deadlines and all") {
  const tenon::test::TemporaryDirectory directory;
  const std::string seen = (directory / "seen").string();
  // Not a real debugger, which not every machine has: the test checks the order and the process
  // number.
  const Ended ended = tenon::test::tenon(
      {"call", "tenon.whoami", "--debug", "sh -c 'test -d /proc/{pid} && echo {pid} > " + seen + "'"});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  std::ifstream file(seen);
  std::int64_t pid = 0;
  file >> pid;
  REQUIRE(json::accept(ended.output));
  CHECK(json::parse(ended.output)["pid"] == pid);
}

TEST_CASE("tenon call --debug: a debugger that is missing is an error with what to do") {
  const Ended ended = tenon::test::tenon({"call", "tenon.whoami", "--debug", "no-such-debugger"});
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "the debugger 'no-such-debugger' failed before it attached"));
  CHECK(has(ended.error, "is it installed?"));
}

TEST_CASE("tenon call --in-process: a plain task, a source and a reduce run in the process of tenon") {
  const Ended echo = tenon::test::tenon({"call", "--in-process", "tenon.echo", R"({"data": "aGVsbG8="})"});
  CAPTURE(echo.error);
  CHECK(echo.exit == 0);
  CHECK(json::parse(echo.output)["data"] == "aGVsbG8=");
  const Ended numbers = tenon::test::tenon({"call", "--in-process", "tenon.numbers", R"({"count": 3})"});
  CHECK(numbers.exit == 0);
  CHECK(std::count(numbers.output.begin(), numbers.output.end(), '\n') == 3);
  const Ended sum = tenon::test::tenon({"call", "--in-process", "tenon.sum", R"({"value": 2})", R"({"value": 3})"});
  CHECK(sum.exit == 0);
  CHECK(json::parse(sum.output)["value"] == 5);
  // The program itself crashes, as a debugger or sanitizer needs it.
  const Ended crash =
      tenon::test::tenon({"call", "--in-process", "tenon.fail", "{}", "--params", R"({"mode": "abort"})"});
  CHECK(crash.exit == 128 + SIGABRT);
  const Ended both = tenon::test::tenon({"call", "--in-process", "--debug", "gdb", "tenon.whoami"});
  CHECK(both.exit == 2);
}

TEST_CASE("tenon: the limits of a plugin come from the command line or the pipeline, and errors name them") {
  const tenon::test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "plugins");
  std::filesystem::copy_file(tenon::test::build_dir() / "tests" / "plugin_variants" / "hang_entry.so",
                             directory / "plugins" / "hang_entry.so");
  const std::string plugins = (directory / "plugins").string();
  const std::string file = (directory / "slow.toml").string();
  std::ofstream(file) << "[pipeline]\nname = \"slow\"\n[plugins.hang_entry]\nstart_timeout = \"120ms\"\n"
                         "[sources.a]\ntask = \"hang_entry.work\"\n";
  const auto check = [](const Ended& ended, const std::string& limit) {
    CAPTURE(ended.error);
    CHECK(ended.exit == 78);
    CHECK(has(ended.error, "after " + limit));
    CHECK(has(ended.error, "--start-timeout, [plugins.hang_entry] start_timeout"));
  };
  check(tenon::test::tenon({"call", "hang_entry.work", "--plugin-dir", plugins, "--start-timeout", "110ms"}), "110 ms");
  check(tenon::test::tenon({"check", file, "--plugin-dir", plugins}), "120 ms");
  // The limit that a file sets for one plugin overrides the limit of the command line for all
  // plugins.
  check(tenon::test::tenon({"run", file, "--plugin-dir", plugins, "--start-timeout", "130ms"}), "120 ms");
  check(tenon::test::tenon({"run", file, "--plugin-dir", plugins, "--set", "plugins.hang_entry.start_timeout=140ms"}),
        "140 ms");
  for (const auto& [option, value] :
       {std::pair("--start-timeout", "0s"), std::pair("--start-timeout", "soon"), std::pair("--memory", "much")}) {
    const Ended wrong = tenon::test::tenon({"call", "tenon.echo", "{}", option, value});
    CAPTURE(wrong.error);
    CHECK(wrong.exit == 2);
    CHECK(has(wrong.error, option));
  }
}

TEST_CASE("tenon: a plugin that reserves more address space than --memory allows is told so, and loads with more") {
  const tenon::test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "plugins");
  std::filesystem::copy_file(tenon::test::build_dir() / "tests" / "plugin_variants" / "reserves.so",
                             directory / "plugins" / "reserves.so");
  const std::string plugins = (directory / "plugins").string();
  const std::string file = (directory / "large.toml").string();
  std::ofstream(file) << "[pipeline]\nname = \"large\"\n[plugins.reserves]\nmemory = \"1GiB\"\n"
                         "[sources.a]\ntask = \"reserves.work\"\n";
  for (const Ended& ended : {tenon::test::tenon({"list", "--plugin-dir", plugins, "--memory", "1GiB"}),
                             tenon::test::tenon({"check", file, "--plugin-dir", plugins})}) {
    CAPTURE(ended.output, ended.error);
    const std::string said = ended.output + ended.error;
    CHECK(has(said, "1 GiB of address space"));
    CHECK(has(said, "--memory, [plugins.reserves] memory"));
  }
  // The result depends on the environment, so it is inspected again: with more memory the plugin is
  // valid.
  const Ended enough =
      tenon::test::tenon({"check", file, "--plugin-dir", plugins, "--set", "plugins.reserves.memory=8GiB"});
  CAPTURE(enough.error);
  CHECK_FALSE(has(enough.error, "address space"));
}

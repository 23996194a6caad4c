// tenon test: pipelines that test themselves.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Ended;
using tenon::test::has;

namespace {

constexpr const char* kNumbers = R"(
[pipeline]
name = "numbers"

[sources.numbers]
task = "tenon.numbers"
args = { count = 3 }

[stages.large]
kind = "filter"
inputs = ["numbers"]
where = { value = ">= 10" }

[stages.record]
kind = "project"
inputs = ["large"]
fields = { number = "value", at = "@index" }

[sinks.done]
task = "tenon.discard"
inputs = ["record"]

[sinks.small]
task = "tenon.sum"
inputs = ["large.else"]
)";

/// Also passes records on.
const std::string kRecords = std::string(kNumbers) +
                             "[stages.pass]\nkind = \"limit\"\nitems = 10\ninputs = [\"record\"]\n"
                             "[sinks.passed]\ntask = \"tenon.discard\"\ninputs = [\"pass\"]\n";

/// A sink that fails as a whole.
constexpr const char* kRows = R"(
[pipeline]
name = "rows"

[sources.people]
task = "csv.read"
args = { path = "none" }

[stages.all]
kind = "limit"
items = 10
inputs = ["people"]

[sinks.rows]
task = "csv.write"
params = { path = "/proc/no/rows.csv" }
inputs = ["all"]
)";

/// Every item fails in `mode`.
std::string failing(const std::string& mode) {
  return "[pipeline]\nname = \"failing\"\n[sources.numbers]\ntask = \"tenon.numbers\"\n[stages.empty]\ntask = "
         "\"tenon.discard\"\ninputs = [\"numbers\"]\n[stages.fail]\ntask = \"tenon.fail\"\nparams = { mode = \"" +
         mode +
         "\", code = 7, message = \"as asked\" }\ninputs = [\"empty\"]\n[sinks.done]\ntask = \"tenon.discard\"\n" +
         "inputs = [\"fail\"]\n";
}

/// A pipeline with tests, and the directory that has its files.
class TestedText {
 public:
  explicit TestedText(const std::string& pipeline, const std::string& tests = {}) {
    std::ofstream(file(), std::ios::binary) << pipeline << tests;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string file(const std::string& name = "p.toml") const { return (directory_ / name).string(); }
  [[nodiscard]] Ended run(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"test", file()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return tenon::test::tenon(arguments);
  }

 private:
  tenon::test::TemporaryDirectory directory_;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs tests that pass.
void check_good(const std::string& pipeline, const std::string& tests) {
  const Ended ended = TestedText(pipeline, tests).run();
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 0);
  CHECK(has(ended.output, "passed"));
}

/// Runs one test that fails, and returns its output.
std::string check_failing(const std::string& pipeline, const std::string& test) {
  const Ended ended = TestedText(pipeline, "[[tests]]\nname = \"wrong\"\n" + test).run();
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.output, "  FAIL  wrong ("));
  CHECK(has(ended.output, "1 of 1 test failed\n"));
  return ended.output;
}

/// Tests with errors: returns the messages, which `check`, `run` and `test` all give.
std::string check_refused(const std::string& pipeline, const std::string& tests) {
  const TestedText tested(pipeline, tests);
  const Ended ended = tested.run();
  CHECK(ended.exit == 78);
  CHECK(ended.output.empty());
  const Ended checked = tenon::test::tenon({"check", tested.file()});
  CHECK(checked.exit == 78);
  CHECK(checked.error == ended.error);
  CHECK(tenon::test::tenon({"run", tested.file()}).exit == 78);
  return ended.error;
}

}  // namespace

TEST_CASE("tenon test: items of stages without a task, of an expand's siblings and of sinks") {
  check_good(kNumbers, R"(
[[tests]]
name = "all outputs"
give.numbers = [{ value = 3 }, { value = 12 }, { value = 20 }]
expect.large = [{ value = 20 }, { value = 12 }]
expect."large.else" = { values = [{ value = 3 }], exact = true, count = 1 }
expect.record = { values = [{ number = 12, at = 2 }, { number = 20 }], ordered = true }
expect.small = [{ value = 3 }]
expect.done = { count = ">= 1, < 3" }

[[tests]]
name = "nothing in, nothing out, but a reduce has a result"
give.numbers = []
expect.large = { none = true }
expect.record = []
expect.small = { values = [{}], count = 1 }

[[tests]]
name = "given to a stage, all of it"
give.record = [{ value = 1 }, { value = 2 }]
expect.record = [{ number = 2, at = 2 }, { number = 1, at = 1 }]

[[tests]]
name = "conditions, and items that fit several values"
give.numbers = [{ value = 12 }, { value = 20 }, { value = 30 }]
expect.large = { values = [{}, {}, { value = 12 }], where = { value = ">= 12, != 15" }, count = 3 }
)");
}

TEST_CASE("tenon test: a value that differs is shown beside what came") {
  const std::string output = check_failing(kNumbers,
                                           "give.numbers = [{ value = 12 }, { value = 20 }]\n"
                                           "expect.large = [{ value = 12 }, { value = 21 }]\n");
  CHECK(has(output, "p.toml:26, "));
  CHECK(has(output, "large: 2 items expected, 2 came, of which 1 differs\n"));
  CHECK(has(output, "expected: { value = 21 }\n"));
  CHECK(has(output, "came:     { value = 20 }\n"));
  CHECK(has(output, "value: expected 21, came 20\n"));
  CHECK_FALSE(has(output, "{ value = 12 }"));
}

TEST_CASE("tenon test: a wrong number, order, condition or field") {
  std::string output = check_failing(kNumbers,
                                     "give.numbers = [{ value = 12 }, { value = 20 }]\n"
                                     "expect.large = { count = 3 }\nexpect.small = { none = true }\n");
  CHECK(has(output, "large: 3 expected, 2 items came\n"));
  CHECK(has(output, "came: { value = 12 }\n"));
  CHECK(has(output, "small: 0 expected, 1 item came\n"));
  output = check_failing(kNumbers,
                         "give.numbers = [{ value = 12 }, { value = 20 }]\n"
                         "expect.large = { values = [{ value = 20 }, { value = 12 }], ordered = true }\n");
  CHECK(has(output, "2 items expected in this order, 2 came, of which 2 differ\n"));
  CHECK(has(output, "value: expected 20, came 12\n"));
  output = check_failing(kNumbers,
                         "give.numbers = [{ value = 12 }, { value = 20 }]\n"
                         "expect.large.where = { value = \"< 20\" }\n");
  CHECK(has(output, "large: 1 item does not meet 'where' ("));
  CHECK(has(output, "came: { value = 20 }\n"));
  // A record has the fields that are given and no others.
  const std::string record = "give.numbers = [{ value = 12 }]\nexpect.record = ";
  output = check_failing(kNumbers, record + "[{ number = 12, at = \"1\", more = true }]\n");
  CHECK(has(output, "at: expected \"1\", came 1\n"));
  CHECK(has(output, "more: expected true, came nothing\n"));
  output = check_failing(kNumbers, record + "{ values = [{ number = 12 }], exact = true }\n");
  CHECK(has(output, "at: expected nothing, came 1\n"));
  output = check_failing(kNumbers, record + "[{ number = 12.0, comment = \"\" }]\n");
  CHECK(has(output, "number: expected 12.0, came 12\n"));
  CHECK(has(output, "comment: expected \"\", came nothing\n"));
  output = check_failing(kRecords,
                         "give.pass = [{ a = 503.0, b = \"\", c = {} }]\n"
                         "expect.pass = { values = [{ a = 503 }], exact = true }\n");
  CHECK(has(output, "a: expected 503, came 503.0\n"));
  CHECK(has(output, "b: expected nothing, came \"\"\n"));
  CHECK(has(output, "c: expected nothing, came {}\n"));
  check_good(kRecords,
             "[[tests]]\nname = \"same\"\ngive.pass = [{ a = 503.0, b = \"\", c = {}, d = 0 }]\n"
             "expect.pass = { values = [{ d = 0, c = {}, b = \"\", a = 503.0 }], exact = true }\n");
  // An item that is missing, and one too many.
  output = check_failing(kNumbers, "give.numbers = [{ value = 12 }]\nexpect.large = [{ value = 12 }, {}]\n");
  CHECK(has(output, "2 items expected, 1 came\n"));
  output =
      check_failing(kNumbers, "give.numbers = [{ value = 12 }, { value = 13 }]\nexpect.large = [{ value = 12 }]\n");
  CHECK(has(output, "came:     { value = 13 }\n"));
}

TEST_CASE("tenon test: items that fail, as expected and not") {
  check_good(failing("error"), R"(
[[tests]]
name = "by a part of code and text"
give.empty = [{ value = 1 }, { value = 2 }]
expect.fail = { none = true, fails = "not_found: as" }

[[tests]]
name = "by code, text and number"
give.fail = [{}, {}]
expect.fail = { fails = { code = "not_found", message = "asked", count = 2 } }

[[tests]]
name = "all of it, behind a sink"
give.numbers = [{ value = 1 }]
expect.fail.fails = true
expect.done.none = true
)");
  std::string output = check_failing(failing("error"), "give.fail = [{}]\nexpect.done = { none = true }\n");
  CHECK(has(output, "fail: 1 failure was not expected\n"));
  CHECK(has(output, "not_found: as asked\n"));
  output = check_failing(failing("error"), "give.fail = [{}]\nexpect.fail = { fails = { code = \"io\" } }\n");
  CHECK(has(output, "fail: 1 failure was not expected\n"));
  CHECK(has(output, "failures with code \"io\": >= 1 expected, 0 came\n"));
  output = check_failing(failing("error"), "give.fail = [{}]\nexpect.fail = { fails = { count = \"> 1\" } }\n");
  CHECK(has(output, "failures with any error: > 1 expected, 1 came\n"));
}

TEST_CASE("tenon test: a run that fails as a whole") {
  check_good(kRows, R"(
[[tests]]
name = "the error as its task gave it"
give.people = [{ a = 1 }]
expect.rows = { none = true, fails = "not_found: '/proc/no': the directory" }
)");
  std::string output = check_failing(kRows, "give.people = [{ a = 1 }]\nexpect.rows = { count = 1 }\n");
  CHECK(has(output, "rows: 1 failure was not expected\n"));
  CHECK_FALSE(has(output, "reduce"));
  // What the end of the run cuts off is not judged.
  output = check_failing(kRows,
                         "give.people = [{ a = 1 }]\nexpect.all = { count = \"< 9\" }\n"
                         "expect.rows = { fails = true }\n");
  CHECK(has(output, "all: cannot be judged, because the run ended when 'rows' failed, as expected"));
}

TEST_CASE("tenon test: a worker that dies fails its item, and the next test runs") {
  check_good(failing("segfault"), R"(
[[tests]]
name = "dies"
give.fail = [{}]
expect.fail = { fails = "crashed" }

[[tests]]
name = "goes on"
give.numbers = [{}]
expect.empty = { count = 1 }
)");
}

TEST_CASE("tenon test: a stage that hangs ends by the time-out") {
  const TestedText tested(failing("hang"),
                          "[[tests]]\nname = \"hangs\"\ntimeout = \"300ms\"\ngive.fail = [{}]\n"
                          "expect.fail = { count = 1 }\n"
                          "[[tests]]\nname = \"still runs\"\ngive.numbers = [{}, {}]\nexpect.empty = { count = 2 }\n");
  const Ended ended = tested.run({"--workers", "1"});
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.output, "it did not end within 300 ms (timeout)\n"));
  CHECK(has(ended.output, "'fail' still has 1 item\n"));
  CHECK(has(ended.output, "ok    still runs"));
  // A run that ends by itself, but too late.
  std::string items;
  for (int i = 0; i < 300; ++i) {
    items += "{}, ";
  }
  const std::string output = check_failing(
      failing("error"), "timeout = \"1ms\"\ngive.fail = [" + items + "]\nexpect.fail = { fails = true }\n");
  CHECK(has(output, "longer than 1 ms (timeout)\n"));
}

TEST_CASE("tenon test: the calls of a sink with an order run one after another") {
  const tenon::test::TemporaryDirectory directory;
  // Of two that run at once, one finds the directory of the other.
  check_good(std::string(kNumbers) +
                 "[sinks.alone]\ntask = \"exec.run_record\"\norder = \"input\"\ninputs = [\"record\"]\n" +
                 "params = { shell = \"mkdir here && sleep 0.02 && rmdir here\", directory = \"" +
                 directory.path().string() + "\" }\n",
             "[[tests]]\nname = \"one by one\"\n"
             "give.alone = [{ a = 1 }, { a = 2 }, { a = 3 }, { a = 4 }, { a = 5 }, { a = 6 }, { a = 7 }, { a = 8 }]\n"
             "expect.alone = { count = 8 }\n");
}

TEST_CASE("tenon test: an interrupt is heard between short tests") {
  std::string tests;
  for (int i = 0; i < 1000; ++i) {
    tests += "[[tests]]\nname = \"" + std::to_string(i) +
             "\"\ngive.numbers = [{ value = 1 }]\nexpect.large = { none = true }\n";
  }
  const TestedText tested(kNumbers, tests);
  tenon::test::Program program({"test", tested.file()});
  while (!has(program.output(), "ok    1 (") && program.running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  program.interrupt();
  CHECK(program.wait() == 130);
  CHECK_FALSE(has(program.output(), "ok    999 "));
}

TEST_CASE("tenon test: files of a test, and one that does not exist") {
  const std::string pipeline =
      "[pipeline]\nname = \"sum\"\n[sources.people]\ntask = \"csv.read\"\nargs = { path = \"none\" }\n"
      "[stages.lines]\ntask = \"text.lines\"\ninputs = [\"tree\"]\n"
      "[sources.tree]\ntask = \"files.walk\"\nargs = { root = \"/nowhere\" }\n[sinks.top]\ntask = "
      "\"text.word_count\"\ninputs = [\"lines\"]\n[sinks.rows]\ntask = \"tenon.discard\"\ninputs = [\"people\"]\n";
  check_good(pipeline, R"(
[[tests]]
name = "files"
files = { "a.txt" = "one two\ntwo\n", "below/b.txt" = "three\n", "c.txt" = false }
give.tree = [{ path = { file = "a.txt" } }, { path = { file = "below/b.txt" } }, { path = { file = "c.txt" } }]
expect.lines = { values = [{ text = "one two", number = 1 }, { text = "two", origin = { file = "a.txt" } }, { text = "three" }], fails = "not_found" }
expect.top = [{ total = 4, words = [{ word = "two", count = 2 }, {}, {}] }]
)");
  CHECK(has(check_failing(pipeline,
                          "files = { \"a.txt\" = \"one\\n\" }\ngive.tree = [{ path = { file = \"a.txt\" } }]\n"
                          "expect.top = [{ words = [{ word = \"one\", count = 2 }] }]\n"),
            "words[0].count: expected 2, came 1\n"));
}

TEST_CASE("tenon test: the files of a test are gone afterwards") {
  const tenon::test::TemporaryDirectory temporary;
  tenon::test::ProgramOptions options;
  options.environment.emplace_back("TMPDIR", temporary.path().string());
  const TestedText tested(
      "[pipeline]\nname = \"lines\"\n[sources.tree]\ntask = \"files.walk\"\nargs = { root = \"/nowhere\" }\n"
      "[stages.lines]\ntask = \"text.lines\"\ninputs = [\"tree\"]\n[sinks.done]\ntask = \"tenon.discard\"\n"
      "inputs = [\"lines\"]\n"
      "[[tests]]\nname = \"a\"\nfiles = { \"x/a.txt\" = \"one\\n\" }\n"
      "give.tree = [{ path = { file = \"x/a.txt\" } }]\nexpect.lines = [{ text = \"one\" }]\n");
  const Ended ended = tenon::test::tenon({"test", tested.file()}, options);
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 0);
  CHECK(fs::is_empty(temporary.path()));
}

TEST_CASE("tenon test: every error in tests is reported at once with its place") {
  const std::string errors = check_refused(kNumbers, R"(
[[tests]]
give.nubmers = [{ value = 1 }]
expect.large = { values = [{ valeu = 1 }], cuont = 1 }

[[tests]]
name = "b"
timeout = "soon"
give.numbers = [{ value = "x" }, 3]
expect.large = { where = { vlaue = 3 } }
expect.record = { none = true, count = 2 }
expect.numbers = { count = 1 }

[[tests]]
name = "b"
give.numbers = [{ value = 1 }]
expect."large.other" = { count = 1 }
expect.small = { fails = { code = "oops" }, ordered = true }
expect.done = {}

[[tests]]
name = "c"
give.small = [{ value = 1 }]
expect.large = { count = "many" }

[[tests]]
name = "d"
gives.numbers = []
files = { "../x" = "", "y" = 3 }
)");
  CAPTURE(errors);
  for (const char* part : {"p.toml:27:1: error: the test has no name",
                           "there is no source, stage or sink 'nubmers'",
                           "did you mean 'numbers'?",
                           "unknown key 'valeu' in an item of 'large'",
                           "did you mean 'value'?",
                           "unknown key 'cuont' in the expectation of 'large'",
                           "p.toml:33:11: error: 'soon'",
                           "'value' is \"x\"; it takes an integer",
                           "an item of 'give.numbers' is an integer; it takes a table",
                           "has no field 'vlaue'",
                           "'none' and 'count' exclude each other",
                           "'numbers' is a source, which does not run",
                           "there is already a test 'b'",
                           "'large' has no output 'other'",
                           "'oops' is not an error code",
                           "'ordered' does nothing without 'values'",
                           "the expectation of 'done' is empty",
                           "'count' is not a number",
                           "'large' depends on source 'numbers', to which test 'c' gives nothing",
                           "add give.numbers = [...]",
                           "nothing that the test expects depends on 'small'",
                           "unknown key 'gives' in a test",
                           "the test gives nothing",
                           "the test expects nothing",
                           "'../x' is not the name of a file",
                           "file 'y' is an integer"}) {
    CHECK(has(errors, part));
  }
}

TEST_CASE("tenon test: errors of the pipeline and of its tests together") {
  const std::string errors = check_refused(
      "[sources.numbers]\ntask = \"tenon.nubmers\"\n[sinks.sum]\ntask = \"tenon.sum\"\ninputs = "
      "[\"numbers\"]\n",
      "[[tests]]\nname = \"a\"\ngive.numbers = [{ value = 1 }]\nexpect.smu = { count = 1 }\n");
  CHECK(has(errors, "did you mean 'tenon.numbers'?"));
  CHECK(has(errors, "did you mean 'sum'?"));
  // What only follows from the errors of the pipeline is not reported.
  CHECK_FALSE(has(errors, "several types"));
  CHECK(has(check_refused(kNumbers, "[tests]\nname = \"a\"\n"), "write [[tests]]"));
}

TEST_CASE("tenon test: an expectation of what a mixture gives") {
  const std::string pipeline = std::string(kNumbers) +
                               "[sources.more]\ntask = \"text.lines\"\nargs = { path = \"x\" }\n"
                               "[stages.both]\nkind = \"limit\"\nitems = 3\ninputs = [\"numbers\", \"more\"]\n"
                               "[sinks.mixed]\ntask = \"tenon.discard\"\ninputs = [\"both\"]\n";
  const std::string give = "[[tests]]\nname = \"a\"\ngive.numbers = [{ value = 1 }]\ngive.more = [{ text = \"x\" }]\n";
  CHECK(has(check_refused(pipeline, give + "expect.both = [{ value = 1 }]\n"), "has items of several types"));
  CHECK(has(check_refused(pipeline, "[[tests]]\nname = \"a\"\ngive.both = [{}]\nexpect.both = { count = 1 }\n"),
            "has items of several types"));
  check_good(pipeline, give + "expect.both = { count = 2 }\n");
}

TEST_CASE("tenon test: the results as JSON and in the format of JUnit") {
  const TestedText tested(kNumbers, R"(
[[tests]]
name = "good"
give.numbers = [{ value = 1 }]
expect.large = []

[[tests]]
name = "<bad> & \"odd\""
give.numbers = [{ value = 11 }]
expect.large = []
)");
  const std::string junit = tested.file("results.xml");
  const Ended ended = tested.run({"--json", "--junit", junit});
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 1);
  REQUIRE(json::accept(ended.output));
  const json report = json::parse(ended.output);
  CHECK(report["passed"] == 1);
  CHECK(report["failed"] == 1);
  const json& tests = report["files"][0]["tests"];
  CHECK(tests[0]["ok"] == true);
  CHECK(tests[1]["line"] == 32);
  CHECK(tests[1]["problems"][0]["place"] == "large");
  CHECK(tests[1]["problems"][0]["details"][0] == "came:     { value = 11 }");
  const std::string xml = content(junit);
  CHECK(has(xml, "<testsuites tests=\"2\" failures=\"1\" errors=\"0\""));
  CHECK(has(xml, "<testcase classname=\"numbers\" name=\"good\""));
  CHECK(has(xml, "name=\"&lt;bad&gt; &amp; &quot;odd&quot;\""));
  CHECK(has(xml, "<failure message=\"large: 0 items expected, 1 came\">"));
  // A file with errors is in the report too.
  tested.write("wrong.toml", "[pipeline]\nnane = 3\n");
  CHECK(tenon::test::tenon({"test", tested.file("wrong.toml"), tested.file(), "--junit", junit}).exit == 78);
  CHECK(has(content(junit), "errors=\"1\""));
  CHECK(has(content(junit), "unknown key 'nane'"));
  CHECK(has(content(junit), "name=\"good\""));
  const Ended nowhere = tested.run({"--junit", tested.file("none/results.xml")});
  CHECK(nowhere.exit == 1);
  CHECK(has(nowhere.error, "results.xml"));
  // A run without results leaves none of an earlier one, also where a link leads.
  fs::create_symlink("results.xml", tested.file("link.xml"));
  CHECK(tested.run({"--junit", tested.file("link.xml"), "--only", "nobody"}).exit == 2);
  CHECK_FALSE(fs::exists(junit));
  CHECK(fs::is_symlink(tested.file("link.xml")));
}

TEST_CASE("tenon test: tests beside the pipeline") {
  const TestedText tested(kNumbers);
  tested.write("p.test.toml",
               "[[tests]]\nname = \"beside\"\ngive.numbers = [{ value = 1 }]\nexpect.large = { none = true }\n");
  Ended ended = tested.run();
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 0);
  CHECK(has(ended.output, "ok    beside"));
  CHECK(tenon::test::tenon({"test", tested.file("p.test.toml")}).exit == 0);
  CHECK(tenon::test::tenon({"check", tested.file(), tested.file("p.test.toml")}).exit == 0);
  tested.write("q.toml", kNumbers);
  const Ended missing = tenon::test::tenon({"test", tested.file("q.test.toml")});
  CHECK(missing.exit == 2);
  CHECK(has(missing.error, "there is no file '" + tested.file("q.test.toml")));
  tested.write("p.test.toml", "[[tests]]\nname = \"beside\"\ngive.numbers = [{ value = true }]\n[sources.x]\n");
  ended = tenon::test::tenon({"check", tested.file()});
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "p.test.toml:3:27: error: 'value' is a boolean"));
  CHECK(has(ended.error, "unknown key 'sources' in a file of tests"));
  CHECK(tested.run().exit == 78);
  // A run does not read it.
  CHECK(tenon::test::tenon({"run", tested.file(), "--quiet"}).exit == 0);
}

TEST_CASE("tenon test: a run ignores the tests of its file") {
  const TestedText tested(kNumbers,
                          "[[tests]]\nname = \"a\"\ngive.numbers = [{ value = 1 }]\nexpect.large = { count = 99 }\n");
  const Ended ended = tenon::test::tenon({"run", tested.file()});
  CHECK(ended.exit == 0);
  CHECK(json::parse(ended.output)["value"] == 3);
  CHECK(tested.run().exit == 1);
}

TEST_CASE("tenon test: one test by its name, and what is no test") {
  const TestedText tested(
      kNumbers,
      "[[tests]]\nname = \"first\"\ngive.numbers = [{ value = 1 }]\nexpect.large = { count = 99 }\n"
      "[[tests]]\nname = \"second\"\ngive.numbers = [{ value = 1 }]\nexpect.large = { count = 0 }\n");
  const Ended second = tested.run({"--only", "second"});
  CHECK(second.exit == 0);
  CHECK_FALSE(has(second.output, "first"));
  const Ended misspelt = tested.run({"--only", "secnod"});
  CHECK(misspelt.exit == 2);
  CHECK(has(misspelt.error, "did you mean 'second'?"));
  const TestedText none(kNumbers);
  const Ended empty = none.run();
  CHECK(empty.exit == 2);
  CHECK(has(empty.error, "there are no tests in"));
  CHECK(tenon::test::tenon({"test", none.file("q.toml")}).exit == 2);
}

TEST_CASE("tenon test: more items than a test keeps") {
  const TestedText tested(
      "[sources.one]\ntask = \"tenon.numbers\"\n[stages.bytes]\nkind = \"limit\"\nitems = 1\ninputs = [\"one\"]\n"
      "[stages.many]\ntask = \"text.lines\"\ninputs = [\"tree\"]\n[sources.tree]\ntask = \"files.walk\"\n"
      "args = { root = \"/nowhere\" }\n[sinks.a]\ntask = \"tenon.discard\"\ninputs = [\"bytes\"]\n[sinks.b]\ntask = "
      "\"tenon.discard\"\ninputs = [\"many\"]\n",
      "[[tests]]\nname = \"wrong\"\nfiles = { \"a\" = \"" +
          [] {
            std::string lines;
            for (int i = 0; i < 100'001; ++i) {
              lines += "x\\n";
            }
            return lines;
          }() +
          "\" }\ngive.tree = [{ path = { file = \"a\" } }]\nexpect.many = { count = 100001 }\n");
  const Ended ended = tested.run();
  CAPTURE(ended.output.substr(0, 2000), ended.error.substr(0, 2000));
  CHECK(ended.exit == 1);
  CHECK(has(ended.output, "many: more than 100000 items came"));
}

TEST_CASE("tenon test: the tests of the pipelines that ship with tenon") {
  std::vector<std::string> arguments{"test"};
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(tenon::test::source_dir() / "plugins")) {
    if (entry.path().extension() == ".toml" && has(content(entry.path().string()), "[[tests]]")) {
      arguments.push_back(entry.path().string());
      names.insert(entry.path().filename().string());
    }
  }
  CHECK(names.size() >= 5);
  for (const char* name : {"failures.toml", "per_minute.toml", "top_words.toml", "mail.toml", "line_words.toml"}) {
    CHECK(names.count(name) == 1);
  }
  const Ended ended = tenon::test::tenon(arguments);
  CAPTURE(ended.output, ended.error);
  CHECK(ended.exit == 0);
  CHECK(has(ended.output, "tests passed\n"));
}

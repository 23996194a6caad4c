#include "pipeline/output_names.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "load.hpp"
#include "pipeline/name_template.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

/// Returns four items, two of which ("value=0" and "value=3") have the name "g0".
std::string saved(const std::string& keys) {
  return numbers(4) + "[sinks.save]\ntask = \"other.save\"\ninputs = [\"numbers\"]\norder = \"input\"\n" + keys + "\n";
}

std::vector<std::string> names_of(const FakeTask& task) {
  std::vector<std::string> names;
  for (const std::string& argument : task.arguments) {
    const std::size_t at = argument.find("group=") + 6;
    names.push_back(argument.substr(at, argument.find(';', at) - at));
  }
  return names;
}

internal::NameTemplate parse(const std::string& text) {
  auto made = internal::NameTemplate::parse(text, [](const std::string& field) -> Result<internal::ItemReader> {
    if (field != "hex") {
      return fail(ErrorCode::kNotFound, "no field '" + field + "'");
    }
    return internal::ItemReader([](BytesView) { return Result<std::string>("abc"); });
  });
  REQUIRE(made);
  return std::move(*made);
}

std::string text_in(const Buffer& buffer) {
  return {buffer.begin(), buffer.end()};
}

}  // namespace

TEST_CASE("NameTemplate: parts of the name, the number and fields of the item") {
  CHECK(*parse("{parent}{stem}-{index}{extension}").render("a/b/photo.tar.gz", 7, {}) == "a/b/photo.tar-7.gz");
  CHECK(*parse("{stem}-{index}{extension}").render("a/.profile", 1, {}) == ".profile-1");
  CHECK(*parse("{hex}/{name}").render("a/b", 1, {}) == "abc/b");
  CHECK(*parse("{{{stem}}}").render("x.y", 1, {}) == "{x}");
  CHECK(*internal::NameTemplate().render("a/b", 1, {}) == "a/b");
}

TEST_CASE("NameTemplate: a brace without a partner and an unknown field are errors") {
  const auto no_field = [](const std::string& field) -> Result<internal::ItemReader> {
    return fail(ErrorCode::kNotFound, "no field '" + field + "'");
  };
  for (const char* text : {"{stem", "stem}", "{}", "a{", "}"}) {
    INFO(text);
    CHECK(internal::NameTemplate::parse(text, no_field).error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(internal::NameTemplate::parse("{what}", no_field).error().message == "no field 'what'");
}

TEST_CASE("OutputNames: the second item of one name fails, and the first one's file stays") {
  FakeExecutor executor;
  const Graph::Impl graph = graph_of(saved(""));
  const RunReport report = run(graph, executor);
  CHECK(names_of(executor.task("other.save")) == std::vector<std::string>{"g0", "g1", "g2"});
  REQUIRE(report.failure_count == 1);
  const Error& error = report.failures.at(0).error;
  CHECK(error.code == ErrorCode::kInvalidArgument);
  CHECK(error.message.find("g0 already belongs to item 1 of this run") != std::string::npos);
  CHECK(error.message.find("this is item 4") != std::string::npos);
  CHECK(error.message.find("on_conflict") != std::string::npos);
  check_accounts(graph, report, true);
}

TEST_CASE("OutputNames: numbers, replacing and templates") {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"on_conflict = \"number\"", {"g0", "g1", "g2", "g0-2"}},
      {"on_conflict = \"replace\"", {"g0", "g1", "g2", "g0"}},
      {"output_name = \"{stem}-{index}.txt\"", {"g0-1.txt", "g1-2.txt", "g2-3.txt", "g0-4.txt"}},
      {"output_name = \"all/{value}\"", {"all/0", "all/1", "all/2", "all/3"}},
      {"output_name = \"one.txt\"\non_conflict = \"number\"", {"one.txt", "one-2.txt", "one-3.txt", "one-4.txt"}}};
  for (const auto& [keys, names] : expected) {
    INFO(keys);
    FakeExecutor executor;
    const Graph::Impl graph = graph_of(saved(keys));
    const RunReport report = run(graph, executor);
    CHECK(report.failure_count == 0);
    CHECK(names_of(executor.task("other.save")) == names);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("OutputNames: further attempts of an item write its own file again") {
  FakeExecutor executor;
  std::map<std::string, int> attempts;
  executor.task("other.save").run = [&](const std::string& text) -> Result<std::string> {
    return ++attempts[text] < 3 ? Result<std::string>(fail(ErrorCode::kCrashed, "dies")) : Result<std::string>(text);
  };
  const Graph::Impl graph = graph_of(saved("retry = { attempts = 5 }\non_conflict = \"number\""));
  const RunReport report = run(graph, executor);
  CHECK(report.failure_count == 0);
  CHECK(attempts.size() == 4);  // Each keeps one name over three attempts.
  check_accounts(graph, report, true);
}

TEST_CASE("OutputNames: an item that failed leaves its name to the next") {
  FakeExecutor executor;
  executor.task("other.save").run = [](const std::string& text) -> Result<std::string> {
    return text.starts_with("value=0;") ? Result<std::string>(fail(ErrorCode::kFailed, "no"))
                                        : Result<std::string>(text);
  };
  const RunReport report = run(graph_of(saved("")), executor);
  CHECK(report.failure_count == 1);
  CHECK(names_of(executor.task("other.save")) == std::vector<std::string>{"g0", "g1", "g2", "g0"});
}

TEST_CASE("OutputNames: two sinks of one directory share its names, however it is written") {
  const auto text = [](const std::string& other) {
    return numbers(2) +
           "[sinks.a]\ntask = \"other.save\"\ninputs = [\"numbers\"]\nparams = { directory = \"out\" }\n"
           "[sinks.b]\ntask = \"other.save\"\ninputs = [\"numbers\"]\nparams = { directory = \"" +
           other + "\" }\n";
  };
  FakeExecutor executor;
  CHECK(run(graph_of(text("./x/../out/")), executor).failure_count == 2);
  CHECK(run(graph_of(text("out2")), executor).failure_count == 0);
}

TEST_CASE("Loader: keys about output files are checked") {
  CHECK(load(saved("on_conflict = \"numbers\"")).messages ==
        "8:15: error: 'on_conflict' is \"numbers\"; it takes error, number, replace\n  = did you mean 'number'?\n");
  CHECK(load(saved("output_name = \"{stem\"")).messages.find("8:15: error: 'output_name': a '{' has no partner") == 0);
  CHECK(load(saved("output_name = \"{size}\"")).messages.find("8:15: error: 'output_name': no field") == 0);
  CHECK(load(saved("params = { on_conflict = \"number\" }")).messages.find("write it beside 'task'") !=
        std::string::npos);
  const Loaded other =
      load(numbers(1) + "[sinks.x]\ntask = \"tenon.discard\"\ninputs = \"numbers\"\non_conflict = \"error\"\n");
  CHECK(other.messages.find("7:15: error: 'on_conflict' does not apply: 'tenon.discard'") == 0);
}

TEST_CASE("Loader: a source leaves out what the pipeline writes, with a warning, unless it is told otherwise") {
  const auto text = [](const std::string& root, const std::string& more, const std::string& directory) {
    return "[sources.tree]\ntask = \"other.scan_numbers\"\nargs = { root = \"" + root + "\"" + more + " }\n" +
           "[sinks.save]\ntask = \"other.save\"\ninputs = [\"tree\"]\nparams = { directory = \"" + directory + "\" }\n";
  };
  const std::string here = std::filesystem::weakly_canonical(std::filesystem::current_path()).string();
  const Loaded below = load(text(".", "", "small"));
  REQUIRE(below.graph);
  CHECK(text_in(below.graph->nodes[0].argument) == "{\"root\": \".\",\"left_out\": [\"" + here + "/small\"]}");
  CHECK(below.messages.find(
            "7:24: warning: 'save' writes to 'small', which is inside the directory that 'tree' reads ('.')") == 0);

  const Loaded told = load(text(".", ", left_out = []", "small"));
  REQUIRE(told.graph);
  CHECK(text_in(told.graph->nodes[0].argument) == "{\"root\": \".\",\"left_out\": []}");
  CHECK(told.messages.empty());

  const Loaded beside = load(text("in", "", "in2"));
  CHECK(beside.graph);
  CHECK(beside.messages.empty());

  const Loaded same = load(text("in/", "", "./in"));
  CHECK(same.graph);
  CHECK(same.messages.find("7:24: warning: 'save' writes to './in', the same directory that 'tree' reads") == 0);
}

}  // namespace tenon::test

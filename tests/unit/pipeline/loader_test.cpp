#include <string>
#include <utility>
#include <vector>

#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

struct Case {
  const char* name;
  const char* text;
  const char* messages;
};

/// Every class of error with its exact location, several in one file, in the order of the file.
const Case kCases[] = {
    {"nothing", "",
     "1:1: error: the file is empty\n  = a pipeline has at least one [sources.<name>] and one consumer\n"},
    {"blanks", "  \n\t\n",
     "1:1: error: the file is empty\n  = a pipeline has at least one [sources.<name>] and one consumer\n"},
    {"not UTF-8", "a = 3\nb = \"\xff\"\n", "2:6: error: the file is not UTF-8\n"},
    {"cycles and loops",
     R"toml([sources.a]
task = "tenon.numbers"
[stages.b]
task = "tenon.double"
inputs = ["a", "d"]
[stages.c]
task = "tenon.double"
inputs = ["b"]
[stages.d]
task = "tenon.double"
inputs = ["c"]
[stages.e]
task = "tenon.double"
inputs = ["e"]
[sinks.s]
task = "tenon.discard"
inputs = ["d"]
)toml",
     R"text(5:16: error: the inputs form a cycle: 'b' -> 'c' -> 'd' -> 'b'
  = a pipeline has no cycles; remove one of these inputs
14:11: error: 'e' takes its own output
)text"},
    {"names taken twice",
     R"toml([sources.a]
task = "tenon.numbers"
[stages.a]
task = "tenon.double"
inputs = ["a"]
[sinks.a]
task = "tenon.discard"
inputs = ["a"]
)toml",
     R"text(3:9: error: the name 'a' is taken by a source
  = sources, stages and sinks share their names; choose another
1:10: note: 'a' is declared here
6:8: error: the name 'a' is taken by a source
  = sources, stages and sinks share their names; choose another
1:10: note: 'a' is declared here
)text"},
    {"a name taken twice says nothing about types",
     R"toml([sources.a]
task = "files.walk"
args = { root = "/" }
[stages.a]
task = "tenon.double"
inputs = "b"
[sources.b]
task = "tenon.numbers"
[sinks.s]
task = "tenon.sum"
inputs = "a"
)toml",
     R"text(4:9: error: the name 'a' is taken by a source
  = sources, stages and sinks share their names; choose another
1:10: note: 'a' is declared here
)text"},
    {"outputs that nobody takes",
     R"toml([sources.a]
task = "tenon.numbers"
[stages.r]
kind = "route"
inputs = "a"
field = "group"
cases = { x = ["1"], y = ["2"] }
[sinks.s]
task = "tenon.discard"
inputs = ["r.x", "r", "r.z", "q"]
)toml",
     R"text(3:9: error: nothing takes the output 'r.else'
  = name it in the inputs of a stage or sink, or write else = "drop"
7:22: error: nothing takes the output 'r.y'
  = name it in the inputs of a stage or sink
10:18: error: route 'r' has several outputs
  = name one: r.x, r.y, r.else
10:23: error: route 'r' has no output 'z'
  = did you mean 'r.x'?
10:30: error: there is no source or stage 'q'
  = outputs are a, r.x, r.y, r.else
)text"},
    {"no source, a sink as an input",
     R"toml([stages.b]
task = "tenon.double"
inputs = ["s"]
[sinks.s]
task = "tenon.discard"
inputs = ["b"]
)toml",
     R"text(1:1: error: the pipeline has no source
  = add [sources.<name>] with a task that gives items
3:11: error: 's' is a sink; it has no output
  = a task whose results other nodes use belongs under [stages.<name>]
4:8: note: 's' is declared here
)text"},
    {"tasks of the wrong kind",
     R"toml([sources.a]
task = "tenon.double"
[stages.b]
task = "tenon.numbers"
inputs = ["a"]
[stages.c]
task = "tenon.sum"
inputs = ["b"]
[stages.d]
kind = "reduce"
task = "tenon.double"
inputs = ["c"]
workers = 3
[stages.e]
kind = "batch"
task = "tenon.sum"
inputs = ["d"]
[sinks.f]
task = "tenon.numbers"
inputs = ["e"]
)toml",
     R"text(2:8: error: 'tenon.double' is a plain task; a source takes a task that gives items
  = put it under [stages.a] or [sinks.a]
7:8: error: 'tenon.sum' is a reduce; a map takes a plain task
  = add kind = "reduce" or kind = "batch"
11:8: error: 'tenon.double' is a plain task; a reduce stage takes a reduce task
  = leave 'kind' out to run it on each item
13:11: error: a reduce without 'by' or 'window' is one session: 'workers' is 1
  = kind = "batch" runs several, one result for each batch
14:9: error: batch 'e' has no size
  = add size = <items in a batch>
19:8: error: 'tenon.numbers' is a source; a sink takes a plain task or a reduce
  = put it under [sources.f]
)text"},
    {"stages that expand",
     R"toml([sources.a]
task = "tenon.numbers"
[stages.b]
kind = "map"
task = "other.split"
inputs = ["a"]
[stages.c]
kind = "expand"
task = "tenon.double"
inputs = ["a"]
[stages.d]
kind = "expand"
task = "tenon.sum"
inputs = ["a"]
[stages.e]
task = "other.split"
inputs = ["a"]
order = "key:group"
output_name = "x"
on_conflict = "number"
[stages.f]
kind = "expand"
task = "other.split"
inputs = ["a"]
output_name = "x"
timeout = "0s"
[stages.g]
kind = "expnd"
task = "other.split"
inputs = ["a"]
[stages.h]
task = "files.walk"
inputs = ["a"]
[sinks.s]
task = "tenon.discard"
inputs = ["b", "c", "d", "e", "f", "g", "h"]
)toml",
     R"text(5:8: error: 'other.split' is a source; a map takes a plain task
  = leave 'kind' out, or write kind = "expand", to take all its results for each item
9:8: error: 'tenon.double' is a plain task; an expand takes a task that gives items (streaming: "server")
  = leave 'kind' out to run it on each item
13:8: error: 'tenon.sum' is a reduce; an expand takes a task that gives items (streaming: "server")
  = write kind = "reduce" or kind = "batch"
18:9: error: 'order = "key:..."' does not apply: 'other.split' gives several results for each item, which makes the stage an expand
  = an expand takes order = "none" or "input"; to order the results by a key, set it in the next stage
19:15: error: 'output_name' does not apply: 'other.split' does not declare that it writes files
  = only a task with the attribute output_name does, such as files.write
20:15: error: 'on_conflict' does not apply: 'other.split' does not declare that it writes files
  = only a task with the attribute output_name does, such as files.write
25:1: error: unknown key 'output_name' in stage 'f'
  = 'output_name' belongs to a stage of kind "map"
26:11: error: a time-out of 0 would fail every step
  = leave it out for no time-out
28:8: error: unknown kind 'expnd'
  = did you mean 'expand'?
33:11: error: 'h' takes files.WalkArgs, but 'a' gives tenon.Number
2:8: note: 'a' gives tenon.Number (task tenon.numbers)
32:8: note: 'h' takes files.WalkArgs (task files.walk)
)text"},
    {"an unclosed string",
     R"toml([sources.a]
task = "tenon.numbers
x = 3
)toml",
     R"text(2:22: error: this is not TOML: while parsing string: unescaped control characters other than TAB (U+0009) are explicitly prohibited
)text"},
    {"a table given twice",
     R"toml([sources.a]
task = "tenon.numbers"
[sources.a]
task = "x"
)toml",
     R"text(3:1: error: this is not TOML: while parsing table header: cannot redefine existing table 'sources.a'
)text"},
    {"values from the environment",
     R"toml([sources.a]
task = "files.walk"
args = { root = { env = "NOPE" }, depth = { env = "WORD" }, follow = { env = "LEVEL", defalt = true }, globs = { env = "ROOT" } }
[sinks.s]
task = "files.write"
inputs = [{ env = "NOPE", default = "a" }]
workers = { env = "WORD" }
)toml",
     R"text(3:25: error: the environment has no variable 'NOPE'
  = set it, or give a default: { env = "NOPE", default = ... }
3:51: error: 'depth' is "word"; it takes an integer from 0 to 255
3:87: error: unknown key 'defalt' in a value from the environment
  = did you mean 'default'?
3:112: error: 'globs' takes an array of string; the environment gives one value
  = write [{ env = "NAME" }]
7:19: error: 'workers' is 'word'; it takes an integer
)text"},
    {"unknown and ill-typed keys",
     R"toml(title = "x"
sources = 3
[pipeline]
name = 3
queue = { items = 0, bytes = "12", size = 3 }
[stages]
x = 3
[stages.B]
task = 3
inputs = 4
[stages.m]
task = "files"
inputs = []
field = "x"
args = {}
order = "inptu"
[stages.r]
kind = "route"
inputs = ["m", "m"]
else = "keep"
cases = { else = ["x"], X = [], y = ["1", "1", 1.5] }
task = "x"
)toml",
     R"text(1:1: error: unknown key 'title' in the file
  = known are pipeline, plugins, sources, stages, sinks, tests
2:1: error: 'sources' is an integer; it takes tables
  = write [sources.<name>]
2:1: error: the pipeline has no source
  = add [sources.<name>] with a task that gives items
4:8: error: 'name' is an integer; it takes a string
5:19: error: 'items' is 0; it takes 1 to 1000000
5:30: error: '12' is not a size: the unit is missing (write 512B, 64KiB or 10MB)
5:36: error: unknown key 'size' in 'queue'
  = known are items, bytes
7:5: error: 'stages.x' is an integer; it takes a table
  = write [stages.x]
8:9: error: 'B' is not a name
  = a name starts with a-z and continues with a-z, 0-9, _ or -; at most 64 characters
8:9: error: nothing takes the output of 'B'
  = name it in the inputs of a stage or sink; tenon.discard takes anything
9:8: error: 'task' is an integer; it takes a string
10:10: error: 'inputs' is an integer; it takes an array of names
12:8: error: 'files' is not the name of a task
  = did you mean 'files.walk'?
13:10: error: 'inputs' is empty
  = name at least one source or stage
14:1: error: unknown key 'field' in stage 'm'
  = 'field' belongs to a stage of kind "route"
15:1: error: unknown key 'args' in stage 'm'
  = only a source has 'args'; settings of a task are its 'params'
16:9: error: unknown order 'inptu'
  = did you mean 'input'?
17:9: error: route 'r' has no field
  = add field = "<field of the item>"
19:16: error: input 'm' is named twice
20:8: error: 'else' is 'keep'; it only takes "drop"
  = to process the other items, leave it out and name 'r.else' in an input
21:11: error: 'else' is the output of all other items; it has no values
  = write else = "drop" beside 'cases', or name 'r.else' in an input
21:25: error: 'X' is not a name for an output
  = a name starts with a-z and continues with a-z, 0-9, _ or -
21:25: error: nothing takes the output 'r.X'
  = name it in the inputs of a stage or sink
21:29: error: case 'X' has no values
21:33: error: nothing takes the output 'r.y'
  = name it in the inputs of a stage or sink
21:43: error: the value '1' appears twice
21:38: note: it appears here first
21:48: error: a case has strings, integers and booleans, not a number
22:1: error: unknown key 'task' in stage 'r'
  = 'task' belongs to a stage of kind "map", "expand", "batch", "reduce"
)text"},
    {"types on edges",
     R"toml([sources.w]
task = "files.walk"
args.root = "/"
[sources.n]
task = "tenon.numbers"
[stages.mix]
task = "tenon.echo"
inputs = ["w", "n"]
[stages.show]
task = "other.show"
inputs = ["w"]
[stages.r]
kind = "route"
inputs = ["mix"]
field = "path"
else = "drop"
cases = { a = "x" }
[stages.k]
kind = "route"
inputs = ["w"]
field = "kind"
cases = { a = ["Regulr"] }
[stages.f]
kind = "route"
inputs = ["w"]
field = "pth"
else = "drop"
cases = { a = ["x"] }
[stages.t]
task = "tenon.double"
inputs = ["mix"]
order = "key:valu"
[sinks.s]
task = "tenon.discard"
inputs = ["t", "r.a", "show", "k.a", "k.else", "f.a"]
[sinks.b]
task = "broken.x"
inputs = ["s"]
)toml",
     R"text(11:11: error: 'show' takes tenon.File, but plugins 'files' and 'other' do not agree on tenon.File: field 'path' is a string in one and a number in the other
2:8: note: 'w' gives tenon.File (task files.walk)
10:8: note: 'show' takes tenon.File (task other.show)
15:9: error: route 'r' cannot read 'path': its items have several types
  = give it inputs of one type
22:16: error: 'kind' is never 'Regulr'
  = did you mean 'Regular'?
26:9: error: route 'f': tenon.File has no field 'pth'
  = did you mean 'path'?
31:11: error: 't' takes tenon.Number, but 'mix' gives items of several types
7:8: note: 'mix' gives several types (task tenon.echo)
30:8: note: 't' takes tenon.Number (task tenon.double)
32:9: error: the key of 't': tenon.Number has no field 'valu'
  = did you mean 'value'?
37:8: error: plugin 'broken' cannot be used: the file is truncated
38:11: error: 's' is a sink; it has no output
  = a task whose results other nodes use belongs under [stages.<name>]
33:8: note: 's' is declared here
)text"},
    {"two plugins with one type before a stage without a task",
     R"toml([sources.w]
task = "files.walk"
args.root = "/"
[stages.show]
task = "other.show"
inputs = ["w"]
[stages.few]
kind = "limit"
inputs = ["w", "show"]
items = 3
[sinks.s]
task = "tenon.discard"
inputs = ["few"]
)toml",
     R"text(6:11: error: 'show' takes tenon.File, but plugins 'files' and 'other' do not agree on tenon.File: field 'path' is a string in one and a number in the other
2:8: note: 'w' gives tenon.File (task files.walk)
5:8: note: 'show' takes tenon.File (task other.show)
9:16: error: plugins 'files' and 'other' do not agree on tenon.File, of which 'few' takes both: field 'path' is a string in one and a number in the other
)text"},
    {"what the schema or a plugin refuses",
     R"toml([sources.w]
task = "files.walk"
args = { root = "/", inner = { ratio = 1.5, shift = -3 }, globs = [
  "ok",
  "refuse" ] }
[sinks.s]
task = "tenon.discard"
inputs = ["w"]
params = { x = 3 }
[plugins.tenon]
version = "one"
settings = {}
[plugins.broken]
)toml",
     R"text(5:3: error: args of source 'w': the schema refuses it
9:1: error: task 'tenon.discard' has no params
11:11: error: 'one' is not a version pin (write "1.*", "1.2.3", ">=1.2" or ">=1.2, <2")
12:1: error: plugin 'tenon' has no settings
13:10: error: plugin 'broken' cannot be used: the file is truncated
)text"},
    {"a comment alone",
     R"toml(# comment only
)toml",
     R"text(1:1: error: the pipeline has no source
  = add [sources.<name>] with a task that gives items
)text"},
    {"a name that TOML refuses",
     R"toml([sources.ä]
task = "tenon.numbers" # ü
"ü" = { "é" = 3, x = 4 }
)toml",
     R"text(1:10: error: this is not TOML: only ASCII is allowed outside quotes
  = quote names that contain other characters
)text"},
    {"columns count bytes",
     R"toml([pipeline]
description = "ünï"
[sources.w]
task = "files.walk"
args = { root = "üé", dpth = 3 }
[sinks.s]
	task = "files.wrte"	# tab
inputs = ["w"]
)toml",
     R"text(5:25: error: unknown key 'dpth' in args of source 'w'
  = did you mean 'depth'?
7:9: error: plugin 'files' has no task 'wrte'
  = did you mean 'files.write'?
)text"},
};

const std::string kGood = R"toml(
[sources.walk]
task = "files.walk"
args = { root = "/" }

[stages.digest]
task = "files.digest"
inputs = ["walk"]
workers = 2

[sinks.report]
task = "files.report"
inputs = ["digest"]
)toml";

std::string text_of(const Buffer& buffer) {
  return {buffer.begin(), buffer.end()};
}

}  // namespace

TEST_CASE("Loader: each class of error has its place and words") {
  for (const Case& one : kCases) {
    INFO(one.name);
    const Loaded loaded = load(one.text);
    CHECK_FALSE(loaded.graph.has_value());
    CHECK(loaded.messages == one.messages);
  }
}

TEST_CASE("Loader: a binary text is refused at its zero byte") {
  const std::string text("a = 3\n\0\1\2", 9);
  CHECK(load(text).messages == "2:1: error: this is a binary file, not TOML\n");
}

TEST_CASE("Loader: a text beyond the limit is refused unread") {
  const std::string text(10'000'000, 'x');
  const Loaded loaded = load(text);
  CHECK_FALSE(loaded.graph);
  CHECK(loaded.diagnostics.to_text() ==
        "p.toml: error: the file has 10000000 bytes; a pipeline has at most 4194304\n"
        "  = put long lists of values into a separate file that a task reads\n");
}

TEST_CASE("Loader: a large hostile text ends with a bounded number of messages") {
  std::string text = "[sources.a]\ntask = \"tenon.numbers\"\n";
  for (int i = 0; i < 20000; ++i) {
    text += "key" + std::to_string(i) + " = 1\n";
  }
  const Loaded loaded = load(text);
  CHECK_FALSE(loaded.graph);
  CHECK(loaded.diagnostics.items.size() == 201);
  CHECK(loaded.messages.find("more errors are not shown") != std::string::npos);
}

TEST_CASE("Loader: more nodes than the limit are refused") {
  std::string text;
  for (int i = 0; i < 1500; ++i) {
    text += "[sources.a" + std::to_string(i) + "]\ntask = \"tenon.numbers\"\n";
  }
  const Loaded loaded = load(text);
  CHECK(loaded.messages.find("2001:10: error: the file declares more than 1000 sources, stages and sinks") !=
        std::string::npos);
}

TEST_CASE("Loader: hostile lists end soon") {
  std::string inputs;
  for (int i = 0; i < 200000; ++i) {
    inputs += "\"x" + std::to_string(i) + "\", ";
  }
  CHECK(load(kGood + "[sinks.many]\ntask = \"tenon.discard\"\ninputs = [" + inputs + "]\n").messages ==
        "16:10: error: there are more than 1000 inputs\n");
  std::string stages;
  for (int i = 0; i < 900; ++i) {
    stages += "[stages.s" + std::to_string(i) + "]\ntask = \"tenon.echo\"\ninputs = [";
    for (int j = 0; j < 200; ++j) {
      stages += "\"walx" + std::to_string(j) + "\", ";
    }
    stages += "]\n";
  }
  CHECK(load(kGood + stages).diagnostics.items.size() == 201);
}

TEST_CASE("Loader: dotted keys are bounded, dots in strings are not") {
  std::string key = "a";
  for (int i = 0; i < 1000000; ++i) {
    key += ".a";
  }
  CHECK(load(key + " = 1\n").messages == "1:64: error: a key has at most 32 parts\n");
  CHECK(load("x = 1\n[\"a.b\"" + key.substr(1) + "]\n").messages == "2:69: error: a key has at most 32 parts\n");
  const std::string dots(1000, '.');
  const Loaded loaded =
      load("# " + dots + "\n[pipeline]\nname = \"" + dots + "\"\ndescription = '''\n" + dots + "\n'''\n" + kGood);
  INFO(loaded.messages);
  CHECK(loaded.graph);
}

TEST_CASE("Loader: deep nesting is an error of the text") {
  const Loaded loaded = load("a = " + std::string(100000, '[') + "\n");
  CHECK_FALSE(loaded.graph);
  CHECK(loaded.diagnostics.items.size() == 1);
}

TEST_CASE("Loader: a good file becomes a graph") {
  const Loaded loaded = load(R"toml(
[pipeline]
name = "all"
description = "everything"
queue = { items = 10, bytes = "1KiB" }

[plugins.files]
version = ">=1.1, <2"
settings = { threads = { env = "LEVEL" } }

[sources.walk]
task = "files.walk"
args = { root = { env = "ROOT" }, globs = ["a", { env = "NOPE", default = "b" }], follow = true, depth = { env = "LEVEL" }, inner = { ratio = 2, shift = -3, large = 9 } }

[stages.digest]
task = "files.digest"
params = { algorithm = "blake2b" }
inputs = ["walk", "also.kept"]
workers = "auto"
timeout = "1.5s"
retry = { attempts = 5, backoff = "1ms", max = "1m" }
order = "key:path"
queue = { items = 3 }

[stages.also]
kind = "route"
inputs = "walk"
field = "kind"
cases = { kept = "Regular" }
else = "drop"

[stages.pass]
task = "tenon.echo"
inputs = ["digest"]
workers = 3
order = "input"

[stages.batch]
kind = "batch"
task = "files.report"
inputs = ["pass"]
size = 7
max_wait = "2s"

[sinks.out]
task = "tenon.discard"
inputs = ["batch"]
)toml");
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  const Graph::Impl& graph = *loaded.graph;
  CHECK(graph.name == "all");
  CHECK(graph.description == "everything");
  CHECK(text_of(graph.plugin_settings.at("files")) == R"({"threads": 7})");
  REQUIRE(graph.nodes.size() == 6);
  CHECK(
      text_of(graph.nodes[0].argument) ==
      R"({"root": "/data","globs": ["a","b"],"follow": true,"depth": 7,"inner": {"ratio": 2,"shift": -3,"large": 9}})");
  const internal::PlanNode& digest = graph.nodes[1];
  CHECK(text_of(digest.params) == R"({"algorithm": "blake2b"})");
  CHECK(digest.workers == 0);
  CHECK(digest.timeout == std::chrono::milliseconds(1500));
  CHECK(digest.retries);
  CHECK(digest.retry.attempts == 5);
  CHECK(digest.retry.max == std::chrono::minutes(1));
  CHECK(digest.order == internal::OrderKind::kKey);
  CHECK(digest.key_reader);
  CHECK(digest.queue.items == 3);
  CHECK(digest.queue.bytes == 1024);
  CHECK(digest.inputs.size() == 2);
  CHECK(graph.nodes[2].else_dropped);
  CHECK(graph.nodes[3].output_type.name == "tenon.Digest");
  CHECK(graph.nodes[3].workers == 3);
  CHECK(graph.nodes[4].batch_size == 7);
  CHECK(graph.nodes[4].batch_wait == std::chrono::seconds(2));
  CHECK(graph.nodes[5].input_type.name == "tenon.File");
}

TEST_CASE("Loader: a file without a name takes the given one") {
  const Loaded loaded = load(kGood);
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  CHECK(loaded.graph->name == "p");
}

TEST_CASE("Loader: --set changes values and adds keys") {
  const Loaded loaded = load(kGood, {{"stages.digest.workers", "5"},
                                     {"sources.walk.args.root", "/srv/a b"},
                                     {"sources.walk.args.globs", "[\"x\", \"y\"]"},
                                     {"stages.digest.params.algorithm", "sha256"},
                                     {"pipeline.name", "other"},
                                     {"stages.digest.timeout", "2s"}});
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  CHECK(loaded.graph->name == "other");
  CHECK(text_of(loaded.graph->nodes[0].argument) == R"({"root": "/srv/a b","globs": ["x","y"]})");
  CHECK(loaded.graph->nodes[1].workers == 5);
  CHECK(loaded.graph->nodes[1].timeout == std::chrono::seconds(2));
  CHECK(text_of(loaded.graph->nodes[1].params) == R"({"algorithm": "sha256"})");
}

TEST_CASE("Loader: --set takes what is not TOML as a string") {
  for (const char* text : {"ä", "a b", "[1", "", "'x", "2024-13-45", "\xFF"}) {
    INFO(text);
    const Loaded loaded = load(kGood, {{"pipeline.description", text}});
    REQUIRE(loaded.graph);
    CHECK(loaded.graph->description == text);
  }
}

TEST_CASE("Loader: a byte order mark is no error") {
  CHECK(load("\xEF\xBB\xBF" + kGood).graph);
}

TEST_CASE("Loader: --set with a line break is one string") {
  const Loaded loaded = load(kGood, {{"pipeline.description", "1\nx = 2"}});
  REQUIRE(loaded.graph);
  CHECK(loaded.graph->description == "1\nx = 2");
}

TEST_CASE("Loader: what is wrong with a --set is said of it, after the file's own errors") {
  const Loaded loaded = load(kGood + "[sinks.x]\n", {{"stages.digset.workers", "5"},
                                                     {"stages.digest.worker", "5"},
                                                     {"stages.digest.workers", "many"},
                                                     {"stage.digest.workers", "5"},
                                                     {"sources.walk.task.x", "1"},
                                                     {"sources..walk", "1"},
                                                     {"sources.walk.args.rot", "/"}});
  CHECK(loaded.messages == R"(14:8: error: sink 'x' has no task
  = add task = "<plugin>.<task>"
14:8: error: sink 'x' has no inputs
  = add inputs = ["<source or stage>"]
--set stages.digset.workers=5: error: the file has no [stages.digset]
  = did you mean 'digest'?
--set stages.digest.worker=5: error: unknown key 'worker' in stage 'digest'
  = did you mean 'workers'?
--set stages.digest.workers=many: error: 'workers' is "many"; it takes a number or "auto"
--set stage.digest.workers=5: error: unknown key 'stage' in the file
  = did you mean 'stages'?
--set sources.walk.task.x=1: error: 'sources.walk.task' is not a table, so it has no key 'x'
--set sources..walk=1: error: 'sources..walk' is not a key
  = write --set stages.<name>.<key>=<value>
--set sources.walk.args.rot=/: error: unknown key 'rot' in args of source 'walk'
  = did you mean 'root'?
)");
}

}  // namespace tenon::test

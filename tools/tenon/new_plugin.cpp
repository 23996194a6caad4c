#include "tools/tenon/new_plugin.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// A file of a new plugin or pipeline. `~` in its name and its text stands for the name, `%` in the text for that name
/// as a type's.
struct Start {
  const char* name;
  const char* text;
};

constexpr Start kCpp[] = {
    {"CMakeLists.txt", R"(cmake_minimum_required(VERSION 3.25)
project(~ LANGUAGES C CXX)
find_package(tenon REQUIRED)
tenon_add_plugin(~ VERSION 0.1.0 SCHEMA ~.fbs SOURCES ~.cpp)

enable_testing()
add_executable(~_test ~_test.cpp)
target_link_libraries(~_test PRIVATE plugin_~_objects)
add_test(NAME ~ COMMAND ~_test)
)"},
    {"~.fbs", R"(namespace ~;

table Name {
  text: string (required);
}
table Greeting {
  text: string;
}

rpc_service % {
  /// Greets someone.
  greet(Name): Greeting (idempotent);
}
)"},
    {"~.cpp", R"(#include <string>

#include <tenon/plugin.hpp>

#include "~_generated.h"

tenon::Offset<~::Greeting> greet(tenon::Call& call, const ~::Name& name) {
  return ~::CreateGreetingDirect(call.builder(), ("Hello, " + name.text()->str() + "!").c_str());
}

TENON_PLUGIN(~) {
  plugin.task<greet>("greet");
}
)"},
    {"~_test.cpp", R"(#include <tenon/plugin_test.hpp>

#include "~_generated.h"

#undef NDEBUG
#include <cassert>

int main() {
  tenon::test::Worker worker;
  ~::NameT name;
  name.text = "world";
  assert(worker.call("greet", name).as<~::Greeting>().text()->str() == "Hello, world!");
}
)"},
    {"README.md", R"(# ~

A plugin of tenon in C++: `~.fbs` has its tasks and their types, `~.cpp` the tasks themselves.

    cmake -S . -B build -G Ninja && cmake --build build && ctest --test-dir build
    tenon call ~.greet '{"text": "world"}' --plugin-dir build/plugins
    tenon dev .                 # builds on every save and swaps the plugin into a running system
)"},
};

constexpr Start kC[] = {
    {"CMakeLists.txt", R"(cmake_minimum_required(VERSION 3.25)
project(~ LANGUAGES C)
find_package(tenon REQUIRED)
tenon_add_plugin(~ VERSION 0.1.0 SCHEMA ~.fbs SOURCES ~.c)

# Calls the task as a person does.
enable_testing()
get_target_property(worker tenon::worker IMPORTED_LOCATION)
cmake_path(GET worker PARENT_PATH programs)
find_program(TENON tenon HINTS ${programs} REQUIRED)
add_test(NAME ~ COMMAND ${TENON} call ~.same "{\"data\": \"aGVsbG8=\"}" --plugin-dir ${CMAKE_BINARY_DIR}/plugins)
set_tests_properties(~ PROPERTIES PASS_REGULAR_EXPRESSION "aGVsbG8=")
)"},
    {"~.fbs", R"(include "tenon/types.fbs";

namespace ~;

rpc_service % {
  /// Gives its argument back.
  same(tenon.Bytes): tenon.Bytes (idempotent);
}
)"},
    {"~.c", R"(#include <string.h>

#include <tenon/plugin.h>

/* The argument is a FlatBuffer, and so is the result. */
static tenon_status_t same(tenon_call_t* call) {
  const tenon_bytes_t argument = call->argument;
  uint8_t* result = NULL;
  const tenon_status_t status = call->functions->reserve(call, (argument.size_bytes + 15) / 16 * 16, &result);
  if (status != TENON_OK) {
    return call->functions->fail(call, status, call->functions->last_error(call));
  }
  memcpy(result, argument.data, argument.size_bytes);
  return call->functions->commit(call, result, argument.size_bytes);
}

static const tenon_task_t tasks[] = {
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_PLAIN,
     .name = "same",
     .argument_type = "tenon.Bytes",
     .result_type = "tenon.Bytes",
     .run = same},
};

static const tenon_plugin_t plugin = {
    .size_bytes = sizeof(tenon_plugin_t),
    .task_count = sizeof(tasks) / sizeof(tasks[0]),
    .manifest = &tenon_manifest,
    .tasks = tasks,
};

const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker) {
  (void)worker;
  return &plugin;
}
)"},
    {"README.md", R"(# ~

A plugin of tenon in C: `~.fbs` has its tasks and their types, `~.c` the tasks themselves.

    cmake -S . -B build -G Ninja && cmake --build build && ctest --test-dir build
    tenon call ~.same '{"data": "aGVsbG8="}' --plugin-dir build/plugins
    tenon dev .                 # builds on every save and swaps the plugin into a running system
)"},
};

constexpr Start kPython[] = {
    {"~.py",
     R"("""A plugin of tenon: each function is a task, its hints are the types, its docstring is the documentation."""

import tenon


@tenon.task(idempotent=True)
def greet(name: str) -> str:
    """Greets someone."""
    return f"Hello, {name}!"
)"},
    {"test_~.py", R"(import pathlib
import unittest

import tenon


class Test(unittest.TestCase):
    def test_greet(self):
        with tenon.Runtime(workers=1, plugin_dirs=[pathlib.Path(__file__).parent]) as rt:
            self.assertEqual(rt.call("~.greet", name="world").value, "Hello, world!")


unittest.main()
)"},
    {"README.md", R"(# ~

A plugin of tenon in Python: the annotated functions of `~.py` are its tasks. Nothing needs to be built.

    python3 test_~.py
    tenon call ~.greet '{"name": "world"}' --plugin-dir .
    tenon serve --plugin-dir . &
    tenon swap ~.py             # puts what the file holds now into that daemon
)"},
};

constexpr Start kPipeline[] = {
    {"~.toml", R"([pipeline]
name = "~"
description = "The most frequent words in lines with TODO, in the text files below a directory."

# All files below the directory; `tenon run ~.toml --set sources.tree.args.root=DIRECTORY` takes another one.
[sources.tree]
task = "files.walk"
args = { root = ".", glob = "**/*.{md,txt}" }

# The lines of each file.
[stages.lines]
task = "text.lines"
inputs = ["tree"]

# Only lines that mention TODO.
[stages.todo]
kind = "filter"
inputs = ["lines"]
where = { text = "contains:TODO" }

# The result of a sink that collects is printed.
[sinks.words]
task = "text.word_count"
params = { k = 10 }
inputs = ["todo"]

[[tests]]
name = "lines with TODO are counted"
files = { "a.txt" = "TODO: write\nwritten\n", "b.md" = "- TODO: write more\n" }
give.tree = [{ path = { file = "a.txt" } }, { path = { file = "b.md" } }]
expect.todo = [{ text = "TODO: write", number = 1 }, { text = "- TODO: write more" }]
expect.words = [{ words = [{ count = 2 }, { count = 2 }, { word = "more", count = 1 }] }]

[[tests]]
name = "other lines are dropped"
give.lines = []
expect.todo = { none = true }
)"},
    {"README.md", R"(# ~

A pipeline of tenon: `~.toml` has its source, its stages and its tests.

    tenon check ~.toml
    tenon test ~.toml
    tenon run ~.toml
    tenon list                  # the tasks that stages can run
)"},
};

std::string filled(std::string_view text, const std::string& name) {
  std::string type = name;
  type.front() = static_cast<char>(type.front() - 'a' + 'A');
  std::string result;
  for (const char letter : text) {
    if (letter == '~') {
      result += name;
    } else if (letter == '%') {
      result += type;
    } else {
      result += letter;
    }
  }
  return result;
}

bool is_plugin_name(const std::string& name) {
  return !name.empty() && name.size() <= 63 && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

Outcome<std::span<const Start>> start_of(const std::string& kind, const std::string& language) {
  if (kind == "pipeline") {
    return std::span<const Start>(kPipeline);
  }
  if (language.empty() || language == "cpp") {
    return std::span<const Start>(kCpp);
  }
  if (language == "c") {
    return std::span<const Start>(kC);
  }
  if (language == "python") {
    return std::span<const Start>(kPython);
  }
  return usage_failure("--lang: there is no start in '" + internal::printable(language) + "'", "use cpp, c or python");
}

/// Writes the files. Writes nothing if the directory is not empty.
Outcome<void> write_start(const fs::path& directory, std::span<const Start> start, const std::string& name) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) {
    return failure(ExitCode::kFailed,
                   os_error(failed.value(), "the directory '" + directory.string() + "' cannot be made"));
  }
  if (!fs::is_empty(directory, failed)) {
    return usage_failure("the directory '" + internal::printable(directory.string()) + "' is not empty",
                         "name another one with --directory");
  }
  for (const Start& file : start) {
    const fs::path path = directory / filled(file.name, name);
    std::ofstream out(path);
    if (!(out << filled(file.text, name)).flush()) {
      return failure(ExitCode::kFailed, Error{ErrorCode::kIo, "'" + path.string() + "' cannot be written", {}});
    }
  }
  return {};
}

}  // namespace

Outcome<ExitCode> new_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Writes the start of a plugin or a pipeline, which can be built, tested and run at once.",
                   "tenon new");
  std::string kind;
  std::string name;
  std::string language;
  std::string where;
  line.add("KIND", kind, "plugin or pipeline").type_name("plugin|pipeline").required();
  line.add("NAME", name, "Name of the plugin or pipeline: small letters, digits and '_'").required();
  line.add("--lang", language, "Of a plugin: cpp, c or python; cpp without it").type_name("LANGUAGE");
  line.add("--directory", where, "Write into this directory; one of that name without it").type_name("DIR");
  line.footer("Examples:\n  tenon new plugin hello --lang python\n  tenon new pipeline todo");
  if (auto go_on = line.parse(context, arguments); !go_on || !*go_on) {
    return go_on.map([](bool) { return ExitCode::kDone; });
  }
  if (kind != "plugin" && kind != "pipeline") {
    static const std::vector<std::string> kKinds = {"plugin", "pipeline"};
    const std::string hint = internal::did_you_mean(kind, kKinds, 1);
    return usage_failure("tenon new makes plugins and pipelines, not '" + internal::printable(kind) + "'",
                         hint.empty() ? "as in tenon new plugin hello" : hint);
  }
  if (!is_plugin_name(name)) {
    return usage_failure("'" + internal::printable(name) + "' cannot name a " + kind,
                         "use small letters, digits and '_', a letter first, at most 63");
  }
  if (kind == "pipeline" && !language.empty()) {
    return usage_failure("--lang is for plugins; a pipeline is written in TOML");
  }
  TENON_ASSIGN(const auto start, start_of(kind, language));
  const fs::path directory = where.empty() ? fs::path(name) : fs::path(where);
  TENON_TRY(write_start(directory, start, name));
  std::string text;
  Json document;
  document["files"] = Json::array();
  for (const Start& file : start) {
    const std::string path = (directory / filled(file.name, name)).string();
    text += path + '\n';
    document["files"].push_back(path);
  }
  if (context.json) {
    context.output.write(dump(document));
    return ExitCode::kDone;
  }
  context.output.write(text);
  context.world.write_error("tenon: '" + (directory / "README.md").string() + "' describes the next steps\n");
  return ExitCode::kDone;
}

}  // namespace tenon::cli

#include "tools/tenon/command.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

using tenon::test::has;

namespace {

/// Runs a command line in a separate world.
struct Run {
  std::string output;
  std::string error;
  int exit = -1;
  std::atomic<int> interrupts{0};

  explicit Run(const std::vector<std::string>& arguments, std::map<std::string, std::string> variables = {},
               bool terminal = false, std::optional<Error> write_failure = std::nullopt) {
    World world;
    world.write_output = [&](std::string_view text) -> Result<void> {
      if (write_failure) {
        return fail(*write_failure);
      }
      output += text;
      return {};
    };
    world.write_error = [this](std::string_view text) { error += text; };
    world.read_input = [](MutableBytesView) -> Result<std::size_t> { return 0U; };
    world.variable = [&](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    world.output_is_terminal = terminal;
    world.error_is_terminal = terminal;
    world.output_width = [] { return 80U; };
    world.error_width = [] { return 80U; };
    world.interrupts = &interrupts;
    exit = run(world, arguments);
  }
};

}  // namespace

TEST_CASE("tenon: help names every command") {
  const Run help({"--help"});
  CHECK(help.exit == 0);
  for (const Command& command : commands()) {
    CHECK(has(help.output, "  " + std::string(command.name) + " "));
  }
}

TEST_CASE("tenon: version") {
  const Run version({"--version"});
  CHECK(version.exit == 0);
  CHECK(version.output.starts_with("tenon "));
  CHECK(Run({"-V"}).output == version.output);
}

TEST_CASE("tenon help: the same as --help, of the program and of each command") {
  CHECK(Run({"help"}).output == Run({"--help"}).output);
  for (const Command& command : commands()) {
    const std::string name(command.name);
    CHECK(Run({"help", name}).output == Run({name, "--help"}).output);
  }
  const Run wrong({"help", "rnu"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "did you mean 'run'?"));
}

TEST_CASE("tenon: a word of another program gets the command that does it, not one that looks like it") {
  for (const auto& [word, command] :
       std::map<std::string, std::string>{{"top", "status"}, {"ps", "status"}, {"ls", "list"}, {"reload", "swap"}}) {
    const Run wrong({word});
    CAPTURE(wrong.error);
    CHECK(wrong.exit == 2);
    CHECK(has(wrong.error, "'tenon " + command + "': "));
    CHECK_FALSE(has(wrong.error, "did you mean"));
  }
  // With a different first letter, a short word is a different word.
  CHECK_FALSE(has(Run({"tall"}).error, "did you mean"));
  CHECK(has(Run({"tsop"}).error, "did you mean 'stop'?"));
  CHECK(has(Run({"srve"}).error, "did you mean 'serve'?"));
}

TEST_CASE("tenon: every command has help with an example") {
  for (const Command& command : commands()) {
    const Run help({std::string(command.name), "--help"});
    CHECK(help.exit == 0);
    CHECK(has(help.output, "Example"));
    CHECK(has(help.output, "--json"));
    CHECK(help.error.empty());
  }
}

TEST_CASE("tenon: no command is wrong usage") {
  const Run none(std::vector<std::string>{});
  CHECK(none.exit == 2);
  CHECK(has(none.error, "tenon: error: "));
}

TEST_CASE("tenon: a misspelt command gets the nearest one") {
  const Run wrong({"rnu", "x.toml"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "did you mean 'run'?"));
  CHECK(Run({"zzzzzz"}).exit == 2);
}

TEST_CASE("tenon: a misspelt option gets the nearest one") {
  const Run wrong({"run", "x.toml", "--wrokers", "3"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "unknown option '--wrokers'"));
  CHECK(has(wrong.error, "did you mean '--workers'?"));
  CHECK(has(Run({"--jsom", "list"}).error, "did you mean '--json'?"));
}

TEST_CASE("tenon: a superfluous argument is named") {
  const Run wrong({"list", "extra"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "'extra'"));
}

TEST_CASE("tenon: a missing argument, a value that is no number, a range") {
  CHECK(Run({"run"}).exit == 2);
  CHECK(Run({"run", "x.toml", "--workers", "many"}).exit == 2);
  CHECK(Run({"run", "x.toml", "--workers", "0"}).exit == 2);
  CHECK(Run({"run", "x.toml", "--set", "nonsense"}).exit == 2);
}

TEST_CASE("tenon: a missing pipeline file is wrong usage") {
  const std::string file = test::missing_path("x.toml").string();
  for (const char* command : {"run", "check", "graph"}) {
    const Run missing({command, file});
    CHECK(missing.exit == 2);
    CHECK(has(missing.error, file));
  }
}

TEST_CASE("tenon: help says which exit code a misspelt key of --set and the worst of several files give") {
  CHECK(has(Run({"run", "--help"}).output, "misspelt key in them is bad configuration (78)"));
  CHECK(has(Run({"check", "--help"}).output, "that of the worst"));
}

TEST_CASE("tenon rollback: a version is not for it to choose, which it says before it looks for a daemon") {
  const Run wrong({"rollback", "hello@1.0.0"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "only the name of a plugin"));
  CHECK(has(wrong.error, "tenon swap hello@1.0.0"));
}

TEST_CASE(
    "tenon swap: limits that are wrong, or of a trial that is not asked for, are told before it looks for a daemon") {
  for (const char* option : {"--canary-time", "--probation"}) {
    const Run wrong({"swap", "image", "--shadow", option, "10"});
    CHECK(wrong.exit == 2);
    CHECK(has(wrong.error, std::string(option) + ": '10' is not a duration"));
  }
  CHECK(has(Run({"swap", "image", "--shadow", "--canary-calls", "0"}).error, "--canary-calls"));
  for (const std::vector<std::string>& limit :
       std::vector<std::vector<std::string>>{{"--canary-time", "10s"}, {"--canary-calls", "10"}}) {
    const Run alone({"swap", "image", limit[0], limit[1]});
    CHECK(alone.exit == 2);
    CHECK(has(alone.error, "--canary 5%"));
  }
}

TEST_CASE("tenon: a graph format that does not exist gets the nearest one") {
  const Run wrong({"graph", "x.toml", "--format", "mermiad"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "did you mean 'mermaid'?"));
}

TEST_CASE("tenon: with --json errors are an object on standard output") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"run", "--json"}, {"--json", "rnu"}, {"list", "--json", "--nonsense"}}) {
    const Run wrong(arguments);
    CHECK(wrong.exit == 2);
    CHECK(wrong.error.empty());
    CHECK(nlohmann::json::parse(wrong.output)["error"]["exit_code"] == 2);
  }
}

TEST_CASE("tenon: color follows the terminal, NO_COLOR and --color") {
  CHECK(has(Run({"rnu"}, {}, true).error, "\x1b["));
  CHECK_FALSE(has(Run({"rnu"}, {}, false).error, "\x1b["));
  CHECK_FALSE(has(Run({"rnu"}, {{"NO_COLOR", "1"}}, true).error, "\x1b["));
  CHECK(has(Run({"rnu"}, {{"NO_COLOR", ""}}, true).error, "\x1b["));
  CHECK(has(Run({"--color", "always", "rnu"}, {{"NO_COLOR", "1"}}, false).error, "\x1b["));
  CHECK_FALSE(has(Run({"--color=never", "rnu"}, {}, true).error, "\x1b["));
  const Run wrong({"--color", "blue", "list"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "auto, always or never"));
}

TEST_CASE("tenon: a reader that went away is no failure, a full disk is") {
  const Error gone{ErrorCode::kUnavailable, "nobody reads", {}};
  const Run quiet({"--help"}, {}, false, gone);
  CHECK(quiet.exit == 0);
  CHECK(quiet.error.empty());
  const Error full{ErrorCode::kIo, "cannot write: no space left", {}};
  const Run loud({"--help"}, {}, false, full);
  CHECK(loud.exit == 1);
  CHECK(has(loud.error, "no space left"));
}

TEST_CASE("tenon call: TENON_SOCKET names the daemon unless an option makes the call here") {
  const tenon::test::TemporaryDirectory directory;
  const std::string socket = (directory / "none.sock").string();
  const std::map<std::string, std::string> variables = {{"TENON_SOCKET", socket}};
  const Run remote({"call", "x.y"}, variables);
  CHECK(remote.exit == 1);
  CHECK(has(remote.error, socket));
  for (const std::vector<std::string>& here :
       {std::vector<std::string>{"call", "x.y", "--plugin-dir", directory.path().string()},
        std::vector<std::string>{"call", "x.y", "--settings", "{}"}}) {
    const Run local(here, variables);
    CHECK_FALSE(has(local.error, socket));
  }
  const Run both({"call", "x.y", "--settings", "{}", "--socket", socket});
  CHECK(both.exit == 2);
  CHECK(has(both.error, "--settings and --socket cannot be combined"));
}

TEST_CASE("tenon run: a pipeline file names plugin directories relative to itself") {
  const tenon::test::TemporaryDirectory directory;
  std::ofstream(directory / "p.toml") << "[pipeline]\nplugin_dirs = [\"plugins\"]\n";
  const Run missing({"check", (directory / "p.toml").string()});
  CHECK(missing.exit == 78);
  CHECK(has(missing.error, (directory / "plugins").string()));
  std::filesystem::create_directory(directory / "plugins");
  const Run found({"check", (directory / "p.toml").string()});
  CHECK_FALSE(has(found.error, "there is no directory"));
  CHECK(has(Run({"run", (directory / "p.toml").string(), "--drain-timeout", "soon"}).error, "--drain-timeout: "));
}

#include "tools/tenon/complete.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "tenon_test/catch.hpp"
#include "tools/tenon/command_text.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

/// Returns a world without plugins and daemons.
World bare_world() {
  static const std::atomic<int> interrupts{0};
  World world;
  world.write_output = [](std::string_view) -> Result<void> { return {}; };
  world.write_error = [](std::string_view) {};
  world.variable = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  world.interrupts = &interrupts;
  return world;
}

std::vector<std::string> words_of(const std::vector<std::string>& typed) {
  std::vector<std::string> words;
  for (const Candidate& candidate : complete(bare_world(), typed).words) {
    words.push_back(candidate.word);
  }
  return words;
}

bool holds(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE("tenon complete: commands, with what they do, and none that is hidden") {
  const Candidates all = complete(bare_world(), {""});
  for (const Command& command : commands()) {
    const auto found = std::find_if(all.words.begin(), all.words.end(),
                                    [&](const Candidate& candidate) { return candidate.word == command.name; });
    REQUIRE(found != all.words.end());
    CHECK(found->meaning == command.summary);
  }
  CHECK(words_of({"sta"}) == std::vector<std::string>{"status"});
  CHECK(words_of({"--color", "never", "sta"}) == std::vector<std::string>{"status"});
  CHECK(holds(words_of({"help", ""}), "run"));
  CHECK(words_of({"no-such-command", ""}).empty());
  CHECK(words_of({}).empty());
}

TEST_CASE("tenon complete: every option of every command, once unless it may be repeated") {
  for (const Command& command : commands()) {
    CAPTURE(command.name);
    const auto words = words_of({std::string(command.name), "-"});
    CHECK(holds(words, "--help"));
    CHECK(holds(words, "--json"));
    for (const OptionText& option : describe(bare_world(), command).options) {
      CHECK((option.positional() || holds(words, option.names.front())));
    }
  }
  CHECK_FALSE(holds(words_of({"run", "--quiet", "-"}), "--quiet"));
  CHECK(holds(words_of({"run", "--set", "a=b", "-"}), "--set"));
  CHECK(words_of({"run", "--", "-"}).empty());
}

TEST_CASE("tenon complete: values by what the option takes") {
  CHECK(words_of({"graph", "--format", ""}) == std::vector<std::string>{"dot", "mermaid", "json"});
  CHECK(words_of({"graph", "--format", "m"}) == std::vector<std::string>{"mermaid"});
  CHECK(words_of({"graph", "--format=m"}) == std::vector<std::string>{"--format=mermaid"});
  // The words as bash splits them.
  CHECK(words_of({"graph", "--format", "=", "m"}) == std::vector<std::string>{"mermaid"});
  CHECK(words_of({"graph", "--format", "="}) == std::vector<std::string>{"dot", "mermaid", "json"});
  CHECK(words_of({"completion", "z"}) == std::vector<std::string>{"zsh"});
  CHECK(complete(bare_world(), {"run", "--plugin-dir", ""}).more == MoreCandidates::kDirectories);
  CHECK(complete(bare_world(), {"run", ""}).more == MoreCandidates::kFiles);
  CHECK(complete(bare_world(), {"run", "--workers", ""}).more == MoreCandidates::kNone);
}

TEST_CASE("manual pages: every command has one with all its options, made from the table of --help") {
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  for (const Command& command : commands()) {
    CAPTURE(command.name);
    const CommandText text = describe(bare_world(), command);
    CHECK(text.name == "tenon " + std::string(command.name));
    const std::string page = manual_page(text, command.summary);
    CHECK(page.starts_with(".TH TENON-"));
    CHECK(has(page, ".SH OPTIONS"));
    for (const OptionText& option : text.options) {
      std::string name = option.names.front();
      for (std::size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) {
        name.insert(at, 1, '\\');
      }
      CHECK(has(page, name));
    }
    CHECK(has(main_manual_page(), "\\fB" + std::string(command.name) + "\\fR"));
  }
  CHECK(has(main_manual_page(), "TENON_PLUGIN_PATH"));
}

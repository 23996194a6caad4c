#include "tools/tenon/complete.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "tools/tenon/command_text.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/plugin_places.hpp"

namespace tenon::cli {
namespace {

/// The part of the command line before the word that is completed.
struct Before {
  std::vector<std::string> plugin_dirs;
  std::string socket;
  std::vector<std::string> options;
  std::size_t positionals = 0;
  /// The option whose value is completed; nullptr if there is none.
  const OptionText* expects = nullptr;
  /// Words behind "--" are not options.
  bool only_positionals = false;
};

const OptionText* find_option(const CommandText& text, std::string_view name) {
  for (const OptionText& option : text.options) {
    if (std::find(option.names.begin(), option.names.end(), name) != option.names.end()) {
      return &option;
    }
  }
  return nullptr;
}

/// Joins words that bash splits: bash splits "--color=auto" into three words.
std::vector<std::string> joined(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool joins = words[i] == "=" && !result.empty() && result.back().starts_with("--");
    if (!joins) {
      result.push_back(words[i]);
    } else if (i + 1 == words.size()) {
      result.emplace_back();  // The value starts here.
    }
  }
  return result;
}

Before read_before(const CommandText& text, const std::vector<std::string>& words) {
  Before before;
  const auto take = [&before](std::string_view option, const std::string& value) {
    if (option == "--plugin-dir") {
      before.plugin_dirs.push_back(value);
    } else if (option == "--socket") {
      before.socket = value;
    }
  };
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (before.only_positionals || !word.starts_with('-') || word == "-") {
      ++before.positionals;
      continue;
    }
    if (word == "--") {
      before.only_positionals = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    before.options.push_back(name);
    const OptionText* const option = find_option(text, name);
    if (option == nullptr || option->flag()) {
      continue;
    }
    if (equals != std::string::npos) {
      take(name, word.substr(equals + 1));
    } else if (i + 2 < words.size()) {
      take(name, words[++i]);
    } else {
      before.expects = option;
    }
  }
  return before;
}

class Completer {
 public:
  Completer(const World& world, const CommandText& text, Before before)
      : world_(world), text_(text), before_(std::move(before)) {}

  Candidates complete(const std::string& word) {
    if (before_.expects != nullptr) {
      add_values(*before_.expects, word, "");
    } else if (!before_.only_positionals && word.starts_with("--") && word.find('=') != std::string::npos) {
      const std::string name = word.substr(0, word.find('='));
      if (const OptionText* const option = find_option(text_, name)) {
        add_values(*option, word.substr(name.size() + 1), name + "=");
      }
    } else if (!before_.only_positionals && word.starts_with('-')) {
      add_options(word);
    } else if (const OptionText* const argument = positional()) {
      add_values(*argument, word, "");
    }
    return std::move(found_);
  }

 private:
  [[nodiscard]] const OptionText* positional() const {
    std::size_t at = 0;
    for (const OptionText& option : text_.options) {
      if (option.positional() && (at++ == before_.positionals || option.repeats)) {
        return &option;
      }
    }
    return nullptr;
  }

  void add(std::string word, std::string meaning, std::string_view typed) {
    if (word.starts_with(typed)) {
      found_.words.push_back({std::move(word), std::move(meaning)});
    }
  }

  void add_options(const std::string& word) {
    for (const OptionText& option : text_.options) {
      const bool given = std::any_of(option.names.begin(), option.names.end(), [this](const std::string& name) {
        return std::find(before_.options.begin(), before_.options.end(), name) != before_.options.end();
      });
      if (!option.positional() && (!given || option.repeats)) {
        add(option.names.front(), option.help, word);
      }
    }
  }

  void add_values(const OptionText& option, const std::string& word, const std::string& prefix) {
    const std::string& kind = option.positional() && option.value.empty() ? option.names.front() : option.value;
    if (kind.find('|') != std::string::npos) {
      for (std::string_view rest = kind; !rest.empty();) {
        const std::size_t end = rest.find('|');
        if (rest.substr(0, end).starts_with(word)) {
          found_.words.push_back({prefix + std::string(rest.substr(0, end)), {}});
        }
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      }
    } else if (kind == "COMMAND") {
      for (const Command& command : commands()) {
        add(std::string(command.name), std::string(command.summary), word);
      }
    } else if (kind == "TASK" || kind == "NAME" || kind == "PLUGIN") {
      add_plugins(kind != "TASK", kind != "PLUGIN", word);
      found_.more = kind == "PLUGIN" && found_.words.empty() ? MoreCandidates::kFiles : MoreCandidates::kNone;
    } else if (kind == "PIPELINE") {
      add_pipelines(word);
    } else if (kind == "FILE" || kind == "PATH" || kind == "OLD" || kind == "NEW") {
      found_.more = MoreCandidates::kFiles;
    } else if (kind == "DIR" || kind == "PLUGIN_DIR") {
      found_.more = MoreCandidates::kDirectories;
    }
  }

  /// Returns the daemon's reply, for commands that talk to a daemon; nullopt if none replies in
  /// time.
  std::optional<serve::AnswerBodyUnion> ask_daemon() {
    constexpr std::chrono::milliseconds kPatience{1000};
    const bool talks = find_option(text_, "--socket") != nullptr && text_.name != "tenon serve";
    const bool local = text_.name == "tenon call" && before_.socket.empty() && !world_.variable("TENON_SOCKET");
    if (!talks || local) {
      return std::nullopt;
    }
    auto daemon = DaemonClient::connect(world_, before_.socket);
    if (!daemon) {
      return std::nullopt;
    }
    auto answer = daemon->ask(serve::GetStatusT(), kPatience);
    return answer && answer->AsStatus() != nullptr ? std::optional(std::move(*answer)) : std::nullopt;
  }

  void add_plugins(bool plugins, bool tasks, const std::string& word) {
    // The status of a daemon does not contain task names.
    const auto answer = tasks ? std::nullopt : ask_daemon();
    if (answer) {
      for (const auto& plugin : answer->AsStatus()->plugins) {
        add(plugin->name, "plugin " + plugin->version, word);
      }
      return;
    }
    const auto catalog = open_catalog(world_, before_.plugin_dirs);
    if (!catalog) {
      return;
    }
    for (const auto& plugin : catalog->plugins()) {
      if (!plugin->usable()) {
        continue;
      }
      if (plugins) {
        add(plugin->name, "plugin " + plugin->version, word);
      }
      // If plugins are candidates too, tasks are added only after the plugin's name is complete.
      if (tasks && (!plugins || word.find('.') != std::string::npos)) {
        for (const TaskInfo& task : plugin->schema->tasks()) {
          add(task.full_name, task.argument_type + " -> " + task.result_type, word);
        }
      }
    }
  }

  void add_pipelines(const std::string& word) {
    if (const auto answer = ask_daemon()) {
      for (const auto& pipeline : answer->AsStatus()->pipelines) {
        add(pipeline->name, pipeline->state, word);
      }
    }
  }

  const World& world_;
  const CommandText& text_;
  const Before before_;
  Candidates found_;
};

/// Returns the program's own options and its commands.
CommandText main_text() {
  CommandText text;
  text.name = "tenon";
  text.options.push_back({{"--help", "-h"}, "", "Show the commands"});
  text.options.push_back({{"--version", "-V"}, "", "Show the version"});
  text.options.push_back({{"--color"}, "auto|always|never", "When to use colors"});
  text.options.push_back({{"--json"}, "", "Write all output as JSON"});
  text.options.push_back({{"COMMAND"}, "", ""});
  return text;
}

}  // namespace

Candidates complete(const World& world, const std::vector<std::string>& given) {
  const std::vector<std::string> words = joined(given);
  const CommandText program = main_text();
  std::size_t at = 0;
  while (at + 1 < words.size() && words[at].starts_with('-')) {
    at += words[at] == "--color" ? 2 : 1;
  }
  if (at + 1 >= words.size()) {
    return words.empty() ? Candidates() : Completer(world, program, read_before(program, words)).complete(words.back());
  }
  const auto command = find_command(words[at]);
  if (!command) {
    return {};
  }
  const CommandText text = describe(world, **command);
  const std::vector<std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
  return Completer(world, text, read_before(text, rest)).complete(rest.back());
}

}  // namespace tenon::cli

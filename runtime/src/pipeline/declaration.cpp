#include "pipeline/declaration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "base/text.hpp"
#include "pipeline/quantity.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint64_t kMaxQueueItems = 1'000'000;

void read_plugin(const Entry& entry, const Environment& environment, Reporter& reporter,
                 PipelineDeclaration& declaration) {
  if (entry.value.kind != Value::Kind::kTable) {
    reporter.error(entry.place,
                   "'plugins." + entry.key + "' is " + std::string(kind_name(entry.value.kind)) + "; it takes a table",
                   "write [plugins." + entry.key + "]");
    return;
  }
  TableReader table(entry.value, "plugin '" + entry.key + "'", environment, reporter);
  table.check_keys({"version", "settings", "start_timeout", "memory"});
  PluginDeclaration plugin;
  plugin.name = entry.key;
  plugin.place = entry.place;
  plugin.version = table.text("version");
  // Limits that are valid were applied when the catalog was opened (plugin_limits.hpp). Here only
  // the errors in them are reported.
  if (const auto start_timeout = table.duration("start_timeout");
      start_timeout && start_timeout->value < std::chrono::milliseconds(1)) {
    table.fail(start_timeout->place, "'start_timeout' must be 1ms or more");
  }
  static_cast<void>(table.size("memory"));
  if (table.table("settings") != nullptr) {
    plugin.settings = table.entry("settings");
  }
  declaration.plugins.push_back(std::move(plugin));
}

void read_section(const Value& document, Section section, const QueueLimits& queue, const Environment& environment,
                  Reporter& reporter, PipelineDeclaration& declaration) {
  const std::string key = std::string(section_name(section)) + "s";
  const Entry* entry = document.find(key);
  if (entry == nullptr) {
    return;
  }
  if (entry->value.kind != Value::Kind::kTable) {
    reporter.error(entry->place, "'" + key + "' is " + std::string(kind_name(entry->value.kind)) + "; it takes tables",
                   "write [" + key + ".<name>]");
    return;
  }
  for (const Entry& one : entry->value.entries) {
    if (declaration.nodes.size() == kMaxNodes) {
      reporter.error(one.place,
                     "the file declares more than " + std::to_string(kMaxNodes) + " sources, stages and sinks");
      declaration.complete = false;
      return;
    }
    declaration.nodes.push_back(read_node(section, one, queue, environment, reporter));
  }
}

/// Only checks the key: the directories are read before the file is loaded (plugin_dirs.hpp).
void check_plugin_dirs(TableReader& table, const Environment& environment, Reporter& reporter) {
  const Entry* const listed = table.entry("plugin_dirs");
  if (listed == nullptr) {
    return;
  }
  if (listed->value.kind != Value::Kind::kArray) {
    table.fail(listed->value.place, "'plugin_dirs' is " + std::string(kind_name(listed->value.kind)) +
                                        "; it takes an array of directories, relative to this file");
    return;
  }
  for (const Value& written : listed->value.elements) {
    const std::optional<Value> value = environment.settle(written, reporter);
    if (value && (value->kind != Value::Kind::kString || value->text.empty())) {
      table.fail(value->place, "a plugin directory must be a string that is not empty");
    }
  }
}

/// Inputs name a node without its section, so all sections share their names.
void report_duplicates(const PipelineDeclaration& declaration, Reporter& reporter) {
  std::map<std::string_view, const NodeDeclaration*> first;
  std::vector<const NodeDeclaration*> ordered;
  for (const NodeDeclaration& node : declaration.nodes) {
    ordered.push_back(&node);
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const NodeDeclaration* a, const NodeDeclaration* b) {
    return std::pair(a->place.line, a->place.column) < std::pair(b->place.line, b->place.column);
  });
  for (const NodeDeclaration* node : ordered) {
    const auto [known, inserted] = first.emplace(node->name, node);
    if (!inserted) {
      const std::size_t group = reporter.error(
          node->place,
          "the name '" + node->name + "' is taken by a " + std::string(section_name(known->second->section)),
          "sources, stages and sinks share their names; choose another");
      reporter.note(group, known->second->place, "'" + node->name + "' is declared here");
    }
  }
}

}  // namespace

std::string_view section_name(Section section) noexcept {
  switch (section) {
    case Section::kSource:
      return "source";
    case Section::kStage:
      return "stage";
    case Section::kSink:
      return "sink";
  }
  return "stage";
}

TableReader::TableReader(const Value& table, std::string what, const Environment& environment, Reporter& reporter)
    : table_(table), what_(std::move(what)), environment_(environment), reporter_(reporter) {}

void TableReader::fail(const Place& place, std::string message, std::string hint) {
  broken_ = true;
  reporter_.error(place, std::move(message), std::move(hint));
}

void TableReader::check_keys(const std::vector<std::string>& known,
                             const std::function<std::string(const std::string&)>& elsewhere) {
  for (const Entry& entry : table_.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) {
      continue;
    }
    if (reporter_.saturated()) {
      fail(entry.place, "unknown key '" + entry.key + "' in " + what_);
      continue;
    }
    std::string hint = elsewhere ? elsewhere(entry.key) : std::string();
    if (hint.empty()) {
      hint = suggest(entry.key, known, "known are " + list_names(known, 16));
    }
    fail(entry.place, "unknown key '" + entry.key + "' in " + what_, std::move(hint));
  }
}

std::optional<Value> TableReader::settled(std::string_view key) {
  const Entry* found = table_.find(key);
  if (found == nullptr) {
    return std::nullopt;
  }
  std::optional<Value> value = environment_.settle(found->value, reporter_);
  broken_ = broken_ || !value;
  return value;
}

std::optional<Located<std::string>> TableReader::text(std::string_view key) {
  const std::optional<Value> value = settled(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->kind != Value::Kind::kString) {
    fail(value->place, "'" + std::string(key) + "' is " + std::string(kind_name(value->kind)) + "; it takes a string");
    return std::nullopt;
  }
  return Located<std::string>{value->text, value->place};
}

std::optional<Located<std::int64_t>> TableReader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  const std::optional<Value> value = settled(key);
  if (!value) {
    return std::nullopt;
  }
  std::int64_t number = value->integer;
  bool good = value->kind == Value::Kind::kInteger;
  if (value->from_environment) {
    const char* end = value->text.data() + value->text.size();
    const auto [stop, code] = std::from_chars(value->text.data(), end, number);
    good = code == std::errc() && stop == end;
  }
  if (!good) {
    fail(value->place, "'" + std::string(key) + "' is " +
                           (value->from_environment ? "'" + value->text + "'" : std::string(kind_name(value->kind))) +
                           "; it takes an integer");
    return std::nullopt;
  }
  if (number < least || number > most || value->large_integer > 0) {
    fail(value->place, "'" + std::string(key) + "' is " +
                           (value->from_environment ? std::to_string(number) : integer_text(*value)) + "; it takes " +
                           std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return Located<std::int64_t>{number, value->place};
}

std::optional<Located<std::chrono::nanoseconds>> TableReader::duration(std::string_view key) {
  const auto written = text(key);
  if (!written) {
    return std::nullopt;
  }
  const auto parsed = parse_duration(written->value);
  if (!parsed) {
    fail(written->place, parsed.error().message);
    return std::nullopt;
  }
  return Located<std::chrono::nanoseconds>{*parsed, written->place};
}

std::optional<Located<std::uint64_t>> TableReader::size(std::string_view key) {
  const auto written = text(key);
  if (!written) {
    return std::nullopt;
  }
  const auto parsed = parse_size(written->value);
  if (!parsed) {
    fail(written->place, parsed.error().message);
    return std::nullopt;
  }
  return Located<std::uint64_t>{*parsed, written->place};
}

const Value* TableReader::table(std::string_view key) {
  const Entry* found = table_.find(key);
  if (found == nullptr) {
    return nullptr;
  }
  if (found->value.kind != Value::Kind::kTable) {
    fail(found->value.place,
         "'" + std::string(key) + "' is " + std::string(kind_name(found->value.kind)) + "; it takes a table");
    return nullptr;
  }
  return &found->value;
}

void read_queue(TableReader& parent, const Environment& environment, Reporter& reporter, QueueLimits& limits) {
  const Value* value = parent.table("queue");
  if (value == nullptr) {
    return;
  }
  TableReader table(*value, "'queue'", environment, reporter);
  table.check_keys({"items", "bytes"});
  if (const auto items = table.integer("items", 1, kMaxQueueItems)) {
    limits.items = static_cast<std::uint32_t>(items->value);
  }
  if (const auto bytes = table.size("bytes")) {
    limits.bytes = bytes->value;
    if (bytes->value == 0) {
      table.fail(bytes->place, "a queue of 0 bytes holds nothing", "give at least \"1B\"; one item always fits");
    }
  }
}

PipelineDeclaration read_declarations(const Value& document, const Environment& environment, Reporter& reporter) {
  PipelineDeclaration declaration;
  TableReader root(document, "the file", environment, reporter);
  root.check_keys({"pipeline", "plugins", "sources", "stages", "sinks", "tests"});
  QueueLimits queue;
  if (const Value* value = root.table("pipeline")) {
    TableReader table(*value, "[pipeline]", environment, reporter);
    table.check_keys({"name", "description", "queue", "plugin_dirs", "give_up_after"});
    check_plugin_dirs(table, environment, reporter);
    if (auto name = table.text("name")) {
      declaration.name = std::move(name->value);
    }
    if (auto description = table.text("description")) {
      declaration.description = std::move(description->value);
    }
    if (const auto count = table.integer("give_up_after", 0, std::numeric_limits<std::int64_t>::max())) {
      declaration.give_up_after = static_cast<std::uint64_t>(count->value);
    }
    read_queue(table, environment, reporter, queue);
  }
  if (const Value* plugins = root.table("plugins")) {
    for (const Entry& entry : plugins->entries) {
      read_plugin(entry, environment, reporter, declaration);
    }
  }
  for (const Section section : {Section::kSource, Section::kStage, Section::kSink}) {
    read_section(document, section, queue, environment, reporter, declaration);
  }
  const auto has_source = [](const NodeDeclaration& node) { return node.section == Section::kSource; };
  if (std::none_of(declaration.nodes.begin(), declaration.nodes.end(), has_source)) {
    const Entry* sources = document.find("sources");
    reporter.error(sources != nullptr ? sources->place : Place{1, 1, 1, 0}, "the pipeline has no source",
                   "add [sources.<name>] with a task that gives items");
  }
  report_duplicates(declaration, reporter);
  return declaration;
}

}  // namespace tenon::internal

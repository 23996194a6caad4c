#include "pipeline/declaration.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "pipeline/declaration_groups.hpp"
#include "pipeline/declaration_rules.hpp"
#include "pipeline/declaration_streams.hpp"

namespace tenon::internal {
namespace {

using Keys = std::vector<std::string>;

}  // namespace

const Keys& keys_of(NodeKind kind) {
  static const Keys kSourceKeys = {"task", "args", "params", "timeout"};
  static const Keys kMapKeys = {"kind",  "task",  "params", "inputs",      "workers",    "timeout",
                                "retry", "order", "queue",  "output_name", "on_conflict"};
  static const Keys kExpandKeys = {"kind", "task", "params", "inputs", "workers", "timeout", "retry", "order", "queue"};
  static const Keys kRouteKeys = {"kind", "inputs", "field", "cases", "else", "queue"};
  static const Keys kBatchKeys = {"kind",     "task",    "params",  "inputs", "size",
                                  "max_wait", "workers", "timeout", "retry",  "queue"};
  static const Keys kReduceKeys = {"kind",  "task", "params", "inputs", "workers", "timeout",
                                   "queue", "by",   "window", "groups", "memory"};
  static const Keys kSinkKeys = {"task",  "params", "inputs", "workers",     "timeout",
                                 "retry", "order",  "queue",  "output_name", "on_conflict"};
  static const Keys kFilterKeys = {"kind", "inputs", "where", "queue"};
  static const Keys kProjectKeys = {"kind", "inputs", "fields", "defaults", "queue"};
  static const Keys kSampleKeys = {"kind", "inputs", "every", "fraction", "seed", "queue"};
  static const Keys kLimitKeys = {"kind", "inputs", "items", "queue"};
  static const Keys kThrottleKeys = {"kind", "inputs", "rate", "burst", "queue"};
  static const Keys kDelayKeys = {"kind", "inputs", "for", "queue"};
  switch (kind) {
    case NodeKind::kSource:
      return kSourceKeys;
    case NodeKind::kMap:
      return kMapKeys;
    case NodeKind::kExpand:
      return kExpandKeys;
    case NodeKind::kRoute:
      return kRouteKeys;
    case NodeKind::kBatch:
      return kBatchKeys;
    case NodeKind::kReduce:
      return kReduceKeys;
    case NodeKind::kSink:
      return kSinkKeys;
    case NodeKind::kFilter:
      return kFilterKeys;
    case NodeKind::kProject:
      return kProjectKeys;
    case NodeKind::kSample:
      return kSampleKeys;
    case NodeKind::kLimit:
      return kLimitKeys;
    case NodeKind::kThrottle:
      return kThrottleKeys;
    case NodeKind::kDelay:
      return kDelayKeys;
    case NodeKind::kGiven:
    case NodeKind::kCollect:
      break;  // Only tests have these nodes.
  }
  static const Keys kNone;
  return kNone;
}

namespace {

/// The kinds of [stages.x].
constexpr NodeKind kStageKinds[] = {NodeKind::kMap,    NodeKind::kExpand,   NodeKind::kRoute,   NodeKind::kBatch,
                                    NodeKind::kReduce, NodeKind::kFilter,   NodeKind::kProject, NodeKind::kSample,
                                    NodeKind::kLimit,  NodeKind::kThrottle, NodeKind::kDelay};

/// Returns where a key belongs that a node of this kind does not have.
std::string belongs_to(const std::string& key, NodeKind kind) {
  if (kind == NodeKind::kSource && key == "inputs") {
    return "a source has no inputs; a task that takes items belongs under [stages.<name>]";
  }
  if (key == "args") {
    return "only a source has 'args'; settings of a task are its 'params'";
  }
  std::vector<std::string> kinds;
  for (const NodeKind other : kStageKinds) {
    const Keys& known = keys_of(other);
    if (std::find(known.begin(), known.end(), key) != known.end()) {
      kinds.push_back("\"" + std::string(node_kind_name(other)) + "\"");
    }
  }
  if (kinds.empty() || key == "kind") {
    return {};
  }
  return "'" + key + "' belongs to a stage of kind " + list_names(kinds);
}

/// Returns whether a name is valid in `inputs`, in messages and in every graph format.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() >= 'a' && name.front() <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

class NodeReader {
 public:
  NodeReader(NodeDeclaration& node, const Value& table, const Environment& environment, Reporter& reporter)
      : node_(node),
        table_(table, std::string(section_name(node.section)) + " '" + node.name + "'", environment, reporter),
        environment_(environment),
        reporter_(reporter) {}

  void read() {
    if (!is_name(node_.name)) {
      table_.fail(node_.place, "'" + node_.name + "' is not a name",
                  "a name starts with a-z and continues with a-z, 0-9, _ or -; at most 64 characters");
    }
    if (!read_kind()) {
      // The kind decides which keys are allowed, so only the inputs are read here.
      if (node_.section != Section::kSource) {
        read_inputs();
      }
      node_.broken = true;
      return;
    }
    table_.check_keys(keys(), [&](const std::string& key) {
      return uses_stream(node_) ? stream_hint(key) : belongs_to(key, node_.kind);
    });
    if (uses_stream(node_)) {
      read_stream(node_, table_, environment_, reporter_);
    } else if (!needs_no_task(node_.kind)) {
      read_task();
    }
    if (node_.kind != NodeKind::kSource) {
      read_inputs();
      read_queue(table_, environment_, reporter_, node_.queue);
    }
    if (node_.kind == NodeKind::kReduce) {
      read_groups(node_, table_, environment_, reporter_);
    }
    read_flow();
    if (node_.kind == NodeKind::kRoute) {
      read_route();
    }
    if (node_.kind == NodeKind::kBatch) {
      read_batch();
    }
    read_item_rule(node_, table_, environment_, reporter_);
    node_.broken = node_.broken || table_.broken();
  }

 private:
  [[nodiscard]] const Keys& keys() const {
    return uses_stream(node_) ? stream_keys_of(node_.section) : keys_of(node_.kind);
  }

  [[nodiscard]] bool knows(const std::string& key) const {
    const Keys& known = keys();
    return std::find(known.begin(), known.end(), key) != known.end();
  }

  /// Returns false after reporting an unknown kind.
  bool read_kind() {
    if (node_.section != Section::kStage) {
      return read_stream_kind();
    }
    const auto kind = table_.text("kind");
    if (!kind) {
      return table_.entry("kind") == nullptr;
    }
    Keys kinds;
    for (const NodeKind one : kStageKinds) {
      kinds.emplace_back(node_kind_name(one));
    }
    const auto found = std::find(kinds.begin(), kinds.end(), kind->value);
    if (found == kinds.end()) {
      table_.fail(kind->place, "unknown kind '" + kind->value + "'",
                  suggest(kind->value, kinds, "kinds are " + list_names(kinds)));
      return false;
    }
    node_.kind = kStageKinds[found - kinds.begin()];
    node_.kind_given = true;
    return true;
  }

  /// Sources and sinks have a kind only if they have no task.
  bool read_stream_kind() {
    const bool source = node_.section == Section::kSource;
    const auto kind = table_.text("kind");
    if (!kind) {
      return table_.entry("kind") == nullptr;
    }
    const Keys kinds = {source ? "stdin" : "stdout"};
    if (kind->value != kinds.front()) {
      table_.fail(kind->place, "unknown kind '" + kind->value + "' of a " + std::string(section_name(node_.section)),
                  suggest(kind->value, kinds,
                          "leave 'kind' out if it has a task; kind = \"" + kinds.front() + "\" " +
                              (source ? "reads standard input" : "writes standard output")));
      return false;
    }
    node_.rule = source ? ItemRule(InputRule()) : ItemRule(OutputRule());
    return true;
  }

  void read_task() {
    node_.task = table_.text("task");
    if (!node_.task && table_.entry("task") == nullptr) {
      table_.fail(node_.place, std::string(section_name(node_.section)) + " '" + node_.name + "' has no task",
                  "add task = \"<plugin>.<task>\"");
    }
    if (table_.table("params") != nullptr) {
      node_.params = table_.entry("params");
    }
    if (node_.kind == NodeKind::kSource && table_.table("args") != nullptr) {
      node_.args = table_.entry("args");
    }
  }

  void read_inputs() {
    const Entry* entry = table_.entry("inputs");
    if (entry == nullptr) {
      table_.fail(node_.place, std::string(section_name(node_.section)) + " '" + node_.name + "' has no inputs",
                  "add inputs = [\"<source or stage>\"]");
      return;
    }
    node_.inputs_given = true;
    std::vector<Value> single;
    const std::vector<Value>* values = &entry->value.elements;
    if (entry->value.kind == Value::Kind::kString || Environment::is_reference(entry->value)) {
      single.push_back(entry->value);
      values = &single;
    } else if (entry->value.kind != Value::Kind::kArray) {
      table_.fail(entry->value.place,
                  "'inputs' is " + std::string(kind_name(entry->value.kind)) + "; it takes an array of names");
      return;
    }
    if (values->empty()) {
      table_.fail(entry->value.place, "'inputs' is empty", "name at least one source or stage");
    }
    if (values->size() > kMaxNamesInList) {
      table_.fail(entry->value.place, "there are more than " + std::to_string(kMaxNamesInList) + " inputs");
      return;
    }
    std::map<std::string, Place> seen;
    for (const Value& written : *values) {
      const std::optional<Value> value = environment_.settle(written, reporter_);
      if (!value || value->kind != Value::Kind::kString) {
        if (value) {
          table_.fail(value->place, "an input is " + std::string(kind_name(value->kind)) + "; it takes a name");
        }
        node_.broken = true;
        continue;
      }
      const auto [first, inserted] = seen.emplace(value->text, value->place);
      if (!inserted) {
        table_.fail(value->place, "input '" + value->text + "' is named twice");
        continue;
      }
      InputDeclaration input;
      const std::size_t dot = value->text.find('.');
      input.node = value->text.substr(0, dot);
      input.output = dot == std::string::npos ? std::string() : value->text.substr(dot + 1);
      input.place = value->place;
      node_.inputs.push_back(std::move(input));
    }
  }

  void read_flow() {
    if (knows("workers") && table_.entry("workers") != nullptr) {
      read_workers();
    }
    if (knows("timeout")) {
      node_.timeout = table_.duration("timeout");
      if (node_.timeout && node_.timeout->value.count() == 0) {
        const bool items =
            node_.kind != NodeKind::kSource && node_.kind != NodeKind::kReduce && node_.kind != NodeKind::kExpand;
        table_.fail(node_.timeout->place, std::string("a time-out of 0 would fail every ") + (items ? "item" : "step"),
                    "leave it out for no time-out");
      }
    }
    if (knows("retry")) {
      read_retry();
    }
    if (knows("order")) {
      read_order();
    }
    if (knows("on_conflict")) {
      node_.output_name = table_.text("output_name");
      read_on_conflict();
    }
  }

  void read_on_conflict() {
    const auto written = table_.text("on_conflict");
    if (!written) {
      return;
    }
    static const Keys kNames = {"error", "number", "replace"};
    static constexpr OnConflict kValues[] = {OnConflict::kError, OnConflict::kNumber, OnConflict::kReplace};
    const auto found = std::find(kNames.begin(), kNames.end(), written->value);
    if (found == kNames.end()) {
      table_.fail(written->place, "'on_conflict' is \"" + written->value + "\"; it takes " + list_names(kNames),
                  suggest(written->value, kNames));
      return;
    }
    node_.on_conflict = Located<OnConflict>{kValues[found - kNames.begin()], written->place};
  }

  void read_workers() {
    const std::optional<Value> value = table_.settled("workers");
    if (!value) {
      return;
    }
    Located<std::uint32_t> workers;
    workers.place = value->place;
    if (value->kind == Value::Kind::kString && value->text == "auto") {
      node_.workers = workers;
      return;
    }
    if (value->kind == Value::Kind::kString && !value->from_environment) {
      table_.fail(value->place, "'workers' is \"" + value->text + "\"; it takes a number or \"auto\"");
      return;
    }
    if (const auto number = table_.integer("workers", 1, 4096)) {
      workers.value = static_cast<std::uint32_t>(number->value);
      const bool whole = table_.entry("by") == nullptr && table_.entry("window") == nullptr;
      if (node_.kind == NodeKind::kReduce && whole && workers.value != 1) {
        table_.fail(value->place, "a reduce without 'by' or 'window' is one session: 'workers' is 1",
                    "kind = \"batch\" runs several, one result for each batch");
        return;
      }
      node_.workers = workers;
    }
  }

  void read_retry() {
    const Value* value = table_.table("retry");
    if (value == nullptr) {
      return;
    }
    TableReader table(*value, "'retry'", environment_, reporter_);
    table.check_keys({"attempts", "backoff", "max"});
    RetryPolicy retry;
    retry.attempts = 3;
    if (const auto attempts = table.integer("attempts", 1, 1000)) {
      retry.attempts = static_cast<std::uint32_t>(attempts->value);
    }
    if (const auto backoff = table.duration("backoff")) {
      retry.backoff = backoff->value;
    }
    if (const auto max = table.duration("max")) {
      retry.max = max->value;
      if (max->value < retry.backoff) {
        table.fail(max->place, "'max' is shorter than 'backoff'", "waits double from 'backoff' up to 'max'");
      }
    }
    retry.max = std::max(retry.max, retry.backoff);
    node_.retry = retry;
    node_.broken = node_.broken || table.broken();
  }

  void read_order() {
    const auto order = table_.text("order");
    if (!order || order->value == "none") {
      return;
    }
    if (order->value == "input") {
      node_.order = OrderKind::kInput;
    } else if (order->value.starts_with("key:") && order->value.size() > 4) {
      node_.order = OrderKind::kKey;
      node_.order_field = Located<std::string>{order->value.substr(4), order->place};
    } else {
      static const Keys kOrders = {"none", "input", "key:<field>"};
      table_.fail(order->place, "unknown order '" + order->value + "'",
                  suggest(order->value, kOrders, "orders are none, input and key:<field>"));
    }
  }

  void read_route() {
    node_.field = table_.text("field");
    const bool by_conditions = routes_by_conditions();
    if (!node_.field && table_.entry("field") == nullptr && !by_conditions) {
      table_.fail(node_.place, "route '" + node_.name + "' has no field", "add field = \"<field of the item>\"");
    }
    node_.else_place = node_.place;
    if (const auto otherwise = table_.text("else")) {
      node_.else_place = otherwise->place;
      if (otherwise->value != "drop") {
        table_.fail(otherwise->place, "'else' is '" + otherwise->value + "'; it only takes \"drop\"",
                    "to process the other items, leave it out and name '" + node_.name + ".else' in an input");
      }
      node_.else_dropped = true;
    }
    const Value* cases = table_.table("cases");
    if (cases == nullptr) {
      if (table_.entry("cases") == nullptr) {
        table_.fail(node_.place, "route '" + node_.name + "' has no cases",
                    "add cases = { <output> = [\"<value>\", ...] }");
      }
      return;
    }
    if (cases->entries.empty()) {
      table_.fail(cases->place, "'cases' is empty", "give at least one: { <output> = [\"<value>\", ...] }");
    }
    if (cases->entries.size() > kMaxNamesInList) {
      table_.fail(cases->place, "there are more than " + std::to_string(kMaxNamesInList) + " cases");
      return;
    }
    std::map<std::string, Place> seen;
    for (const Entry& entry : cases->entries) {
      by_conditions ? read_condition_case(entry) : read_case(entry, seen);
    }
  }

  /// Returns whether the cases are conditions: the route names no field, and each case is a table.
  [[nodiscard]] bool routes_by_conditions() const {
    const Entry* const cases = table_.entry("cases");
    return table_.entry("field") == nullptr && cases != nullptr && cases->value.kind == Value::Kind::kTable &&
           !cases->value.entries.empty() &&
           std::all_of(cases->value.entries.begin(), cases->value.entries.end(), [](const Entry& entry) {
             return entry.value.kind == Value::Kind::kTable && !Environment::is_reference(entry.value);
           });
  }

  void read_condition_case(const Entry& entry) {
    CaseDeclaration one;
    one.name = entry.key;
    one.place = entry.place;
    if (!check_case_name(entry, "conditions")) {
      return;
    }
    one.condition = parse_condition(entry.value, "case '" + entry.key + "'", environment_, reporter_);
    if (!one.condition) {
      node_.broken = true;
    } else {
      for (const CaseDeclaration& earlier : node_.cases) {
        if (earlier.condition && same_condition(*earlier.condition, *one.condition)) {
          node_.broken = true;
          const std::size_t group =
              reporter_.error(entry.place, "case '" + entry.key + "' never gets an item: case '" + earlier.name +
                                               "' has the same condition and comes first");
          reporter_.note(group, earlier.place, "'" + earlier.name + "' is declared here");
          break;
        }
      }
    }
    node_.cases.push_back(std::move(one));
  }

  /// Returns false for a case that has no output; a name that is not valid is reported too.
  bool check_case_name(const Entry& entry, std::string_view content) {
    if (entry.key == "else") {
      table_.fail(entry.place, "'else' is the output of all other items; it has no " + std::string(content),
                  "write else = \"drop\" beside 'cases', or name '" + node_.name + ".else' in an input");
      return false;
    }
    if (!is_name(entry.key)) {
      table_.fail(entry.place, "'" + entry.key + "' is not a name for an output",
                  "a name starts with a-z and continues with a-z, 0-9, _ or -");
    }
    return true;
  }

  void read_case(const Entry& entry, std::map<std::string, Place>& seen) {
    CaseDeclaration one;
    one.name = entry.key;
    one.place = entry.place;
    if (!check_case_name(entry, "values")) {
      return;
    }
    std::vector<Value> single;
    const std::vector<Value>* values = &entry.value.elements;
    if (entry.value.kind != Value::Kind::kArray) {
      single.push_back(entry.value);
      values = &single;
    }
    if (values->empty()) {
      table_.fail(entry.value.place, "case '" + entry.key + "' has no values");
    }
    for (const Value& written : *values) {
      const std::optional<Value> value = environment_.settle(written, reporter_);
      if (!value) {
        node_.broken = true;
        continue;
      }
      CaseValue text;
      text.place = value->place;
      text.kind = value->kind;
      switch (value->kind) {
        case Value::Kind::kString:
          text.value = value->text;
          break;
        case Value::Kind::kInteger:
          text.value = integer_text(*value);
          break;
        case Value::Kind::kBool:
          text.value = value->boolean ? "true" : "false";
          break;
        default:
          table_.fail(value->place,
                      "a case has strings, integers and booleans, not " + std::string(kind_name(value->kind)));
          continue;
      }
      const auto [first, inserted] = seen.emplace(text.value, text.place);
      if (!inserted) {
        node_.broken = true;
        const std::size_t group = reporter_.error(text.place, "the value '" + text.value + "' appears twice");
        reporter_.note(group, first->second, "it appears here first");
        continue;
      }
      one.values.push_back(std::move(text));
    }
    node_.cases.push_back(std::move(one));
  }

  void read_batch() {
    if (const auto size = table_.integer("size", 1, 1'000'000)) {
      node_.batch_size = static_cast<std::uint32_t>(size->value);
    } else if (table_.entry("size") == nullptr) {
      table_.fail(node_.place, "batch '" + node_.name + "' has no size", "add size = <items in a batch>");
    }
    if (const auto wait = table_.duration("max_wait")) {
      node_.batch_wait = wait->value;
    }
  }

  NodeDeclaration& node_;
  TableReader table_;
  const Environment& environment_;
  Reporter& reporter_;
};

}  // namespace

NodeDeclaration read_node(Section section, const Entry& entry, const QueueLimits& queue, const Environment& environment,
                          Reporter& reporter) {
  NodeDeclaration node;
  node.section = section;
  node.kind = section == Section::kSource ? NodeKind::kSource
              : section == Section::kSink ? NodeKind::kSink
                                          : NodeKind::kMap;
  node.name = entry.key;
  node.place = entry.place;
  node.queue = queue;
  if (entry.value.kind != Value::Kind::kTable) {
    reporter.error(entry.value.place,
                   "'" + std::string(section_name(section)) + "s." + entry.key + "' is " +
                       std::string(kind_name(entry.value.kind)) + "; it takes a table",
                   "write [" + std::string(section_name(section)) + "s." + entry.key + "]");
    // A sink has no output, so messages do not mention one.
    node.kind = NodeKind::kSink;
    node.broken = true;
    return node;
  }
  NodeReader(node, entry.value, environment, reporter).read();
  return node;
}

}  // namespace tenon::internal

#include "pipeline/resolve_tests.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "pipeline/compile_condition.hpp"
#include "pipeline/encode.hpp"
#include "pipeline/test_declaration.hpp"
#include "pipeline/test_plan.hpp"

namespace tenon::internal {
namespace {

constexpr std::string_view kRecordType = "tenon.Record";

std::string name_of(const TestDeclaration& test) {
  return "test '" + test.name + "'";
}

/// Turns `{ code = 503 }` into the fields of a tenon.Record.
class RecordWriter {
 public:
  RecordWriter(const Environment& environment, Reporter& reporter) : environment_(environment), reporter_(reporter) {}

  /// Returns nullopt after reporting an error.
  std::optional<Value> write(const Value& table) {
    Value fields = like(table, Value::Kind::kArray);
    bool good = true;
    for (const Entry& entry : table.entries) {
      std::optional<Value> field = write_field(entry);
      good = good && field;
      if (field) {
        fields.elements.push_back(std::move(*field));
      }
    }
    if (!good) {
      return std::nullopt;
    }
    Value record = like(table, Value::Kind::kTable);
    add(record, "fields", std::move(fields));
    return record;
  }

 private:
  static Value like(const Value& value, Value::Kind kind) {
    Value out;
    out.kind = kind;
    out.place = value.place;
    return out;
  }

  static void add(Value& table, std::string key, Value value) {
    const Place place = value.place;
    table.entries.push_back({std::move(key), place, std::move(value)});
  }

  static Value text(const Value& value, std::string content) {
    Value out = like(value, Value::Kind::kString);
    out.text = std::move(content);
    return out;
  }

  std::optional<Value> write_field(const Entry& entry) {
    const std::optional<Value> value = environment_.settle(entry.value, reporter_);
    if (!value) {
      return std::nullopt;
    }
    const char* type = nullptr;
    switch (value->kind) {
      case Value::Kind::kString:
        type = "TextValue";
        break;
      case Value::Kind::kInteger:
        type = "IntValue";
        break;
      case Value::Kind::kFloat:
        type = "FloatValue";
        break;
      case Value::Kind::kBool:
        type = "BoolValue";
        break;
      case Value::Kind::kTable:
        type = value->entries.empty() ? "NullValue" : nullptr;
        break;
      case Value::Kind::kArray:
      case Value::Kind::kDateTime:
        break;
    }
    if (type == nullptr) {
      reporter_.error(value->place,
                      "'" + entry.key + "' of a record is " + std::string(kind_name(value->kind)) +
                          "; it takes a string, a number or a boolean, or {} for a null value",
                      "the fields of a record are written as a table: { <name> = <value> }");
      return std::nullopt;
    }
    Value inner = like(*value, Value::Kind::kTable);
    if (value->kind != Value::Kind::kTable) {
      add(inner, "value", *value);
    }
    Value field = like(*value, Value::Kind::kTable);
    add(field, "name", text(*value, entry.key));
    add(field, "value_type", text(*value, type));
    add(field, "value", std::move(inner));
    return field;
  }

  const Environment& environment_;
  Reporter& reporter_;
};

class TestResolver {
 public:
  TestResolver(const TestDeclaration& test, Environment environment, const TaskDirectory& directory, bool sound,
               const Graph::Impl& graph, Reporter& reporter)
      : test_(test),
        environment_(std::move(environment)),
        directory_(directory),
        sound_(sound),
        graph_(graph),
        reporter_(reporter) {}

  TestPlan run(const std::string& file) {
    plan_.name = test_.name;
    plan_.file = file;
    plan_.line = test_.place.line;
    plan_.timeout = test_.timeout;
    plan_.directory = test_.directory;
    plan_.files = test_.files;
    for (const GiveDeclaration& give : test_.gives) {
      resolve_give(give);
    }
    for (const ExpectDeclaration& expect : test_.expects) {
      resolve_expect(expect);
    }
    if (sound_) {
      cover();
    }
    return std::move(plan_);
  }

 private:
  std::optional<std::uint32_t> find_node(const std::string& name, const Place& place) {
    for (std::uint32_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].name == name) {
        return i;
      }
    }
    std::vector<std::string> names;
    for (const PlanNode& node : graph_.nodes) {
      names.push_back(node.name);
    }
    complete_ = false;
    reporter_.error(place, "there is no source, stage or sink '" + name + "'",
                    suggest(name, names, "they are " + list_names(names)));
    return std::nullopt;
  }

  /// Returns whether items of this type can be written. Reports it if they cannot.
  bool check_type(const EdgeType& type, const std::string& name, const Place& place) {
    if (!type.name.empty() && type.name != kAnyType) {
      return true;
    }
    if (sound_) {
      reporter_.error(
          place, "'" + name + "' has items of several types, which a test cannot name by their fields",
          "give or expect items at a stage before it; of this one, a test can expect count, none and fails");
    }
    return false;
  }

  std::optional<Buffer> encode(const Value& item, const EdgeType& type, const std::string& what, bool partial) {
    std::optional<Value> record;
    if (type.name == kRecordType) {
      record = RecordWriter(environment_, reporter_).write(item);
      if (!record) {
        return std::nullopt;
      }
    }
    const Entry entry{{}, item.place, record ? std::move(*record) : item};
    EncodeRequest request;
    request.plugin = type.plugin;
    request.type = type.name;
    request.entry = &entry;
    request.owner = item.place;
    request.what = what;
    request.partial = partial;
    return encode_table(directory_, request, environment_, reporter_);
  }

  void resolve_give(const GiveDeclaration& give) {
    const std::optional<std::uint32_t> node = find_node(give.node, give.place);
    if (!node) {
      return;
    }
    const PlanNode& plan = graph_.nodes[*node];
    const EdgeType& type = plan.kind == NodeKind::kSource ? plan.output_type : plan.input_type;
    TestGive out;
    out.node = *node;
    if (!give.items->empty() && check_type(type, give.node, give.place)) {
      for (const Value& item : *give.items) {
        if (item.kind != Value::Kind::kTable) {
          continue;  // It has been reported.
        }
        if (auto encoded = encode(item, type, "an item of '" + give.node + "'", false)) {
          out.items.push_back(std::move(*encoded));
        }
      }
    }
    gives_.emplace(*node, give.place);
    plan_.gives.push_back(std::move(out));
  }

  /// Returns the output of a node that an expectation names.
  std::optional<std::uint32_t> find_output(const PlanNode& plan, const ExpectDeclaration& expect, bool collects) {
    if (plan.kind == NodeKind::kSource) {
      reporter_.error(expect.place, "'" + expect.node + "' is a source, which does not run in a test",
                      "give its items by give." + expect.node + ", and expect something of a stage behind it");
      return std::nullopt;
    }
    for (std::uint32_t i = 0; i < plan.outputs.size(); ++i) {
      if (plan.outputs[i].name == expect.output) {
        if (collects && plan.kind == NodeKind::kRoute && i == plan.else_output && plan.else_dropped) {
          reporter_.error(expect.place, "the output 'else' of route '" + expect.node + "' is dropped",
                          "expect the items of its other outputs");
          return std::nullopt;
        }
        return i;
      }
    }
    if (expect.output.empty() && (plan.kind == NodeKind::kSink || !collects)) {
      return 0;
    }
    std::vector<std::string> names;
    for (const PlanOutput& output : plan.outputs) {
      names.push_back(output.name.empty() ? expect.node : "\"" + expect.node + "." + output.name + "\"");
    }
    if (names.empty()) {
      names.push_back(expect.node);
    }
    reporter_.error(expect.place,
                    expect.output.empty() ? "route '" + expect.node + "' has several outputs"
                                          : "'" + expect.node + "' has no output '" + expect.output + "'",
                    "name one: " + list_names(names));
    return std::nullopt;
  }

  void resolve_expect(const ExpectDeclaration& expect) {
    const std::optional<std::uint32_t> node = find_node(expect.node, expect.place);
    if (!node) {
      return;
    }
    const PlanNode& plan = graph_.nodes[*node];
    const bool collects = expect.values != nullptr || expect.where || expect.count;
    TestExpectation out;
    out.node = *node;
    out.name = expect.output.empty() ? expect.node : expect.node + "." + expect.output;
    out.type = plan.output_type;
    if (sound_) {
      const std::optional<std::uint32_t> output = find_output(plan, expect, collects);
      if (!output) {
        complete_ = false;
        return;
      }
      out.output = *output;
    }
    out.count = expect.count;
    out.failures = expect.failures;
    const bool reads = (expect.values != nullptr && !expect.values->empty()) || expect.where;
    const bool typed = !reads || check_type(out.type, out.name, expect.place);
    if (expect.values != nullptr) {
      out.values = ExpectedValues{{}, expect.ordered, expect.exact};
      for (const Value& item : *expect.values) {
        if (!typed || item.kind != Value::Kind::kTable) {
          continue;
        }
        if (auto encoded = encode(item, out.type, "an item of '" + out.name + "'", !expect.exact)) {
          out.values->items.push_back({item, std::move(*encoded)});
        }
      }
    }
    if (expect.where && typed) {
      const std::string what = "'where' of '" + out.name + "'";
      if (auto decision = compile_conditions({&*expect.where}, out.type, what, directory_, reporter_)) {
        out.where = std::make_shared<const Decision>(std::move(*decision));
        out.where_place = reporter_.place_text(expect.where_place);
      }
    }
    places_.push_back(expect.place);
    plan_.expectations.push_back(std::move(out));
  }

  /// Finds the nodes between what is given and what is expected.
  void cover() {
    std::set<std::uint32_t> covered;
    std::set<std::uint32_t> missing;
    for (std::size_t i = 0; i < plan_.expectations.size(); ++i) {
      std::vector<std::uint32_t> open{plan_.expectations[i].node};
      while (!open.empty()) {
        const std::uint32_t node = open.back();
        open.pop_back();
        const PlanNode& plan = graph_.nodes[node];
        if (!covered.insert(node).second || gives_.count(node) > 0) {
          continue;
        }
        if (plan.kind == NodeKind::kSource && missing.insert(node).second) {
          report_missing(plan, plan_.expectations[i], places_[i]);
        }
        for (const std::uint32_t edge : plan.inputs) {
          open.push_back(graph_.edges[edge].from);
        }
      }
    }
    plan_.covered.assign(covered.begin(), covered.end());
    for (const auto& [node, place] : gives_) {
      if (covered.count(node) == 0 && complete_ && !plan_.expectations.empty()) {
        reporter_.error(place, "nothing that the test expects depends on '" + graph_.nodes[node].name + "'",
                        "expect something of a stage behind it, or leave it out of 'give'");
      }
    }
  }

  void report_missing(const PlanNode& source, const TestExpectation& expectation, const Place& place) {
    if (!complete_) {
      return;  // The misspelt name may be that of the source.
    }
    reporter_.error(place,
                    "'" + expectation.name + "' depends on source '" + source.name + "', to which " + name_of(test_) +
                        " gives nothing",
                    "sources do not run in a test; add give." + source.name +
                        " = [...], which may be empty, or give the items of a stage in between");
  }

  const TestDeclaration& test_;
  Environment environment_;
  const TaskDirectory& directory_;
  bool sound_;
  const Graph::Impl& graph_;
  Reporter& reporter_;
  TestPlan plan_;
  std::map<std::uint32_t, Place> gives_;
  std::vector<Place> places_;  ///< Of the expectations in `plan_`.
  bool complete_ = true;       ///< Every name was found.
};

}  // namespace

void resolve_tests(const Value& document, const std::string& file, const TaskDirectory& directory,
                   const Environment& environment, bool sound, std::map<std::string, std::string>& names,
                   Graph::Impl& graph, Reporter& reporter) {
  for (const TestDeclaration& test : read_tests(document, environment, names, reporter)) {
    std::map<std::string, std::string> paths;
    if (!test.directory.empty()) {
      const std::filesystem::path directory_path(test.directory);
      paths.emplace(".", test.directory);
      for (const auto& [name, content] : test.files) {
        paths.emplace(name, (directory_path / name).string());
      }
    }
    TestPlan plan =
        TestResolver(test, environment.with_files(std::move(paths)), directory, sound, graph, reporter).run(file);
    if (sound) {
      graph.tests.push_back(std::make_shared<const TestPlan>(std::move(plan)));
    }
  }
}

}  // namespace tenon::internal

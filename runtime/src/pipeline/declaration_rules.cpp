#include "pipeline/declaration_rules.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/quantity.hpp"

namespace tenon::internal {
namespace {

constexpr std::size_t kMostFields = 1000;
constexpr std::int64_t kMostItems = std::numeric_limits<std::int64_t>::max();
/// A throttle with more items in its period, or in a burst, is refused.
constexpr std::int64_t kMostRate = 1'000'000'000;
/// By default, a throttle lets as many items pass at once as it lets pass in this time: the timers
/// of the engine are not exact enough to let each item pass by itself at a high rate.
constexpr std::chrono::milliseconds kUsualBurst{10};

class RuleReader {
 public:
  RuleReader(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter)
      : node_(node), table_(table), environment_(environment), reporter_(reporter) {}

  void read_filter() {
    const Entry* const where = table_.entry("where");
    if (where == nullptr) {
      require("where", "add where = { <field> = <value> }");
      return;
    }
    node_.where = parse_condition(where->value, "'where'", environment_, reporter_);
    node_.broken = node_.broken || !node_.where;
  }

  void read_project() {
    const Entry* const fields = table_.entry("fields");
    if (fields == nullptr) {
      require("fields", "add fields = [\"<field>\", ...] or fields = { <name> = \"<field>\" }");
      return;
    }
    const Value& value = fields->value;
    if (value.kind == Value::Kind::kArray) {
      for (const Value& element : value.elements) {
        add_field(element, nullptr);
      }
    } else if (value.kind == Value::Kind::kTable && !Environment::is_reference(value)) {
      for (const Entry& entry : value.entries) {
        add_field(entry.value, &entry);
      }
    } else {
      table_.fail(value.place,
                  "'fields' is " + std::string(kind_name(value.kind)) + "; it takes an array of fields or a table",
                  "write fields = [\"<field>\", ...] or fields = { <name> = \"<field>\" }");
      return;
    }
    if (value.elements.empty() && value.entries.empty()) {
      table_.fail(value.place, "'fields' is empty", "name at least one field");
    }
    if (node_.fields.size() > kMostFields) {
      table_.fail(value.place, "there are more than " + std::to_string(kMostFields) + " fields");
    }
    read_defaults();
  }

  void read_sample() {
    SampleRule rule;
    if (const auto every = table_.integer("every", 1, kMostItems)) {
      rule.every = static_cast<std::uint64_t>(every->value);
    }
    if (const auto seed = table_.integer("seed", 0, kMostItems)) {
      rule.seed = static_cast<std::uint64_t>(seed->value);
    }
    if (const Entry* const fraction = table_.entry("fraction")) {
      read_fraction(*fraction, rule);
    } else if (const Entry* const seed = table_.entry("seed")) {
      table_.fail(seed->place, "'seed' does nothing without 'fraction'",
                  "add fraction = <0 to 1>, or leave 'seed' out");
    } else if (table_.entry("every") == nullptr) {
      table_.fail(node_.place, "sample '" + node_.name + "' has neither 'every' nor 'fraction'",
                  "add every = <items> or fraction = <0 to 1>");
    }
    node_.rule = rule;
  }

  void read_limit() {
    LimitRule rule;
    if (const auto items = table_.integer("items", 1, kMostItems)) {
      rule.items = static_cast<std::uint64_t>(items->value);
    } else if (table_.entry("items") == nullptr) {
      require("items", "add items = <number of items>");
    }
    node_.rule = rule;
  }

  void read_throttle() {
    ThrottleRule rule;
    if (const auto rate = table_.text("rate")) {
      if (!parse_rate(rate->value, rule)) {
        table_.fail(rate->place, "'" + rate->value + "' is not a rate",
                    "write it as in \"100/s\", \"30/m\" or \"1/10s\"");
      }
    } else if (table_.entry("rate") == nullptr) {
      require("rate", "add rate = \"<items>/s\"");
    }
    const double in_burst = static_cast<double>(rule.items) *
                            (std::chrono::duration<double>(kUsualBurst) / std::chrono::duration<double>(rule.period));
    rule.burst = static_cast<std::uint64_t>(std::max(1.0, std::floor(in_burst)));
    if (const auto burst = table_.integer("burst", 1, kMostRate)) {
      rule.burst = static_cast<std::uint64_t>(burst->value);
      constexpr std::chrono::duration<double> kLongestCredit = std::chrono::hours(24 * 10'000);
      const std::chrono::duration<double> credit = std::chrono::duration<double>(rule.period) /
                                                   static_cast<double>(rule.items) * static_cast<double>(rule.burst);
      if (credit > kLongestCredit) {
        table_.fail(burst->place, "at this rate, a burst of this size takes more than 10000 days",
                    "take a smaller burst");
        rule.burst = 1;
      }
    }
    node_.rule = rule;
  }

  void read_delay() {
    DelayRule rule;
    if (const auto time = table_.duration("for")) {
      rule.time = time->value;
      if (time->value.count() == 0) {
        table_.fail(time->place, "a delay of 0 does nothing", "leave the stage out");
      }
    } else if (table_.entry("for") == nullptr) {
      require("for", "add for = \"<duration>\", such as \"2s\"");
    }
    node_.rule = rule;
  }

 private:
  void require(std::string_view key, std::string hint) {
    table_.fail(node_.place,
                std::string(node_kind_name(node_.kind)) + " '" + node_.name + "' has no " + std::string(key),
                std::move(hint));
  }

  /// `entry` is the entry of a renamed field.
  void add_field(const Value& written, const Entry* entry) {
    const std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value || value->kind != Value::Kind::kString) {
      if (value) {
        table_.fail(value->place, "a field is " + std::string(kind_name(value->kind)) + "; it takes a name",
                    entry != nullptr ? "values for items without the field belong in 'defaults'" : "");
      }
      node_.broken = true;
      return;
    }
    FieldDeclaration field;
    field.name = entry != nullptr ? entry->key : value->text;
    field.source = {value->text, value->place};
    const auto [first, inserted] = names_.emplace(field.name, value->place);
    if (!inserted) {
      table_.fail(value->place, "field '" + field.name + "' is named twice");
      return;
    }
    node_.fields.push_back(std::move(field));
  }

  void read_defaults() {
    const Value* const defaults = table_.table("defaults");
    if (defaults == nullptr) {
      return;
    }
    for (const Entry& entry : defaults->entries) {
      const auto field = std::find_if(node_.fields.begin(), node_.fields.end(),
                                      [&](const FieldDeclaration& one) { return one.name == entry.key; });
      if (field == node_.fields.end()) {
        std::vector<std::string> names;
        for (const FieldDeclaration& one : node_.fields) {
          names.push_back(one.name);
        }
        table_.fail(entry.place, "'defaults' names '" + entry.key + "', which is not one of the fields",
                    suggest(entry.key, names, "they are " + list_names(names)));
        continue;
      }
      read_default(entry, field->otherwise);
    }
  }

  void read_default(const Entry& entry, RecordValue& otherwise) {
    const std::optional<Value> value = environment_.settle(entry.value, reporter_);
    if (!value) {
      node_.broken = true;
      return;
    }
    switch (value->kind) {
      case Value::Kind::kBool:
        otherwise = value->boolean;
        return;
      case Value::Kind::kInteger:
        if (value->large_integer > 0) {
          table_.fail(value->place, "a record has no integer beyond 9223372036854775807", "write it as a string");
        }
        otherwise = value->integer;
        return;
      case Value::Kind::kFloat:
        otherwise = value->real;
        return;
      case Value::Kind::kString:
        otherwise = value->text;
        return;
      default:
        table_.fail(value->place, "a default is " + std::string(kind_name(value->kind)) +
                                      "; it takes a string, a number or a boolean");
    }
  }

  void read_fraction(const Entry& entry, SampleRule& rule) {
    const std::optional<Value> value = environment_.settle(entry.value, reporter_);
    if (!value) {
      node_.broken = true;
      return;
    }
    double fraction = value->kind == Value::Kind::kInteger ? static_cast<double>(value->integer) : value->real;
    bool number = value->kind == Value::Kind::kInteger || value->kind == Value::Kind::kFloat;
    if (value->from_environment) {
      const char* const end = value->text.data() + value->text.size();
      const auto read = std::from_chars(value->text.data(), end, fraction);
      number = read.ec == std::errc() && read.ptr == end;
    }
    if (!number || !(fraction > 0 && fraction <= 1)) {
      table_.fail(value->place, "'fraction' is not a number above 0 and at most 1",
                  "0.01 lets one item of a hundred pass");
      return;
    }
    // 2^64 is not a uint64; all hashes are at most the largest one.
    const double most = std::ldexp(fraction, 64);
    rule.most_hash =
        most >= std::ldexp(1.0, 64) ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(most);
  }

  /// Reads "100/s" or "1/10s".
  static bool parse_rate(std::string_view text, ThrottleRule& rule) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
      return false;
    }
    const char* const end = text.data() + slash;
    const auto read = std::from_chars(text.data(), end, rule.items);
    if (read.ec != std::errc() || read.ptr != end || rule.items < 1 || rule.items > std::uint64_t{kMostRate}) {
      rule = {};
      return false;
    }
    const std::string_view unit = text.substr(slash + 1);
    const bool counted = !unit.empty() && unit.front() >= '0' && unit.front() <= '9';
    const Result<std::chrono::nanoseconds> period = parse_duration(std::string(counted ? "" : "1").append(unit));
    if (!period || period->count() == 0) {
      return false;
    }
    rule.period = *period;
    return true;
  }

  NodeDeclaration& node_;
  TableReader& table_;
  const Environment& environment_;
  Reporter& reporter_;
  std::map<std::string, Place> names_;
};

}  // namespace

void read_item_rule(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter) {
  RuleReader reader(node, table, environment, reporter);
  switch (node.kind) {
    case NodeKind::kFilter:
      reader.read_filter();
      return;
    case NodeKind::kProject:
      reader.read_project();
      return;
    case NodeKind::kSample:
      reader.read_sample();
      return;
    case NodeKind::kLimit:
      reader.read_limit();
      return;
    case NodeKind::kThrottle:
      reader.read_throttle();
      return;
    case NodeKind::kDelay:
      reader.read_delay();
      return;
    default:
      return;
  }
}

}  // namespace tenon::internal

#include "pipeline/condition.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {
namespace {

/// A list with more values than this is refused.
constexpr std::size_t kMostValues = 1000;

class ConditionReader {
 public:
  ConditionReader(const Environment& environment, Reporter& reporter)
      : environment_(environment), reporter_(reporter) {}

  /// Reads the entries of a table; fields are relative to `prefix`.
  Condition read_table(const Value& table, const std::string& what, const std::string& prefix) {
    Condition all;
    all.place = table.place;
    if (table.entries.empty()) {
      fail(table.place, what + " is empty", "give at least one condition: { <field> = <value> }");
    }
    for (const Entry& entry : table.entries) {
      all.parts.push_back(read_entry(entry, prefix));
    }
    return all.parts.size() == 1 ? std::move(all.parts.front()) : std::move(all);
  }

  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  void fail(const Place& place, std::string message, std::string hint = {}) {
    failed_ = true;
    reporter_.error(place, std::move(message), std::move(hint));
  }

  Condition read_entry(const Entry& entry, const std::string& prefix) {
    if (entry.key == "any" || entry.key == "all") {
      return read_list(entry, prefix, entry.key == "any" ? Condition::Kind::kAny : Condition::Kind::kAll);
    }
    if (entry.key == "not") {
      return read_not(entry, prefix);
    }
    if (entry.key == "present" && !prefix.empty()) {
      return read_present(entry, prefix);
    }
    const std::string field = prefix.empty() ? entry.key : prefix + "." + entry.key;
    if (entry.value.kind == Value::Kind::kTable && !Environment::is_reference(entry.value)) {
      return read_table(entry.value, "the condition of '" + field + "'", field);
    }
    return read_values(entry, field);
  }

  Condition read_list(const Entry& entry, const std::string& prefix, Condition::Kind kind) {
    Condition out;
    out.kind = kind;
    out.place = entry.place;
    if (entry.value.kind != Value::Kind::kArray) {
      fail(entry.value.place,
           "'" + entry.key + "' is " + std::string(kind_name(entry.value.kind)) + "; it takes an array of tables",
           "write " + entry.key + " = [{ <field> = <value> }, ...]");
      return out;
    }
    if (entry.value.elements.empty()) {
      fail(entry.value.place, "'" + entry.key + "' is empty", "give at least one table of conditions");
    }
    if (entry.value.elements.size() > kMostValues) {
      fail(entry.value.place, "'" + entry.key + "' has more than " + std::to_string(kMostValues) + " tables");
      return out;
    }
    for (const Value& element : entry.value.elements) {
      if (element.kind != Value::Kind::kTable || Environment::is_reference(element)) {
        fail(element.place,
             "an element of '" + entry.key + "' is " + std::string(kind_name(element.kind)) +
                 "; it takes tables of conditions",
             "write " + entry.key + " = [{ <field> = <value> }, ...]");
        continue;
      }
      out.parts.push_back(read_table(element, "a table of '" + entry.key + "'", prefix));
    }
    return out;
  }

  /// `not` takes conditions or, below a field, values that the field does not have.
  Condition read_not(const Entry& entry, const std::string& prefix) {
    Condition out;
    out.kind = Condition::Kind::kNot;
    out.place = entry.place;
    const Value& value = entry.value;
    const bool table = value.kind == Value::Kind::kTable && !Environment::is_reference(value);
    const bool tables = value.kind == Value::Kind::kArray && !value.elements.empty() &&
                        value.elements.front().kind == Value::Kind::kTable &&
                        !Environment::is_reference(value.elements.front());
    if (table) {
      out.parts.push_back(read_table(value, "'not'", prefix));
    } else if (tables) {
      out.parts.push_back(read_list(entry, prefix, Condition::Kind::kAny));
    } else if (!prefix.empty()) {
      out.parts.push_back(read_values(entry, prefix));
    } else {
      fail(value.place, "'not' is " + std::string(kind_name(value.kind)) + "; it takes a table of conditions",
           "write not = { <field> = <value> }");
    }
    return out;
  }

  Condition read_present(const Entry& entry, const std::string& prefix) {
    Condition out;
    out.kind = Condition::Kind::kPresent;
    out.place = entry.place;
    out.field = prefix;
    const std::optional<Value> value = environment_.settle(entry.value, reporter_);
    if (!value) {
      failed_ = true;
      return out;
    }
    bool present = value->boolean;
    if (value->from_environment && (value->text == "true" || value->text == "false")) {
      present = value->text == "true";
    } else if (value->kind != Value::Kind::kBool) {
      fail(value->place, "'present' is " + std::string(kind_name(value->kind)) + "; it takes true or false",
           "to compare a field that is named 'present', write \"" + prefix + ".present\" = <value>");
    }
    if (present) {
      return out;
    }
    Condition absent;
    absent.kind = Condition::Kind::kNot;
    absent.place = entry.place;
    absent.parts.push_back(std::move(out));
    return absent;
  }

  Condition read_values(const Entry& entry, const std::string& field) {
    Condition out;
    out.kind = Condition::Kind::kField;
    out.place = entry.place;
    out.field = field;
    const bool array = entry.value.kind == Value::Kind::kArray;
    if (array && entry.value.elements.empty()) {
      fail(entry.value.place, "'" + field + "' has no values", "a list of values matches any of them");
    }
    if (array && entry.value.elements.size() > kMostValues) {
      fail(entry.value.place, "'" + field + "' has more than " + std::to_string(kMostValues) + " values");
      return out;
    }
    if (!array) {
      add_value(entry.value, field, out);
      return out;
    }
    for (const Value& element : entry.value.elements) {
      add_value(element, field, out);
    }
    return out;
  }

  void add_value(const Value& written, const std::string& field, Condition& out) {
    std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value) {
      failed_ = true;
      return;
    }
    switch (value->kind) {
      case Value::Kind::kString:
      case Value::Kind::kInteger:
      case Value::Kind::kFloat:
      case Value::Kind::kBool:
        out.values.push_back(std::move(*value));
        return;
      case Value::Kind::kDateTime:
      case Value::Kind::kArray:
      case Value::Kind::kTable:
        fail(value->place, "a value of '" + field + "' is " + std::string(kind_name(value->kind)) +
                               "; it takes a string, a number or a boolean");
        return;
    }
  }

  const Environment& environment_;
  Reporter& reporter_;
  bool failed_ = false;
};

bool same_value(const Value& a, const Value& b) {
  return a.kind == b.kind && a.text == b.text && a.integer == b.integer && a.large_integer == b.large_integer &&
         a.boolean == b.boolean && (a.kind != Value::Kind::kFloat || a.real == b.real);
}

}  // namespace

std::optional<Condition> parse_condition(const Value& table, const std::string& what, const Environment& environment,
                                         Reporter& reporter) {
  if (table.kind != Value::Kind::kTable || Environment::is_reference(table)) {
    reporter.error(table.place, what + " is " + std::string(kind_name(table.kind)) + "; it takes a table of conditions",
                   "write { <field> = <value> }");
    return std::nullopt;
  }
  ConditionReader reader(environment, reporter);
  Condition condition = reader.read_table(table, what, {});
  if (reader.failed()) {
    return std::nullopt;
  }
  return condition;
}

bool same_condition(const Condition& a, const Condition& b) {
  return a.kind == b.kind && a.field == b.field &&
         std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), same_value) &&
         std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), same_condition);
}

}  // namespace tenon::internal

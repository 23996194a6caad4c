#include "pipeline/compile_condition.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "pipeline/comparisons.hpp"
#include "pipeline/find_item_field.hpp"
#include "pipeline/path_glob.hpp"

namespace tenon::internal {
namespace {

/// A stage with more tests or patterns than this is refused.
constexpr std::size_t kMostTests = 10'000;
constexpr std::size_t kMostPatterns = 256;

/// The range of integers that satisfies a value, in order keys.
struct WholeRange {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool empty = false;
  std::vector<std::uint64_t> except;
};

class Compiler {
 public:
  using Entry = DecisionBuilder::Entry;

  Compiler(const EdgeType& type, const std::string& what, const TaskDirectory& directory, Reporter& reporter)
      : type_(type), what_(what), directory_(directory), reporter_(reporter) {}

  Entry add(const Condition& condition, Entry yes, Entry no) {
    switch (condition.kind) {
      case Condition::Kind::kAll:
        for (auto part = condition.parts.rbegin(); part != condition.parts.rend(); ++part) {
          yes = add(*part, yes, no);
        }
        return yes;
      case Condition::Kind::kAny:
        for (auto part = condition.parts.rbegin(); part != condition.parts.rend(); ++part) {
          no = add(*part, yes, no);
        }
        return no;
      case Condition::Kind::kNot:
        return add(condition.parts.front(), no, yes);
      case Condition::Kind::kPresent:
        return add_present(condition, yes, no);
      case Condition::Kind::kField:
        return add_field(condition, yes, no);
    }
    return no;
  }

  std::optional<Decision> finish(Entry entry, const Place& place) && {
    if (builder_.size() > kMostTests || patterns_ > kMostPatterns) {
      reporter_.error(place,
                      builder_.size() > kMostTests
                          ? what_ + " has more than " + std::to_string(kMostTests) + " comparisons"
                          : what_ + " has more than " + std::to_string(kMostPatterns) + " patterns",
                      "use a task for it");
      failed_ = true;
    }
    if (failed_) {
      return std::nullopt;
    }
    return std::move(builder_).finish(entry);
  }

 private:
  struct Field {
    std::uint32_t number = 0;
    FieldShape shape;
  };

  void fail(const Place& place, std::string message, std::string hint = {}) {
    failed_ = true;
    reporter_.error(place, std::move(message), std::move(hint));
  }

  const Field* find(const Condition& condition) {
    const auto known = fields_.find(condition.field);
    if (known != fields_.end()) {
      return &known->second;
    }
    ItemFieldPointer found = find_item_field(type_, condition.field, condition.place, what_, directory_, reporter_);
    if (found == nullptr) {
      failed_ = true;
      return nullptr;
    }
    const FieldShape shape = found->shape();
    return &fields_.emplace(condition.field, Field{builder_.add_field(std::move(found)), shape}).first->second;
  }

  Entry add_present(const Condition& condition, Entry yes, Entry no) {
    const Field* const field = find(condition);
    if (field == nullptr) {
      return no;
    }
    if (field->shape.always_present) {
      fail(condition.place, "'" + condition.field + "' is always present",
           "it is " + field->shape.type + ", of which every item has a value; leave the condition out");
    }
    return builder_.present(field->number, yes, no);
  }

  Entry add_field(const Condition& condition, Entry yes, Entry no) {
    const Field* const field = find(condition);
    if (field == nullptr) {
      return no;
    }
    switch (field->shape.kind) {
      case FieldKind::kBool:
        return add_booleans(condition, *field, yes, no);
      case FieldKind::kEnum:
        return add_names(condition, *field, yes, no);
      case FieldKind::kInteger:
      case FieldKind::kNatural:
        return add_wholes(condition, *field, yes, no);
      case FieldKind::kReal:
        return add_reals(condition, *field, yes, no);
      case FieldKind::kText:
        return add_texts(condition, *field, yes, no);
      case FieldKind::kOther:
        fail(condition.place,
             "'" + condition.field + "' is " + field->shape.type + "; a condition can only test whether it is present",
             "write \"" + condition.field + "\" = { present = true }");
        return no;
    }
    return no;
  }

  static std::string written(const Value& value) {
    switch (value.kind) {
      case Value::Kind::kInteger:
        return integer_text(value);
      case Value::Kind::kFloat:
        return number_text(value.real, false);
      case Value::Kind::kBool:
        return value.boolean ? "true" : "false";
      default:
        return "'" + value.text + "'";
    }
  }

  void never(const Condition& condition, const Value& value, std::string hint) {
    fail(value.place, "'" + condition.field + "' is never " + written(value), std::move(hint));
  }

  Entry add_booleans(const Condition& condition, const Field& field, Entry yes, Entry no) {
    std::vector<std::uint64_t> keys;
    for (const Value& value : condition.values) {
      const bool text = value.kind == Value::Kind::kString && (value.text == "true" || value.text == "false");
      if (value.kind != Value::Kind::kBool && !text) {
        never(condition, value, "it is true or false");
        continue;
      }
      keys.push_back((text ? value.text == "true" : value.boolean) ? 1 : 0);
    }
    const bool both = std::count(keys.begin(), keys.end(), 0) > 0 && std::count(keys.begin(), keys.end(), 1) > 0;
    if (both && !field.shape.optional) {
      fail(condition.place, "'" + condition.field + "' is always one of these values", "leave the condition out");
    }
    return one_of(field, std::move(keys), yes, no);
  }

  Entry add_names(const Condition& condition, const Field& field, Entry yes, Entry no) {
    std::vector<std::string> names;
    for (const auto& [name, number] : field.shape.names) {
      names.push_back(name);
    }
    std::vector<std::uint64_t> keys;
    for (const Value& value : condition.values) {
      const auto found = std::find(names.begin(), names.end(), value.text);
      if (value.kind != Value::Kind::kString || found == names.end()) {
        std::string hint = suggest(value.text, names, field.shape.type + " has " + list_names(names));
        if (value.text.starts_with("!=")) {
          hint = "write \"" + condition.field + "\" = { not = \"<name>\" }";
        }
        never(condition, value, std::move(hint));
        continue;
      }
      keys.push_back(order_key(field.shape.names[static_cast<std::size_t>(found - names.begin())].second, true));
    }
    return one_of(field, std::move(keys), yes, no);
  }

  Entry one_of(const Field& field, std::vector<std::uint64_t> keys, Entry yes, Entry no) {
    return keys.empty() ? no : builder_.whole_one_of(field.number, std::move(keys), yes, no);
  }

  Entry add_wholes(const Condition& condition, const Field& field, Entry yes, Entry no) {
    std::vector<std::uint64_t> equal;
    std::vector<WholeRange> ranges;
    for (const Value& value : condition.values) {
      std::optional<WholeRange> range = read_whole(condition, value, field.shape);
      if (!range) {
        continue;
      }
      if (range->low == range->high && range->except.empty()) {
        equal.push_back(range->low);
      } else {
        ranges.push_back(std::move(*range));
      }
    }
    for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
      Entry entry = yes;
      const WholeRange all = full_range(field.shape);
      if (range->low != all.low || range->high != all.high || range->except.empty()) {
        entry = builder_.whole_between(field.number, range->low, range->high, yes, no);
      }
      no = range->except.empty() ? entry : builder_.whole_one_of(field.number, std::move(range->except), no, entry);
    }
    return one_of(field, std::move(equal), yes, no);
  }

  static WholeRange full_range(const FieldShape& shape) {
    if (shape.kind == FieldKind::kInteger) {
      return {order_key(shape.least, true), order_key(static_cast<std::int64_t>(shape.most), true), false, {}};
    }
    return {0, shape.most, false, {}};
  }

  /// Compares a number with the range of the field's type: -1 below, 1 above; 0 sets `key`.
  /// nullopt if the text is not an integer of 64 bits.
  static std::optional<int> locate(const std::string& text, const FieldShape& shape, std::uint64_t& key) {
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    std::int64_t low = 0;
    if (const auto read = std::from_chars(begin, end, low); read.ec == std::errc() && read.ptr == end) {
      if (low < shape.least) {
        return -1;
      }
      if (low > 0 && static_cast<std::uint64_t>(low) > shape.most) {
        return 1;
      }
      key = order_key(low, shape.kind == FieldKind::kInteger);
      return 0;
    }
    std::uint64_t high = 0;
    if (const auto read = std::from_chars(begin, end, high); read.ec == std::errc() && read.ptr == end) {
      key = high;
      return high > shape.most ? 1 : 0;
    }
    return std::nullopt;
  }

  static void restrict(WholeRange& range, Operator by, int position, std::uint64_t key) {
    const auto at_most = [&](std::uint64_t high) { range.high = std::min(range.high, high); };
    const auto at_least = [&](std::uint64_t low) { range.low = std::max(range.low, low); };
    switch (by) {
      case Operator::kEqual:
        range.empty = range.empty || position != 0;
        at_least(key);
        at_most(key);
        break;
      case Operator::kNotEqual:
        if (position == 0) {
          range.except.push_back(key);
        }
        break;
      case Operator::kLess:
        range.empty = range.empty || position < 0 || (position == 0 && key == 0);
        if (position == 0 && key > 0) {
          at_most(key - 1);
        }
        break;
      case Operator::kLessEqual:
        range.empty = range.empty || position < 0;
        if (position == 0) {
          at_most(key);
        }
        break;
      case Operator::kGreater:
        range.empty =
            range.empty || position > 0 || (position == 0 && key == std::numeric_limits<std::uint64_t>::max());
        if (position == 0 && key < std::numeric_limits<std::uint64_t>::max()) {
          at_least(key + 1);
        }
        break;
      case Operator::kGreaterEqual:
        range.empty = range.empty || position > 0;
        if (position == 0) {
          at_least(key);
        }
        break;
    }
    range.empty = range.empty || range.low > range.high;
  }

  /// Reports a value that the field never has, or always has.
  std::optional<WholeRange> read_whole(const Condition& condition, const Value& value, const FieldShape& shape) {
    const std::string known = "it is an integer from " + std::to_string(shape.least) + " to " +
                              std::to_string(shape.most) + " (" + shape.type + ")";
    if (value.kind == Value::Kind::kFloat || value.kind == Value::Kind::kBool) {
      never(condition, value, known);
      return std::nullopt;
    }
    WholeRange range = full_range(shape);
    const std::string text = value.kind == Value::Kind::kInteger ? integer_text(value) : value.text;
    for (const Comparison& one : split_comparisons(text)) {
      std::uint64_t key = 0;
      const std::optional<int> position = locate(one.number, shape, key);
      if (!position) {
        never(condition, value, known + "; compare it as in 7, \">= 7\" or \">= 7, < 9\"");
        return std::nullopt;
      }
      restrict(range, one.by, *position, key);
    }
    const WholeRange all = full_range(shape);
    range.except.erase(std::remove_if(range.except.begin(), range.except.end(),
                                      [&](std::uint64_t key) { return key < range.low || key > range.high; }),
                       range.except.end());
    if (range.empty || (range.low == range.high && !range.except.empty())) {
      never(condition, value, known);
      return std::nullopt;
    }
    if (range.low == all.low && range.high == all.high && range.except.empty() && !shape.optional) {
      fail(value.place, "'" + condition.field + "' is always " + written(value), known);
      return std::nullopt;
    }
    return range;
  }

  Entry add_reals(const Condition& condition, const Field& field, Entry yes, Entry no) {
    for (auto value = condition.values.rbegin(); value != condition.values.rend(); ++value) {
      no = add_real(condition, *value, field, yes, no);
    }
    return no;
  }

  Entry add_real(const Condition& condition, const Value& value, const Field& field, Entry yes, Entry no) {
    const std::string known = "it is a number with a fraction (" + field.shape.type + ")";
    if (value.kind == Value::Kind::kBool) {
      never(condition, value, known);
      return no;
    }
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    double least = -kInfinity;
    double most = kInfinity;
    std::vector<double> except;
    const std::string text = value.kind == Value::Kind::kInteger ? integer_text(value)
                             : value.kind == Value::Kind::kFloat ? number_text(value.real, false)
                                                                 : value.text;
    const std::string plain = !text.empty() && text.front() == '"' ? text.substr(1, text.size() - 2) : text;
    for (const Comparison& one : split_comparisons(plain)) {
      const std::optional<double> number = read_real(one.number, field.shape.single_precision);
      if (!number || std::isnan(*number)) {
        never(condition, value,
              number ? "no number is equal to nan" : known + "; compare it as in 0.5, \">= 0.5\" or \">= 0.5, < 2\"");
        return no;
      }
      const auto next = [&](double towards) {
        return field.shape.single_precision
                   ? static_cast<double>(std::nextafter(static_cast<float>(*number), static_cast<float>(towards)))
                   : std::nextafter(*number, towards);
      };
      switch (one.by) {
        case Operator::kEqual:
          least = std::max(least, *number);
          most = std::min(most, *number);
          break;
        case Operator::kNotEqual:
          except.push_back(*number);
          break;
        case Operator::kLess:
          most = *number == -kInfinity ? std::numeric_limits<double>::quiet_NaN() : std::min(most, next(-kInfinity));
          break;
        case Operator::kLessEqual:
          most = std::min(most, *number);
          break;
        case Operator::kGreater:
          least = *number == kInfinity ? std::numeric_limits<double>::quiet_NaN() : std::max(least, next(kInfinity));
          break;
        case Operator::kGreaterEqual:
          least = std::max(least, *number);
          break;
      }
    }
    if (!(least <= most)) {
      never(condition, value, known);
      return no;
    }
    const bool everything = least == -kInfinity && most == kInfinity && !except.empty();
    Entry entry = everything ? yes : builder_.real_between(field.number, least, most, yes, no);
    for (const double number : except) {
      entry = builder_.real_between(field.number, number, number, no, entry);
    }
    return entry;
  }

  static std::optional<double> read_real(const std::string& text, bool single_precision) {
    if (const std::optional<double> special = parse_non_finite(text)) {
      return special;
    }
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
      return std::nullopt;
    }
    if (single_precision && std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return std::copysign(std::numeric_limits<double>::infinity(), number);
    }
    // The field's values were rounded in the same way.
    return single_precision ? static_cast<double>(static_cast<float>(number)) : number;
  }

  Entry add_texts(const Condition& condition, const Field& field, Entry yes, Entry no) {
    std::vector<std::string> equal;
    for (auto value = condition.values.rbegin(); value != condition.values.rend(); ++value) {
      if (value->kind != Value::Kind::kString) {
        never(condition, *value, "it is a string; write \"" + written(*value) + "\"");
        continue;
      }
      no = add_text(condition, *value, field, yes, no, equal);
    }
    return equal.empty() ? no : builder_.text_one_of(field.number, std::move(equal), yes, no);
  }

  Entry add_text(const Condition& condition, const Value& value, const Field& field, Entry yes, Entry no,
                 std::vector<std::string>& equal) {
    const std::string_view text = value.text;
    const std::size_t colon = text.find(':');
    const std::string_view mode = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
    const std::string rest(text.substr(colon == std::string_view::npos ? text.size() : colon + 1));
    const bool affix = mode == "prefix" || mode == "suffix" || mode == "contains";
    if (mode == "glob") {
      if (patterns_ > kMostPatterns) {
        return no;  // `finish` reports it.
      }
      Result<PathGlob> glob = PathGlob::parse(rest);
      if (!glob) {
        fail(value.place, glob.error().message);
        return no;
      }
      patterns_ += glob->size();
      return builder_.glob(field.number, std::move(*glob), yes, no);
    }
    if (affix && rest.empty()) {
      fail(value.place, "'" + value.text + "' has no text after '" + std::string(mode) + ":'");
      return no;
    }
    if (mode == "prefix") {
      return builder_.text_starts(field.number, rest, yes, no);
    }
    if (mode == "suffix") {
      return builder_.text_ends(field.number, rest, yes, no);
    }
    if (mode == "contains") {
      return builder_.text_contains(field.number, rest, yes, no);
    }
    if (mode == "regex") {
      fail(value.place, "conditions have no regular expressions",
           "use glob:, prefix:, suffix: or contains:, or a task; \"equals:" + value.text + "\" is that very text");
      return no;
    }
    if (text.starts_with('<') || text.starts_with('>') || text.starts_with("!=")) {
      fail(value.place, "'" + condition.field + "' is a string, which has no order",
           text.starts_with("!=") ? "write \"" + condition.field + "\" = { not = \"<text>\" }"
                                  : "write \"equals:" + value.text + "\" for that very text");
      return no;
    }
    equal.push_back(mode == "equals" ? rest : value.text);
    return no;
  }

  const EdgeType& type_;
  const std::string& what_;
  const TaskDirectory& directory_;
  Reporter& reporter_;
  DecisionBuilder builder_;
  std::map<std::string, Field, std::less<>> fields_;
  std::size_t patterns_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<Decision> compile_conditions(const std::vector<const Condition*>& conditions, const EdgeType& type,
                                           const std::string& what, const TaskDirectory& directory,
                                           Reporter& reporter) {
  Compiler compiler(type, what, directory, reporter);
  DecisionBuilder::Entry entry = DecisionBuilder::outcome(static_cast<std::uint32_t>(conditions.size()));
  for (std::size_t i = conditions.size(); i-- > 0;) {
    entry = compiler.add(*conditions[i], DecisionBuilder::outcome(static_cast<std::uint32_t>(i)), entry);
  }
  return std::move(compiler).finish(entry, conditions.empty() ? Place{} : conditions.front()->place);
}

}  // namespace tenon::internal

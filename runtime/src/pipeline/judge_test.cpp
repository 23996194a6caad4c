#include "pipeline/judge_test.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pipeline/item_text.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {
namespace {

/// A problem shows at most this many items, failures or fields.
constexpr std::size_t kMostShown = 5;

/// A field in which two items differ.
struct Difference {
  std::string path;
  std::optional<Json> expected;
  std::optional<Json> came;
};

std::string shown(const std::optional<Json>& value) {
  return value ? toml_text(*value, 200) : std::string("nothing");
}

bool is_empty(const Json& value) {
  return (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

/// How fields are compared.
enum class Fields {
  kOfSchema,  ///< A field that is absent has its default.
  kOfRecord,  ///< A field is there or not, and its value has a type of its own.
};

/// Compares the fields of an expected item with those of one that came.
class Comparer {
 public:
  /// `fields` as written says which fields are compared; null for all of them.
  static std::vector<Difference> compare(Fields how, const Value* fields, const Json& expected, const Json& came) {
    Comparer comparer(how);
    comparer.value(fields, expected, &came, {});
    return std::move(comparer.differences_);
  }

 private:
  explicit Comparer(Fields how) : how_(how) {}

  void differ(const std::string& path, const Json* expected, const Json* came) {
    Difference difference;
    difference.path = path;
    if (expected != nullptr) {
      difference.expected = *expected;
    }
    if (came != nullptr) {
      difference.came = *came;
    }
    differences_.push_back(std::move(difference));
  }

  /// Whether a field with this value may be absent.
  [[nodiscard]] bool is_default(const Json& value) const { return how_ == Fields::kOfSchema && is_empty(value); }

  [[nodiscard]] bool equal(const Json& expected, const Json& came) const {
    // The library takes 503 and 503.0 for equal.
    return expected == came && (how_ == Fields::kOfSchema || expected.is_number_float() == came.is_number_float());
  }

  static const Json* find(const Json& object, const std::string& key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
  }

  void value(const Value* fields, const Json& expected, const Json* came, const std::string& path) {
    const bool table = expected.is_object() && (fields == nullptr || fields->kind == Value::Kind::kTable);
    if (table && came != nullptr && came->is_object()) {
      object(fields, expected, *came, path);
      return;
    }
    const bool list = expected.is_array() && (fields == nullptr || fields->kind == Value::Kind::kArray);
    if (list && came != nullptr && came->is_array() && came->size() == expected.size()) {
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const bool written = fields != nullptr && i < fields->elements.size();
        value(written ? &fields->elements[i] : nullptr, expected[i], &(*came)[i], path + "[" + std::to_string(i) + "]");
      }
      return;
    }
    const bool same = came == nullptr ? is_default(expected) : equal(expected, *came);
    if (!same) {
      differ(path, &expected, came);
    }
  }

  void object(const Value* fields, const Json& expected, const Json& came, const std::string& path) {
    const std::string before = path.empty() ? std::string() : path + ".";
    for (const auto& [key, one] : expected.items()) {
      const Entry* const written = fields != nullptr ? fields->find(key) : nullptr;
      if (fields != nullptr && written == nullptr) {
        continue;
      }
      value(written != nullptr ? &written->value : nullptr, one, find(came, key), before + key);
    }
    if (fields != nullptr) {
      return;
    }
    for (const auto& [key, one] : came.items()) {
      if (find(expected, key) == nullptr && !is_default(one)) {
        differ(before + key, nullptr, &one);
      }
    }
  }

  Fields how_;
  std::vector<Difference> differences_;
};

/// Returns the part of an expected item that is written.
Json written_part(const Value& fields, const Json& expected) {
  if (!expected.is_object() || fields.kind != Value::Kind::kTable || fields.find("env") != nullptr) {
    return expected;
  }
  Json out = Json::object();
  for (const Entry& entry : fields.entries) {
    if (const auto found = expected.find(entry.key); found != expected.end()) {
      out[entry.key] = written_part(entry.value, *found);
    }
  }
  return out;
}

/// A matching between expected items and those that came (Kuhn's algorithm).
class Matching {
 public:
  /// `fits[i]` has the numbers of the items that the `i`th expected one fits.
  Matching(const std::vector<std::vector<std::size_t>>& fits, std::size_t items)
      : fits_(fits), taken_(items, kNone), visited_(items, kNone) {
    for (std::size_t i = 0; i < fits.size(); ++i) {
      if (!place(i)) {
        unmatched_.push_back(i);
      }
    }
  }

  /// Expected items that fit none of those that are left.
  [[nodiscard]] const std::vector<std::size_t>& unmatched() const noexcept { return unmatched_; }
  [[nodiscard]] std::vector<std::size_t> left() const {
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (taken_[i] == kNone) {
        left.push_back(i);
      }
    }
    return left;
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  /// Finds a path of expected items that each take another item, without recursion.
  bool place(std::size_t first) {
    struct Step {
      std::size_t expected;
      std::size_t next = 0;
    };
    std::vector<Step> path{{first}};
    while (!path.empty()) {
      Step& top = path.back();
      if (top.next == fits_[top.expected].size()) {
        path.pop_back();
        continue;
      }
      const std::size_t item = fits_[top.expected][top.next++];
      if (visited_[item] == first) {
        continue;
      }
      visited_[item] = first;
      if (taken_[item] != kNone) {
        path.push_back({taken_[item]});
        continue;
      }
      for (const Step& step : path) {
        taken_[fits_[step.expected][step.next - 1]] = step.expected;
      }
      return true;
    }
    return false;
  }

  const std::vector<std::vector<std::size_t>>& fits_;
  std::vector<std::size_t> taken_;
  std::vector<std::size_t> visited_;  ///< For which expected item it was visited last.
  std::vector<std::size_t> unmatched_;
};

class Judge {
 public:
  Judge(const TestPlan& test, const Catalog& catalog, const TestRun& run)
      : test_(test), catalog_(catalog), run_(run), report_(*run.report) {}

  std::vector<TestProblem> judge() {
    if (run_.timed_out) {
      report_timeout();
    } else if (run_.took > test_.timeout) {
      problems_.push_back({{},
                           "it ended after " + duration_text(run_.took) + ", which is longer than " +
                               duration_text(test_.timeout) + " (timeout)",
                           {}});
    }
    judge_failures();
    // What came before the run ended early says nothing.
    if (!run_.timed_out && end_ != End::kUnexpected) {
      for (std::size_t i = 0; i < test_.expectations.size(); ++i) {
        if (is_cut_off(test_.expectations[i])) {
          problems_.push_back({test_.expectations[i].name,
                               "cannot be judged, because the run ended when '" + report_.failed_stage +
                                   "' failed, as expected; expect this in another test",
                               {}});
        } else if ((*run_.collectors)[i] != nullptr) {
          judge_items(test_.expectations[i], *(*run_.collectors)[i]);
        }
      }
    }
    return std::move(problems_);
  }

 private:
  /// How the run ended.
  enum class End {
    kComplete,
    kExpected,   ///< Early, because a stage failed as a whole, which was expected.
    kUnexpected  ///< The same, but it was not expected.
  };

  static std::string stage_of(const TestExpectation& expectation) {
    return expectation.name.substr(0, expectation.name.find('.'));
  }

  /// Returns whether the expected end of the run keeps what this expects from coming.
  [[nodiscard]] bool is_cut_off(const TestExpectation& expectation) const {
    return end_ == End::kExpected && stage_of(expectation) != report_.failed_stage;
  }

  static void add_more(std::vector<std::string>& details, std::size_t count) {
    if (count > kMostShown) {
      details.push_back("and " + std::to_string(count - kMostShown) + " more");
    }
  }

  void report_timeout() {
    TestProblem problem{{}, "it did not end within " + duration_text(test_.timeout) + " (timeout)", {}};
    for (const StageReport& stage : report_.stages) {
      if (stage.kind == node_kind_name(NodeKind::kCollect)) {
        continue;
      }
      const std::uint64_t items = stage.in_flight + stage.queued;
      if (items > 0) {
        problem.details.push_back("'" + stage.name + "' still has " + count_of(items, "item", "items"));
      } else if (!stage.ended && !stage.task.empty()) {
        problem.details.push_back("'" + stage.name + "' has not ended");
      }
    }
    problems_.push_back(std::move(problem));
  }

  static std::string duration_text(std::chrono::nanoseconds time) {
    const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
  }

  static std::string failure_text(const ItemFailure& failure) {
    return (failure.item.empty() ? std::string() : failure.item + ": ") +
           std::string(error_code_name(failure.error.code)) + ": " + failure.error.message;
  }

  static bool fits(const ExpectedFailure& expected, const Error& error) {
    const std::string text = std::string(error_code_name(error.code)) + ": " + error.message;
    return (!expected.code || *expected.code == error.code) &&
           error.message.find(expected.message) != std::string::npos &&
           text.find(expected.code_or_message) != std::string::npos;
  }

  void judge_failures() {
    std::map<std::string, std::vector<ItemFailure>> failures;
    for (const ItemFailure& failure : report_.failures) {
      failures[failure.stage].push_back(failure);
    }
    if (report_.failure_count > report_.failures.size()) {
      problems_.push_back({{},
                           std::to_string(report_.failure_count - report_.failures.size()) +
                               " of its failures are more than a test keeps; give it fewer items",
                           {}});
    }
    if (report_.error && report_.end == RunReport::End::kFailed) {
      failures[report_.failed_stage].push_back({report_.failed_stage, {}, error_of_task()});
      end_ = End::kUnexpected;
    }
    std::map<std::string, std::vector<const ExpectedFailure*>> expected;
    for (const TestExpectation& expectation : test_.expectations) {
      const std::string stage = stage_of(expectation);
      for (const ExpectedFailure& one : expectation.failures) {
        expected[stage].push_back(&one);
        failures[stage];
      }
    }
    // First the stage that ended the run: what else can be judged depends on it.
    if (end_ == End::kUnexpected) {
      judge_stage(report_.failed_stage, failures[report_.failed_stage], expected[report_.failed_stage]);
      failures.erase(report_.failed_stage);
    }
    for (const auto& [stage, came] : failures) {
      judge_stage(stage, came, expected[stage]);
    }
  }

  /// Returns the error that ended the run as its task gave it: without "sink 'rows' (csv.write)
  /// failed: ".
  [[nodiscard]] Error error_of_task() const {
    Error error = *report_.error;
    for (const StageReport& stage : report_.stages) {
      const std::string before = stage.kind + " '" + stage.name + "' (" + stage.task + ") failed: ";
      if (stage.name == report_.failed_stage && error.message.starts_with(before)) {
        error.message.erase(0, before.size());
      }
    }
    return error;
  }

  void judge_stage(const std::string& stage, const std::vector<ItemFailure>& came,
                   const std::vector<const ExpectedFailure*>& expected) {
    std::vector<std::uint64_t> counts(expected.size(), 0);
    TestProblem unexpected{stage, {}, {}};
    std::uint64_t others = 0;
    for (const ItemFailure& failure : came) {
      bool known = false;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (fits(*expected[i], failure.error)) {
          ++counts[i];
          known = true;
        }
      }
      if (known && failure.item.empty()) {
        end_ = End::kExpected;
      }
      if (!known && ++others <= kMostShown) {
        unexpected.details.push_back(failure_text(failure));
      }
    }
    if (others > 0) {
      unexpected.message = count_of(others, "failure was", "failures were") + " not expected";
      add_more(unexpected.details, others);
      problems_.push_back(std::move(unexpected));
    }
    const bool whole = !run_.timed_out && (end_ == End::kComplete || stage == report_.failed_stage);
    for (std::size_t i = 0; i < expected.size() && whole; ++i) {
      if (!expected[i]->count.holds(counts[i])) {
        problems_.push_back({stage,
                             "failures with " + expected[i]->text + ": " + expected[i]->count.text + " expected, " +
                                 std::to_string(counts[i]) + " came",
                             {}});
      }
    }
  }

  void judge_items(const TestExpectation& expectation, const ItemCollector& collector) {
    const std::vector<Item>& items = collector.items();
    if (collector.full()) {
      problems_.push_back({expectation.name,
                           "more than " + std::to_string(items.size()) +
                               " items came, which is more than a test keeps; give it fewer items",
                           {}});
      return;
    }
    if (expectation.count && !expectation.count->holds(items.size())) {
      TestProblem problem{expectation.name,
                          expectation.count->text + " expected, " + count_of(items.size(), "item", "items") + " came",
                          {}};
      show(expectation, items, problem);
      problems_.push_back(std::move(problem));
    }
    if (expectation.where != nullptr) {
      judge_where(expectation, items);
    }
    if (expectation.values) {
      judge_values(expectation, items);
    }
  }

  std::string item_text(const TestExpectation& expectation, const Item& item) const {
    const bool typed = !expectation.type.name.empty() && expectation.type.name != kAnyType;
    if (!typed) {
      return "item " + std::to_string(item.index + 1) + " of " + format_size(item.bytes());
    }
    const Result<Json> value = item_json(catalog_, expectation.type, item.reply.bytes(), false);
    return value ? toml_text(*value) : value.error().message;
  }

  void show(const TestExpectation& expectation, const std::vector<Item>& items, TestProblem& problem) const {
    for (std::size_t i = 0; i < items.size() && i < kMostShown; ++i) {
      problem.details.push_back("came: " + item_text(expectation, items[i]));
    }
    add_more(problem.details, items.size());
  }

  void judge_where(const TestExpectation& expectation, const std::vector<Item>& items) {
    TestProblem problem{expectation.name, {}, {}};
    std::size_t wrong = 0;
    for (const Item& item : items) {
      const std::optional<std::uint32_t> outcome = expectation.where->decide(item);
      if (outcome == 0U) {
        continue;
      }
      if (++wrong <= kMostShown) {
        problem.details.push_back("came: " + (outcome ? item_text(expectation, item)
                                                      : "an item of which a field that 'where' reads is not valid"));
      }
    }
    if (wrong > 0) {
      problem.message =
          count_of(wrong, "item does", "items do") + " not meet 'where' (" + expectation.where_place + ")";
      add_more(problem.details, wrong);
      problems_.push_back(std::move(problem));
    }
  }

  void judge_values(const TestExpectation& expectation, const std::vector<Item>& items) {
    const ExpectedValues& values = *expectation.values;
    // With other numbers the test has failed; comparing all would only make its report nicer.
    const std::size_t compared =
        values.items.empty() ? 0 : std::min(items.size(), 2 * values.items.size() + kMostShown);
    std::vector<Json> came;
    for (std::size_t i = 0; i < compared; ++i) {
      Result<Json> value = item_json(catalog_, expectation.type, items[i].reply.bytes(), true);
      if (!value) {
        problems_.push_back({expectation.name, "an item cannot be read: " + value.error().message, {}});
        return;
      }
      came.push_back(std::move(*value));
    }
    std::vector<Json> expected;
    for (const ExpectedItem& item : values.items) {
      Result<Json> value = item_json(catalog_, expectation.type, item.encoded, true);
      if (!value) {
        problems_.push_back({expectation.name, "an expected item cannot be read: " + value.error().message, {}});
        return;
      }
      expected.push_back(std::move(*value));
    }
    const Fields how = expectation.type.name == "tenon.Record" ? Fields::kOfRecord : Fields::kOfSchema;
    // nullopt for an item that is not compared.
    const auto compare = [&](std::size_t i, std::size_t j) -> std::optional<std::vector<Difference>> {
      if (j >= came.size()) {
        return std::nullopt;
      }
      return Comparer::compare(how, values.exact ? nullptr : &values.items[i].fields, expected[i], came[j]);
    };
    const auto equal = [&](std::size_t i, std::size_t j) {
      const auto differences = compare(i, j);
      return differences && differences->empty();
    };
    std::vector<std::size_t> missing;
    std::vector<std::size_t> left;
    if (values.ordered) {
      for (std::size_t i = 0; i < std::max(expected.size(), items.size()); ++i) {
        if (i < expected.size() && i < items.size() && equal(i, i)) {
          continue;
        }
        if (i < expected.size()) {
          missing.push_back(i);
        }
        if (i < items.size()) {
          left.push_back(i);
        }
      }
    } else {
      std::vector<std::vector<std::size_t>> fits(expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        for (std::size_t j = 0; j < came.size(); ++j) {
          if (equal(i, j)) {
            fits[i].push_back(j);
          }
        }
      }
      const Matching matching(fits, items.size());
      missing = matching.unmatched();
      left = matching.left();
    }
    if (missing.empty() && left.empty()) {
      return;
    }
    TestProblem problem{expectation.name, {}, {}};
    problem.message = count_of(expected.size(), "item", "items") + " expected" +
                      (values.ordered ? " in this order" : "") + ", " + std::to_string(items.size()) + " came";
    if (expected.size() == items.size()) {
      problem.message += ", of which " + std::to_string(left.size()) + (left.size() == 1 ? " differs" : " differ");
    }
    std::vector<std::size_t> rest = left;
    for (std::size_t k = 0; k < missing.size() && k < kMostShown; ++k) {
      describe(expectation, expected[missing[k]], missing[k], compare, items, rest, problem);
    }
    if (missing.size() > kMostShown) {
      problem.details.push_back("and " + std::to_string(missing.size() - kMostShown) + " more are missing");
    }
    for (std::size_t k = 0; k < rest.size() && k < kMostShown; ++k) {
      problem.details.push_back("came:     " + item_text(expectation, items[rest[k]]));
    }
    add_more(problem.details, rest.size());
    problems_.push_back(std::move(problem));
  }

  /// Describes an item that is missing, beside the one of `rest` that differs least from it.
  template <typename Compare>
  void describe(const TestExpectation& expectation, const Json& expected, std::size_t number, const Compare& compare,
                const std::vector<Item>& items, std::vector<std::size_t>& rest, TestProblem& problem) const {
    const Value& fields = expectation.values->items[number].fields;
    problem.details.push_back("expected: " + toml_text(written_part(fields, expected)));
    auto nearest = rest.end();
    std::vector<Difference> least;
    // In a given order, the item at the same position is the one to compare with.
    const std::size_t most = expectation.values->ordered ? 1 : 100;
    for (std::size_t k = 0; k < std::min(most, rest.size()); ++k) {
      const auto one = rest.begin() + static_cast<std::ptrdiff_t>(k);
      std::optional<std::vector<Difference>> differences = compare(number, *one);
      if (differences && (nearest == rest.end() || differences->size() < least.size())) {
        nearest = one;
        least = std::move(*differences);
      }
    }
    if (nearest == rest.end()) {
      return;
    }
    problem.details.push_back("came:     " + item_text(expectation, items[*nearest]));
    rest.erase(nearest);
    for (std::size_t i = 0; i < least.size() && i < kMostShown; ++i) {
      problem.details.push_back("  " + least[i].path + ": expected " + shown(least[i].expected) + ", came " +
                                shown(least[i].came));
    }
    if (least.size() > kMostShown) {
      problem.details.push_back("  and " + std::to_string(least.size() - kMostShown) + " more fields");
    }
  }

  const TestPlan& test_;
  const Catalog& catalog_;
  const TestRun& run_;
  const RunReport& report_;
  End end_ = End::kComplete;
  std::vector<TestProblem> problems_;
};

}  // namespace

bool ExpectedCount::holds(std::uint64_t count) const noexcept {
  return std::all_of(parts.begin(), parts.end(), [count](const Part& part) {
    switch (part.by) {
      case Operator::kEqual:
        return count == part.number;
      case Operator::kNotEqual:
        return count != part.number;
      case Operator::kLess:
        return count < part.number;
      case Operator::kLessEqual:
        return count <= part.number;
      case Operator::kGreater:
        return count > part.number;
      case Operator::kGreaterEqual:
        return count >= part.number;
    }
    return false;
  });
}

std::vector<TestProblem> judge_test(const TestPlan& test, const Catalog& catalog, const TestRun& run) {
  return Judge(test, catalog, run).judge();
}

}  // namespace tenon::internal

#include "pipeline/test_declaration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/unique_id.hpp"
#include "pipeline/declaration.hpp"

namespace tenon::internal {
namespace {

/// A file with more tests is refused, and so is an expectation with more values: which of them fits
/// which item costs the product of both numbers.
constexpr std::size_t kMostTests = 1000;
constexpr std::size_t kMostValues = 1000;

std::vector<std::string> error_codes() {
  std::vector<std::string> names;
  for (auto code = static_cast<int>(ErrorCode::kFailed); code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.emplace_back(error_code_name(static_cast<ErrorCode>(code)));
  }
  return names;
}

class TestReader {
 public:
  TestReader(TestDeclaration& test, const Value& table, const Environment& environment, Reporter& reporter)
      : test_(test), table_(table, "a test", environment, reporter), environment_(environment), reporter_(reporter) {}

  void read() {
    table_.check_keys(test_keys());
    if (const auto name = table_.text("name")) {
      test_.name = name->value;
      if (name->value.empty()) {
        table_.fail(name->place, "the name of a test is empty");
      }
    } else if (table_.entry("name") == nullptr) {
      table_.fail(test_.place, "the test has no name", "add name = \"<what it shows>\"");
    }
    if (const auto timeout = table_.duration("timeout")) {
      test_.timeout = timeout->value;
      if (timeout->value < std::chrono::milliseconds(1)) {
        table_.fail(timeout->place, "'timeout' must be 1ms or more");
      }
    }
    read_files();
    read_gives();
    read_expects();
  }

 private:
  void read_files() {
    const Value* const files = table_.table("files");
    if (files == nullptr) {
      return;
    }
    for (const Entry& entry : files->entries) {
      const std::filesystem::path name(entry.key);
      const bool inside = !entry.key.empty() && name.is_relative() && name.has_filename() &&
                          std::none_of(name.begin(), name.end(),
                                       [](const std::filesystem::path& part) { return part == ".." || part == "."; });
      if (!inside) {
        table_.fail(entry.place, "'" + entry.key + "' is not the name of a file of the test",
                    "give a path below the directory of the test, such as \"data/a.txt\"");
        continue;
      }
      const std::optional<Value> content = environment_.settle(entry.value, reporter_);
      if (!content) {
        continue;
      }
      const bool absent = content->kind == Value::Kind::kBool && !content->boolean;
      if (content->kind != Value::Kind::kString && !absent) {
        table_.fail(content->place, "file '" + entry.key + "' is " + std::string(kind_name(content->kind)) +
                                        "; it takes its content as a string, or false if it does not exist");
        continue;
      }
      test_.files.emplace(entry.key, absent ? std::nullopt : std::optional(content->text));
    }
    for (const auto& [name, content] : test_.files) {
      // A file cannot also be the directory of another one.
      const auto below = test_.files.lower_bound(name + "/");
      if (content && below != test_.files.end() && below->first.starts_with(name + "/")) {
        table_.fail(files->place, "'" + name + "' is a file, so there is no file '" + below->first + "' below it");
      }
    }
    if (!test_.files.empty()) {
      std::error_code failed;
      std::filesystem::path directory = std::filesystem::temp_directory_path(failed);
      if (failed) {
        table_.fail(files->place, "there is no directory for the files of the test: " + failed.message(),
                    "set TMPDIR to a directory that exists");
        return;
      }
      test_.directory = (directory / ("tenon-test-" + random_name())).string();
    }
  }

  void read_gives() {
    const Value* const gives = table_.table("give");
    if (gives == nullptr || gives->entries.empty()) {
      if (gives != nullptr || table_.entry("give") == nullptr) {
        table_.fail(gives != nullptr ? gives->place : test_.place, "the test gives nothing",
                    "add give.<source or stage> = [{ <field> = <value> }, ...]");
      }
      return;
    }
    for (const Entry& entry : gives->entries) {
      if (entry.value.kind != Value::Kind::kArray) {
        table_.fail(
            entry.value.place,
            "'" + entry.key + "' is " + std::string(kind_name(entry.value.kind)) + "; 'give' takes an array of items",
            "write give." + entry.key + " = [{ <field> = <value> }, ...]");
        continue;
      }
      check_tables(entry.value.elements, "give." + entry.key);
      test_.gives.push_back({entry.key, entry.place, &entry.value.elements});
    }
  }

  void check_tables(const std::vector<Value>& items, const std::string& what) {
    for (const Value& item : items) {
      if (item.kind != Value::Kind::kTable) {
        table_.fail(item.place,
                    "an item of '" + what + "' is " + std::string(kind_name(item.kind)) + "; it takes a table");
      }
    }
  }

  void read_expects() {
    const Value* const expects = table_.table("expect");
    if (expects == nullptr || expects->entries.empty()) {
      if (expects != nullptr || table_.entry("expect") == nullptr) {
        table_.fail(expects != nullptr ? expects->place : test_.place, "the test expects nothing",
                    "add expect.<stage> = [{ <field> = <value> }, ...] or expect.<stage> = { count = <items> }");
      }
      return;
    }
    for (const Entry& entry : expects->entries) {
      ExpectDeclaration expect;
      const std::size_t dot = entry.key.find('.');
      expect.node = entry.key.substr(0, dot);
      expect.output = dot == std::string::npos ? std::string() : entry.key.substr(dot + 1);
      expect.place = entry.place;
      if (entry.value.kind == Value::Kind::kArray) {
        read_values(entry.key, entry.value, expect);
      } else if (entry.value.kind == Value::Kind::kTable) {
        read_expectation(entry, expect);
      } else {
        table_.fail(entry.value.place,
                    "'" + entry.key + "' is " + std::string(kind_name(entry.value.kind)) +
                        "; 'expect' takes an array of items or a table",
                    "write expect." + entry.key + " = { count = <items> }, or name the items");
        continue;
      }
      test_.expects.push_back(std::move(expect));
    }
  }

  void read_values(const std::string& name, const Value& value, ExpectDeclaration& expect) {
    if (value.kind != Value::Kind::kArray) {
      table_.fail(value.place, "'values' is " + std::string(kind_name(value.kind)) + "; it takes an array of tables");
      return;
    }
    if (value.elements.size() > kMostValues) {
      table_.fail(value.place, "there are more than " + std::to_string(kMostValues) + " values",
                  "compare their number by 'count', or all of them by 'where'");
      return;
    }
    check_tables(value.elements, "expect." + name);
    expect.values = &value.elements;
  }

  void read_expectation(const Entry& entry, ExpectDeclaration& expect) {
    TableReader table(entry.value, "the expectation of '" + entry.key + "'", environment_, reporter_);
    table.check_keys(expectation_keys(), [&](const std::string& key) {
      // Of a name with a dot that is not in quotes, TOML makes a table.
      const Entry* const inner = entry.value.find(key);
      const bool output = inner->value.kind == Value::Kind::kTable || inner->value.kind == Value::Kind::kArray;
      return output && suggest(key, expectation_keys()).empty()
                 ? "for an output, write it in quotes: expect.\"" + entry.key + "." + key + "\""
                 : std::string();
    });
    if (const Entry* const values = table.entry("values")) {
      read_values(entry.key, values->value, expect);
    }
    expect.ordered = flag(table, "ordered");
    expect.exact = flag(table, "exact");
    for (const std::string_view key : {"ordered", "exact"}) {
      if (const Entry* const found = table.entry(key); found != nullptr && table.entry("values") == nullptr) {
        table.fail(found->place, "'" + std::string(key) + "' does nothing without 'values'");
      }
    }
    if (const Entry* const where = table.entry("where")) {
      expect.where = parse_condition(where->value, "'where'", environment_, reporter_);
      expect.where_place = where->place;
    }
    expect.count = read_count(table);
    read_none(table, expect);
    if (const Entry* const fails = table.entry("fails")) {
      read_failures(fails->value, expect);
    }
    const bool nothing = std::none_of(entry.value.entries.begin(), entry.value.entries.end(),
                                      [](const Entry& one) { return one.key != "ordered" && one.key != "exact"; });
    if (nothing) {
      table.fail(entry.value.place, "the expectation of '" + entry.key + "' is empty",
                 "add values, where, count, none or fails");
    }
  }

  void read_none(TableReader& table, ExpectDeclaration& expect) {
    const Entry* const none = table.entry("none");
    if (none == nullptr) {
      return;
    }
    if (!flag(table, "none")) {
      if (!table.broken()) {
        table.fail(none->value.place, "'none' is false", "leave it out, or write count = \">= 1\"");
      }
      return;
    }
    for (const std::string_view key : {"values", "where", "count"}) {
      if (table.entry(key) != nullptr) {
        table.fail(none->place, "'none' and '" + std::string(key) + "' exclude each other");
        return;
      }
    }
    expect.count = ExpectedCount{{{Operator::kEqual, 0}}, "0"};
  }

  bool flag(TableReader& table, std::string_view key) {
    const std::optional<Value> value = table.settled(key);
    if (!value) {
      return false;
    }
    if (value->from_environment && (value->text == "true" || value->text == "false")) {
      return value->text == "true";
    }
    if (value->kind != Value::Kind::kBool) {
      table.fail(value->place,
                 "'" + std::string(key) + "' is " + std::string(kind_name(value->kind)) + "; it takes true or false");
    }
    return value->boolean;
  }

  static std::optional<ExpectedCount> read_count(TableReader& table) {
    const std::optional<Value> value = table.settled("count");
    if (!value) {
      return std::nullopt;
    }
    ExpectedCount count;
    count.text = value->kind == Value::Kind::kInteger ? integer_text(*value) : value->text;
    bool good = value->kind == Value::Kind::kInteger || value->kind == Value::Kind::kString;
    for (const Comparison& one : split_comparisons(count.text)) {
      ExpectedCount::Part part{one.by, 0};
      const char* const end = one.number.data() + one.number.size();
      const auto read = std::from_chars(one.number.data(), end, part.number);
      good = good && read.ec == std::errc() && read.ptr == end;
      count.parts.push_back(part);
    }
    if (!good) {
      table.fail(value->place, "'count' is not a number of items", "write it as in 3 or \">= 1, < 10\"");
      return std::nullopt;
    }
    return count;
  }

  void read_failures(const Value& value, ExpectDeclaration& expect) {
    if (value.kind == Value::Kind::kArray) {
      if (value.elements.empty()) {
        table_.fail(value.place, "'fails' is empty", "leave it out if nothing fails");
      }
      for (const Value& element : value.elements) {
        read_failure(element, expect);
      }
    } else {
      read_failure(value, expect);
    }
  }

  void read_failure(const Value& written, ExpectDeclaration& expect) {
    ExpectedFailure failure;
    failure.count = {{{Operator::kGreaterEqual, 1}}, ">= 1"};
    if (written.kind == Value::Kind::kTable && !Environment::is_reference(written)) {
      TableReader table(written, "'fails'", environment_, reporter_);
      table.check_keys(failure_keys());
      if (const auto code = table.text("code")) {
        const std::vector<std::string> codes = error_codes();
        const auto found = std::find(codes.begin(), codes.end(), code->value);
        if (found == codes.end()) {
          table.fail(code->place, "'" + code->value + "' is not an error code",
                     suggest(code->value, codes, "they are " + list_names(codes, 20)));
        } else {
          failure.code = static_cast<ErrorCode>(found - codes.begin() + static_cast<int>(ErrorCode::kFailed));
          failure.text += "code \"" + code->value + "\"";
        }
      }
      if (const auto message = table.text("message")) {
        failure.message = message->value;
        failure.text += (failure.text.empty() ? "" : ", ") + ("message \"" + message->value + "\"");
      }
      if (auto count = read_count(table)) {
        failure.count = std::move(*count);
      }
      if (failure.text.empty()) {
        failure.text = "any error";
      }
      expect.failures.push_back(std::move(failure));
      return;
    }
    const std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value) {
      return;
    }
    if (value->kind == Value::Kind::kBool && value->boolean) {
      failure.text = "any error";
    } else if (value->kind == Value::Kind::kString && !value->text.empty()) {
      failure.code_or_message = value->text;
      failure.text = "\"" + value->text + "\"";
    } else {
      table_.fail(value->place, "'fails' takes true, a part of an error, a table, or an array of these",
                  "write fails = \"<part of the code and text>\" or fails = { code = \"<code>\" }");
      return;
    }
    expect.failures.push_back(std::move(failure));
  }

  TestDeclaration& test_;
  TableReader table_;
  const Environment& environment_;
  Reporter& reporter_;
};

}  // namespace

const std::vector<std::string>& test_keys() {
  static const std::vector<std::string> kKeys = {"name", "give", "expect", "timeout", "files"};
  return kKeys;
}

const std::vector<std::string>& expectation_keys() {
  static const std::vector<std::string> kKeys = {"values", "ordered", "exact", "where", "count", "none", "fails"};
  return kKeys;
}

const std::vector<std::string>& failure_keys() {
  static const std::vector<std::string> kKeys = {"code", "message", "count"};
  return kKeys;
}

std::vector<TestDeclaration> read_tests(const Value& document, const Environment& environment,
                                        std::map<std::string, std::string>& names, Reporter& reporter) {
  std::vector<TestDeclaration> tests;
  const Entry* const entry = document.find("tests");
  if (entry == nullptr) {
    return tests;
  }
  if (entry->value.kind != Value::Kind::kArray) {
    reporter.error(entry->place, "'tests' is " + std::string(kind_name(entry->value.kind)) + "; it takes tables",
                   "write [[tests]]");
    return tests;
  }
  for (const Value& table : entry->value.elements) {
    if (table.kind != Value::Kind::kTable) {
      reporter.error(table.place, "a test is " + std::string(kind_name(table.kind)) + "; it takes a table",
                     "write [[tests]]");
      continue;
    }
    if (tests.size() == kMostTests) {
      reporter.error(table.place, "the file has more than " + std::to_string(kMostTests) + " tests",
                     "put some of them beside another pipeline");
      break;
    }
    TestDeclaration test;
    test.place = table.place;
    TestReader(test, table, environment, reporter).read();
    if (!test.name.empty()) {
      const auto [first, inserted] = names.emplace(test.name, reporter.place_text(test.place));
      if (!inserted) {
        reporter.error(table.find("name")->place, "there is already a test '" + test.name + "'",
                       "it is at " + first->second);
      }
    }
    tests.push_back(std::move(test));
  }
  return tests;
}

}  // namespace tenon::internal

// Conditions: how they are read, checked and evaluated.
#include "pipeline/condition.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "fake_directory.hpp"
#include "fake_executor.hpp"
#include "load.hpp"
#include "pipeline/compile_condition.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using internal::Condition;

const internal::EdgeType kSample{"other", "other.Sample"};

/// A condition that was read and compiled.
struct Compiled {
  std::optional<Condition> condition;
  std::optional<internal::Decision> decision;
  std::string messages;
};

Compiled compile(const std::string& where) {
  const std::string text = "where = " + where + "\n";
  internal::Reporter reporter("c.toml", text);
  Compiled out;
  const auto document = internal::parse_document(text, reporter);
  const internal::Environment environment(
      [](const std::string& name) { return name == "LEVEL" ? std::optional<std::string>("7") : std::nullopt; });
  if (document) {
    out.condition = internal::parse_condition(document->find("where")->value, "'where'", environment, reporter);
  }
  if (out.condition) {
    out.decision = internal::compile_conditions({&*out.condition}, kSample, "filter 'f'", FakeDirectory(), reporter);
  }
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  for (const Diagnostic& item : diagnostics.items) {
    out.messages += std::to_string(item.column) + ": " + item.message + "\n";
    out.messages += item.hint.empty() ? "" : "  = " + item.hint + "\n";
  }
  return out;
}

bool holds(const std::string& where, const std::string& item, std::uint64_t index = 0) {
  const Compiled compiled = compile(where);
  INFO(where << "\n" << compiled.messages);
  REQUIRE(compiled.decision);
  const auto outcome = compiled.decision->decide({make_reply(item), index});
  REQUIRE(outcome);
  return *outcome == 0;
}

/// An item, as the reference reads it.
struct Sample {
  int small = 0;
  int signed_number = 0;
  bool flag = false;
  double ratio = 0;
  std::optional<int> maybe;
  std::string text;
  int kind = 0;

  [[nodiscard]] std::string item() const {
    std::string out = "small=" + std::to_string(small) + ";delta=" + std::to_string(signed_number) +
                      ";flag=" + (flag ? "true" : "false") + ";ratio=" + std::to_string(ratio) + ";word=" + text +
                      ";kind=" + (kind == 0 ? "Regular" : "Directory");
    return maybe ? out + ";maybe=" + std::to_string(*maybe) : out;
  }
};

/// Evaluates a condition in the simplest way, on its tree.
bool reference(const Condition& condition, const Sample& sample) {
  const auto number = [](double value, const std::string& text) {
    const auto after = [&](std::size_t sign) { return std::stod(text.substr(sign)); };
    return text.starts_with(">=")   ? value >= after(2)
           : text.starts_with("<=") ? value <= after(2)
           : text.starts_with("!=") ? value != after(2)
           : text.starts_with(">")  ? value > after(1)
           : text.starts_with("<")  ? value < after(1)
                                    : value == after(0);
  };
  const auto any_value = [&](const std::function<bool(const internal::Value&)>& fits) {
    return std::any_of(condition.values.begin(), condition.values.end(), fits);
  };
  const auto any_number = [&](double value) {
    return any_value([&](const internal::Value& one) {
      return one.kind == internal::Value::Kind::kInteger ? value == static_cast<double>(one.integer)
                                                         : number(value, one.text);
    });
  };
  switch (condition.kind) {
    case Condition::Kind::kAll:
      return std::all_of(condition.parts.begin(), condition.parts.end(),
                         [&](const Condition& part) { return reference(part, sample); });
    case Condition::Kind::kAny:
      return std::any_of(condition.parts.begin(), condition.parts.end(),
                         [&](const Condition& part) { return reference(part, sample); });
    case Condition::Kind::kNot:
      return !reference(condition.parts.front(), sample);
    case Condition::Kind::kPresent:
      return sample.maybe.has_value();
    case Condition::Kind::kField:
      break;
  }
  if (condition.field == "small") {
    return any_number(sample.small);
  }
  if (condition.field == "delta") {
    return any_number(sample.signed_number);
  }
  if (condition.field == "ratio") {
    return any_number(sample.ratio);
  }
  if (condition.field == "maybe") {
    return sample.maybe ? any_number(*sample.maybe)
                        : any_value([](const internal::Value& one) { return one.text.starts_with("!="); });
  }
  if (condition.field == "flag") {
    return any_value([&](const internal::Value& one) { return one.boolean == sample.flag; });
  }
  if (condition.field == "kind") {
    return any_value([&](const internal::Value& one) { return (one.text == "Directory") == (sample.kind == 1); });
  }
  return any_value([&](const internal::Value& one) {
    return one.text.starts_with("prefix:")     ? sample.text.starts_with(one.text.substr(7))
           : one.text.starts_with("suffix:")   ? sample.text.ends_with(one.text.substr(7))
           : one.text.starts_with("contains:") ? sample.text.find(one.text.substr(9)) != std::string::npos
                                               : sample.text == one.text;
  });
}

class RandomCondition {
 public:
  explicit RandomCondition(std::mt19937& random) : random_(random) {}

  std::string table(int depth) {
    std::vector<std::string> keys{"small", "delta", "flag", "ratio", "maybe", "word", "kind"};
    std::string out = "{ ";
    for (unsigned i = 0; i <= below(3); ++i) {
      const std::size_t key = below(static_cast<unsigned>(keys.size()));
      out += (out.size() > 2 ? ", " : "") + entry(keys[key], depth);
      keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(key));
    }
    if (depth > 0 && below(2) == 0) {
      const unsigned kind = below(3);
      out += kind == 0 ? ", not = " + table(depth - 1) : std::string(kind == 1 ? ", any" : ", all") + " = [";
      if (kind > 0) {
        out += table(depth - 1) + ", " + table(depth - 1) + "]";
      }
    }
    return out + " }";
  }

 private:
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  std::string entry(const std::string& key, int) {
    if (key == "maybe" && below(4) == 0) {
      return key + (below(2) == 0 ? " = { present = true }" : " = { present = false }");
    }
    std::string list;
    const unsigned count = 1 + below(3);
    for (unsigned i = 0; i < (key == "flag" ? 1 : count); ++i) {
      list += (list.empty() ? "" : ", ") + value(key);
    }
    const std::string values = count > 1 ? "[" + list + "]" : list;
    return key + " = " + (below(5) == 0 ? "{ not = " + values + " }" : values);
  }

  std::string value(const std::string& key) {
    if (key == "flag") {
      return below(2) == 0 ? "true" : "false";
    }
    if (key == "kind") {
      return below(2) == 0 ? "\"Regular\"" : "\"Directory\"";
    }
    if (key == "word") {
      static const char* const kWords[] = {"\"\"",         "\"a\"",        "\"ab\"",
                                           "\"prefix:a\"", "\"suffix:b\"", "\"contains:ab\""};
      return kWords[below(6)];
    }
    const std::string number = std::to_string(1 + below(6));
    static const char* const kSigns[] = {"", "< ", "<= ", "> ", ">= ", "!= "};
    const unsigned sign = below(6);
    return sign == 0 ? number : "\"" + std::string(kSigns[sign]) + number + "\"";
  }

  std::mt19937& random_;
};

}  // namespace

TEST_CASE("Condition: comparisons of each kind of field") {
  CHECK(holds("{ small = 7 }", "small=7"));
  CHECK(holds("{ small = [6, 7, 8] }", "small=7"));
  CHECK_FALSE(holds("{ small = [6, 8] }", "small=7"));
  CHECK(holds("{ small = \">= 4, < 9, != 5\" }", "small=4"));
  CHECK_FALSE(holds("{ small = \">= 4, < 9, != 5\" }", "small=5"));
  CHECK_FALSE(holds("{ small = \">= 4, < 9, != 5\" }", "small=9"));
  CHECK(holds("{ small = { env = \"LEVEL\" } }", "small=7"));
  CHECK(holds("{ delta = \"< 0\" }", "delta=-1"));
  CHECK_FALSE(holds("{ delta = \"< 0\" }", "delta=0"));
  CHECK(holds("{ large = 18446744073709551615 }", "large=18446744073709551615"));
  CHECK(holds("{ large = \"> 9223372036854775807\" }", "large=9223372036854775808"));
  CHECK(holds("{ ratio = \"> 0.5\" }", "ratio=0.75"));
  CHECK_FALSE(holds("{ ratio = \"> 0.5\" }", "ratio=0.5"));
  CHECK(holds("{ ratio = 0.5 }", "ratio=0.5"));
  CHECK_FALSE(holds("{ ratio = \"< inf\" }", "ratio=nan"));
  CHECK(holds("{ ratio = \"!= 1\" }", "ratio=nan"));
  CHECK(holds("{ flag = true }", "flag=true"));
  CHECK(holds("{ kind = \"Directory\" }", "kind=Directory"));
  CHECK(holds("{ kind = { not = \"Directory\" } }", "kind=Regular"));
  CHECK(holds("{ word = [\"x\", \"glob:**/src/*.c\"] }", "word=a/src/b.c"));
  CHECK(holds("{ word = \"equals:glob:x\" }", "word=glob:x"));
  CHECK(holds("{ word = \"\" }", "small=1"));
  CHECK(holds("{ word = \"http://x\" }", "word=http://x"));
  CHECK(holds("{ \"@index\" = \"<= 3\" }", "", 2));
  CHECK_FALSE(holds("{ \"@index\" = \"<= 3\" }", "", 3));
}

TEST_CASE("Condition: an absent optional value equals nothing") {
  CHECK_FALSE(holds("{ maybe = \">= -40000\" }", "small=1"));
  CHECK(holds("{ maybe = \">= -40000\" }", "maybe=1"));
  CHECK(holds("{ maybe = \"!= 3\" }", "small=1"));
  CHECK(holds("{ maybe = { not = 3 } }", "small=1"));
  CHECK(holds("{ maybe = { present = false } }", "small=1"));
  CHECK(holds("{ maybe = { present = true } }", "maybe=1"));
  CHECK(holds("{ word = { present = true } }", "word="));
  CHECK_FALSE(holds("{ word = { present = true } }", "small=1"));
}

TEST_CASE("Condition: all, any and not nest; inner tables are relative to their field") {
  const std::string where = "{ flag = true, any = [{ small = 1 }, { small = 2, not = { kind = \"Directory\" } }] }";
  CHECK(holds(where, "flag=true;small=1;kind=Directory"));
  CHECK(holds(where, "flag=true;small=2;kind=Regular"));
  CHECK_FALSE(holds(where, "flag=true;small=2;kind=Directory"));
  CHECK_FALSE(holds(where, "flag=false;small=1"));
  CHECK(holds("{ not = [{ small = 1 }, { small = 2 }] }", "small=3"));
  CHECK_FALSE(holds("{ not = [{ small = 1 }, { small = 2 }] }", "small=2"));
  for (const char* const dotted : {"{ inner.shift = 5 }", "{ \"inner.shift\" = 5 }", "{ inner = { shift = 5 } }",
                                   "{ inner = { any = [{ shift = 4 }, { shift = 5 }] } }"}) {
    CHECK(holds(dotted, "inner.shift=5"));
    CHECK_FALSE(holds(dotted, "inner.shift=6"));
  }
}

TEST_CASE("Condition: what cannot be read is an error with its location and remedy") {
  const auto messages = [](const std::string& where) { return compile(where).messages; };
  CHECK(messages("7") == "9: 'where' is an integer; it takes a table of conditions\n  = write { <field> = <value> }\n");
  CHECK(messages("{}") == "9: 'where' is empty\n  = give at least one condition: { <field> = <value> }\n");
  CHECK(messages("{ small = [] }") == "19: 'small' has no values\n  = a list of values matches any of them\n");
  CHECK(messages("{ small = [[1]] }") ==
        "20: a value of 'small' is an array; it takes a string, a number or a boolean\n");
  CHECK(messages("{ any = { small = 1 } }") ==
        "17: 'any' is a table; it takes an array of tables\n  = write any = [{ <field> = <value> }, ...]\n");
  CHECK(messages("{ not = 3 }") ==
        "17: 'not' is an integer; it takes a table of conditions\n  = write not = { <field> = <value> }\n");
  CHECK(messages("{ maybe = { present = 1 } }") ==
        "31: 'present' is an integer; it takes true or false\n  = to compare a field that is named 'present', write "
        "\"maybe.present\" = <value>\n");
}

TEST_CASE("Condition: what can never hold, or always holds, is an error") {
  const auto messages = [](const std::string& where) { return compile(where).messages; };
  CHECK(messages("{ smal = 1 }") == "11: filter 'f': other.Sample has no field 'smal'\n  = did you mean 'small'?\n");
  CHECK(messages("{ inner.shft = 1 }") ==
        "17: filter 'f': files.Inner has no field 'shft'\n  = did you mean 'inner.shift'?\n");
  CHECK(messages("{ \"@idx\" = 1 }").starts_with("11: filter 'f': items have no '@idx'\n"));
  CHECK(messages("{ small = 256 }") == "19: 'small' is never 256\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ small = \"> 255\" }") ==
        "19: 'small' is never '> 255'\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ small = \"> 5, < 4\" }") ==
        "19: 'small' is never '> 5, < 4'\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ small = \">= 0\" }") ==
        "19: 'small' is always '>= 0'\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ small = \"!= 300\" }") ==
        "19: 'small' is always '!= 300'\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ small = \"high\" }") ==
        "19: 'small' is never 'high'\n  = it is an integer from 0 to 255 (uint8); compare it as in 7, \">= 7\" or "
        "\">= 7, < 9\"\n");
  CHECK(messages("{ small = true }") == "19: 'small' is never true\n  = it is an integer from 0 to 255 (uint8)\n");
  CHECK(messages("{ flag = \"yes\" }") == "18: 'flag' is never 'yes'\n  = it is true or false\n");
  CHECK(messages("{ flag = [true, false] }") ==
        "11: 'flag' is always one of these values\n  = leave the condition out\n");
  CHECK(messages("{ kind = \"Regula\" }") == "18: 'kind' is never 'Regula'\n  = did you mean 'Regular'?\n");
  CHECK(messages("{ kind = \"!= Regular\" }") ==
        "18: 'kind' is never '!= Regular'\n  = write \"kind\" = { not = \"<name>\" }\n");
  CHECK(messages("{ ratio = nan }") == "19: 'ratio' is never \"nan\"\n  = no number is equal to nan\n");
  CHECK(messages("{ ratio = \"> 1, < 1\" }") ==
        "19: 'ratio' is never '> 1, < 1'\n  = it is a number with a fraction (float64)\n");
  CHECK(messages("{ word = 7 }") == "18: 'word' is never 7\n  = it is a string; write \"7\"\n");
  CHECK(messages("{ word = \"> a\" }") ==
        "18: 'word' is a string, which has no order\n  = write \"equals:> a\" for that very text\n");
  CHECK(messages("{ word = \"glob:[\" }") == "18: the pattern has a [ without a ]; write \\[ for the character\n");
  CHECK(messages("{ word = \"regex:.\" }").starts_with("18: conditions have no regular expressions\n"));
  CHECK(messages("{ word = \"prefix:\" }") == "18: 'prefix:' has no text after 'prefix:'\n");
  CHECK(messages("{ small = { present = true } }") ==
        "21: 'small' is always present\n  = it is uint8, of which every item has a value; leave the condition out\n");
  CHECK(messages("{ blob = 1 }") ==
        "11: 'blob' is [ubyte]; a condition can only test whether it is present\n  = write \"blob\" = { present = "
        "true }\n");
  CHECK(compile("{ blob = { present = true } }").messages.empty());
}

TEST_CASE("Condition: an item that is not valid has no outcome") {
  const Compiled compiled = compile("{ small = 1 }");
  REQUIRE(compiled.decision);
  CHECK_FALSE(compiled.decision->decide({make_reply("corrupt"), 0}));
}

TEST_CASE("Condition: random conditions decide as the reference does") {
  std::mt19937 random(11);
  int compiled_count = 0;
  int held = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string where = RandomCondition(random).table(3);
    const Compiled compiled = compile(where);
    INFO(where << "\n" << compiled.messages);
    REQUIRE(compiled.condition);
    if (!compiled.decision) {
      // Only what can never hold, or always holds, is refused.
      REQUIRE((compiled.messages.find(" is never ") != std::string::npos ||
               compiled.messages.find(" is always ") != std::string::npos));
      continue;
    }
    ++compiled_count;
    for (int j = 0; j < 30; ++j) {
      Sample sample;
      sample.small = static_cast<int>(random() % 8);
      sample.signed_number = static_cast<int>(random() % 10) - 2;
      sample.flag = random() % 2 == 0;
      sample.ratio = static_cast<double>(random() % 16) / 2;
      sample.kind = static_cast<int>(random() % 2);
      if (random() % 2 == 0) {
        sample.maybe = static_cast<int>(random() % 8);
      }
      for (auto length = random() % 4; length > 0; --length) {
        sample.text += random() % 2 == 0 ? 'a' : 'b';
      }
      const std::string item = sample.item();
      INFO(item);
      const auto outcome = compiled.decision->decide({make_reply(item), 0});
      REQUIRE(outcome);
      const bool expected = reference(*compiled.condition, sample);
      held += expected ? 1 : 0;
      REQUIRE((*outcome == 0) == expected);
    }
  }
  CHECK(compiled_count > 500);
  CHECK(held > 1000);
}

}  // namespace tenon::test

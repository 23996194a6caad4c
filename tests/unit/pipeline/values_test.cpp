// Values of a pipeline file: large integers, numbers that JSON lacks, unions, cases of routes.
#include <optional>
#include <string>

#include "load.hpp"
#include "pipeline/large_integers.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

std::string text_of(const Buffer& buffer) {
  return {buffer.begin(), buffer.end()};
}

std::string counting(const std::string& count) {
  return "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { first = 1, count = " + count +
         " }\n[sinks.s]\ntask = \"tenon.discard\"\ninputs = [\"numbers\"]\n";
}

std::string values(const std::string& args) {
  return "[sources.v]\ntask = \"other.values_numbers\"\nargs = { " + args +
         " }\n[sinks.s]\ntask = \"tenon.discard\"\ninputs = [\"v\"]\n";
}

std::string routed(const std::string& field, const std::string& value) {
  return "[sources.v]\ntask = \"other.values_numbers\"\n[stages.r]\nkind = \"route\"\ninputs = [\"v\"]\nfield = \"" +
         field + "\"\nelse = \"drop\"\ncases = { a = [" + value +
         "] }\n[sinks.s]\ntask = \"tenon.discard\"\ninputs = [\"r.a\"]\n";
}

struct FieldValue {
  const char* field;
  const char* value;
};

}  // namespace

TEST_CASE("Values: an uint64 takes every number up to its largest, however it is written") {
  for (const char* written : {"18446744073709551615", "18_446_744_073_709_551_615", "0xffffffffffffffff",
                              "0xFFFF_FFFF_FFFF_FFFF", "+18446744073709551615", "0o1777777777777777777777",
                              "0b1111111111111111111111111111111111111111111111111111111111111111"}) {
    INFO(written);
    const Loaded loaded = load(counting(written));
    INFO(loaded.messages);
    REQUIRE(loaded.graph);
    CHECK(text_of(loaded.graph->nodes[0].argument) == R"({"first": 1,"count": 18446744073709551615})");
  }
  const Loaded set = load(counting("1"), {{"sources.numbers.args.count", "9223372036854775808"}});
  REQUIRE(set.graph);
  CHECK(text_of(set.graph->nodes[0].argument) == R"({"first": 1,"count": 9223372036854775808})");
}

TEST_CASE("Values: an integer beyond its type, or beyond 64 bits, is named as it stands") {
  CHECK(load(counting("18446744073709551616")).messages ==
        "3:29: error: 18446744073709551616 has more than 64 bits\n"
        "  = integers range from -9223372036854775808 to 18446744073709551615\n");
  CHECK(load(counting("-9223372036854775809")).messages.find("3:29: error: -9223372036854775809 has more") == 0);
  const std::string signed_text =
      "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { first = 9223372036854775808 }\n"
      "[sinks.s]\ntask = \"tenon.discard\"\ninputs = [\"numbers\"]\n";
  CHECK(load(signed_text).messages ==
        "3:18: error: 'first' is 9223372036854775808; it takes an integer from -9223372036854775808 to "
        "9223372036854775807\n");
  const Loaded workers = load(counting("1") + "workers = 18446744073709551615\n");
  CHECK(workers.messages == "7:11: error: 'workers' is 18446744073709551615; it takes 1 to 4096\n");
}

TEST_CASE("Values: only values are looked at, not keys, strings and comments") {
  std::optional<internal::BadNumber> bad;
  const std::string three = "'''";
  const std::string text =
      "# x = 99999999999999999999\n[99999999999999999999]\n99999999999999999999 = \"99999999999999999999\"\n"
      "t = { 99999999999999999999 = 1, NaN = 2 }\na = [\n 1, # 99999999999999999999\n 18446744073709551615,\n" +
      three + "\n99999999999999999999" + three +
      " ]\nd = 2024-01-01T00:00:00\nf = 9999999999999999999999.5\ng = 1e400\n";
  const internal::LargeIntegers found = internal::take_large_integers(text, internal::SpecialNumbers::kAnyCase, bad);
  CHECK_FALSE(bad);
  REQUIRE(found.values.size() == 1);
  CHECK(found.values.begin()->first == text.find("18446744073709551615"));
  CHECK(found.text.size() == text.size());
}

TEST_CASE("Values: nan and infinities, in any letters, bare and as text") {
  for (const FieldValue& one :
       {FieldValue{"nan", "nan"}, FieldValue{"inf", "+inf"}, FieldValue{"-inf", "-inf"}, FieldValue{"nan", "\"NaN\""},
        FieldValue{"-inf", "\"-Infinity\""}, FieldValue{"inf", "\"INF\""}, FieldValue{"nan", "NaN"},
        FieldValue{"nan", "-NAN"}, FieldValue{"inf", "Inf"}, FieldValue{"inf", "+INF"}, FieldValue{"inf", "Infinity"},
        FieldValue{"-inf", "-infinity"}}) {
    INFO(one.value);
    const Loaded loaded = load(values(std::string("ratio = ") + one.value));
    INFO(loaded.messages);
    REQUIRE(loaded.graph);
    CHECK(text_of(loaded.graph->nodes[0].argument) == std::string("{\"ratio\": \"") + one.field + "\"}");
  }
  for (const char* const other : {"NaNny", "nan(1)", "infinite"}) {
    INFO(other);
    CHECK(load(values(std::string("ratio = ") + other)).messages.find("3:") == 0);
  }
  // A string field is not a number, however the value is written.
  CHECK(load(counting("NaN")).messages.find("3:29: error: ") == 0);
  CHECK(load(values("ratio = \"nanny\"")).messages.find("it takes a number, nan, inf or -inf") != std::string::npos);
}

TEST_CASE("Values: a union needs its type, which is one of those listed") {
  CHECK(load(values("any = { x = 1 }")).messages ==
        "3:10: error: 'any' is a union and needs 'any_type' beside it\n  = its types are Left, Right\n");
  const Loaded loaded = load(values("any_type = \"Left\", any = { x = 1 }"));
  REQUIRE(loaded.graph);
  CHECK(text_of(loaded.graph->nodes[0].argument) == R"({"any_type": "Left","any": {"x": 1}})");
}

TEST_CASE("Values: cases that a field never has are errors") {
  for (const FieldValue& one :
       {FieldValue{"small", "\"< 400\""}, FieldValue{"small", "-1"}, FieldValue{"small", "256"},
        FieldValue{"small", "true"}, FieldValue{"small", "\"007\""}, FieldValue{"small", "\"\""},
        FieldValue{"small", "18446744073709551615"}, FieldValue{"flag", "1"}, FieldValue{"flag", "\"yes\""},
        FieldValue{"ratio", "\"half\""}, FieldValue{"ratio", "\"0.50\""}, FieldValue{"ratio", "false"},
        FieldValue{"maybe", "40000"}}) {
    INFO(one.field << " " << one.value);
    const Loaded loaded = load(routed(one.field, one.value));
    CHECK_FALSE(loaded.graph);
    CHECK(loaded.messages.find("8:16: error: '" + std::string(one.field) + "' is never ") == 0);
  }
  CHECK(load(routed("small", "\"< 400\"")).messages ==
        "8:16: error: 'small' is never '< 400'\n"
        "  = it is an integer from 0 to 255 (uint8); a case lists values and takes no conditions\n");
}

TEST_CASE("Values: cases that a field can have are taken as they are") {
  for (const FieldValue& one :
       {FieldValue{"small", "255"}, FieldValue{"small", "0xff"}, FieldValue{"small", "\"7\""},
        FieldValue{"flag", "true"}, FieldValue{"flag", "\"false\""}, FieldValue{"ratio", "\"0.5\""},
        FieldValue{"ratio", "\"nan\""}, FieldValue{"maybe", "\"\""}, FieldValue{"maybe", "-40"}}) {
    INFO(one.field << " " << one.value);
    CHECK(load(routed(one.field, one.value)).messages.empty());
  }
}

TEST_CASE("Values: an unknown kind is one error") {
  const Loaded loaded = load(
      "[sources.numbers]\ntask = \"tenon.numbers\"\n[stages.r]\nkind = \"rout\"\ninputs = [\"numbers\"]\n"
      "field = \"group\"\ncases = { a = [\"x\"] }\nelse = \"drop\"\n[sinks.s]\ntask = \"tenon.discard\"\n"
      "inputs = [\"r.a\"]\n");
  CHECK(loaded.messages == "4:8: error: unknown kind 'rout'\n  = did you mean 'route'?\n");
}

}  // namespace tenon::test

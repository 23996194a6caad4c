#include "schema/compare_buffers.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon_test/catch.hpp>

#include "declared_schema.hpp"
#include "support.hpp"

using tenon::Schema;
using tenon::internal::compare_buffers;
using namespace tenon::test;

namespace {

using Lines = std::vector<std::string>;

/// Returns the differences between two p.T that are given as JSON.
Lines differences(const Schema& before, const std::string& old_json, const Schema& now, const std::string& new_json,
                  std::size_t max = 8) {
  const auto old_buffer = before.from_json("p.T", old_json);
  const auto new_buffer = now.from_json("p.T", new_json);
  REQUIRE(message_of(old_buffer).empty());
  REQUIRE(message_of(new_buffer).empty());
  return compare_buffers(before, now, "p.T", *old_buffer, *new_buffer, max);
}

}  // namespace

TEST_CASE("compare_buffers: each kind of value") {
  const Schema schema = declared_schema(
      "enum E: byte { X, Y } struct S { x: int; y: [float:2]; } table U { n: string; v: ulong; } table V { x: int; } "
      "union W { U, V } "
      "table T { flag: bool; small: byte = 3; wide: ulong; real: double; maybe: int = null; e: E; text: string; "
      "data: [ubyte]; numbers: [int]; words: [string]; u: U; us: [U]; s: S; ss: [S]; w: W; ws: [W]; old: int "
      "(deprecated); }");
  const std::tuple<const char*, const char*, Lines> cases[] = {
      {"{}", "{}", {}},
      {R"({"flag": false, "small": 3, "real": 0, "e": "X"})", "{}", {}},
      {R"({"flag": true})", "{}", {"flag: true became false"}},
      {"{}", R"({"small": -1})", {"small: 3 became -1"}},
      {R"({"wide": 18446744073709551615})", R"({"wide": 1})", {"wide: 18446744073709551615 became 1"}},
      {R"({"real": "nan"})", R"({"real": "nan"})", {}},
      {R"({"real": -0.0})", "{}", {}},
      {R"({"real": "nan"})", R"({"real": 1})", {"real: nan became 1.0"}},
      {R"({"maybe": 0})", "{}", {"maybe: 0 became null"}},
      {R"({"e": "Y"})", R"({"e": "X"})", {"e: Y became X"}},
      {R"({"text": "one"})", R"({"text": "two"})", {"text: 'one' became 'two'"}},
      {R"({"text": ""})", "{}", {"text: '' became absent"}},
      {R"({"data": "AAEC"})", R"({"data": "AAEC"})", {}},
      {R"({"data": "AAEC"})", R"({"data": "AAE="})", {"data: 3 bytes became 2 bytes"}},
      {R"({"data": "AAEC"})", R"({"data": "AAED"})", {"data[2]: 2 became 3"}},
      {R"({"numbers": [1, 2, 3, 4]})",
       R"({"numbers": [1, 5, 3, 6]})",
       {"numbers[1]: 2 became 5, and 1 element after it"}},
      {R"({"numbers": []})", "{}", {"numbers: 0 elements became absent"}},
      {R"({"words": ["a", "b"]})", R"({"words": ["a", "c"]})", {"words[1]: 'b' became 'c'"}},
      {R"({"words": ["a", "b"]})", R"({"words": ["a"]})", {"words: 2 elements became 1 element"}},
      {R"({"u": {"n": "a", "v": 1}})", R"({"u": {"n": "b", "v": 2}})", {"u.n: 'a' became 'b'", "u.v: 1 became 2"}},
      {R"({"u": {}})", "{}", {"u: a p.U became absent"}},
      {R"({"us": [{"v": 1}, {"v": 2}]})", R"({"us": [{"v": 1}, {"v": 3}]})", {"us[1].v: 2 became 3"}},
      {R"({"s": {"x": 1, "y": [1, 2]}})", R"({"s": {"x": 1, "y": [1, 3]}})", {"s.y[1]: 2.0 became 3.0"}},
      {R"({"ss": [{"x": 1, "y": [0, 0]}]})", R"({"ss": [{"x": 2, "y": [0, 0]}]})", {"ss[0].x: 1 became 2"}},
      {R"({"w_type": "U", "w": {"v": 1}})", R"({"w_type": "U", "w": {"v": 2}})", {"w.v: 1 became 2"}},
      {R"({"w_type": "U", "w": {"v": 1}})", R"({"w_type": "V", "w": {"x": 1}})", {"w: U became V"}},
      {R"({"w_type": "V", "w": {"x": 2}})", R"({"w_type": "V", "w": {"x": 1}})", {"w.x: 2 became 1"}},
      {R"({"w_type": "U", "w": {"v": 1}})", "{}", {"w: U became NONE"}},
      {R"({"ws_type": ["U", "U"], "ws": [{}, {"v": 1}]})",
       R"({"ws_type": ["U", "U"], "ws": [{}, {"v": 4}]})",
       {"ws[1].v: 1 became 4"}},
      {R"({"ws_type": ["U"], "ws": [{}]})", "{}", {"ws: 1 element became absent"}},
  };
  for (const auto& [before, now, lines] : cases) {
    INFO(before << " -> " << now);
    CHECK(differences(schema, before, schema, now) == lines);
    CHECK(differences(schema, before, schema, before).empty());
  }
}

TEST_CASE("compare_buffers: by what both versions know, not by layout") {
  const Schema before = declared_schema("table T { a: int; b: string; gone: int; }");
  const Schema now = declared_schema("table T { a: int; b: string; gone: int (deprecated); added: [double]; }");
  const std::string json = R"({"a": 1, "b": "x", "gone": 3})";
  CHECK(differences(before, json, now, R"({"added": [1, 2], "b": "x", "a": 1})").empty());
  CHECK(differences(before, json, now, R"({"added": [1, 2], "b": "y", "a": 2})") ==
        Lines{"a: 1 became 2", "b: 'x' became 'y'"});
}

TEST_CASE("compare_buffers: types that differ, as a forced swap allows") {
  const Schema before = declared_schema("table U {} table T { a: int; b: string; c: [int]; d: U; }");
  const Schema now = declared_schema("table V {} table T { a: double; b: [ubyte]; c: [string]; d: V; }");
  CHECK(differences(before, R"({"a": 1})", now, R"({"a": 1})").empty());
  CHECK(differences(before, R"({"a": 1, "b": "", "c": [], "d": {}})", now, R"({"a": 2, "b": "", "c": [], "d": {}})") ==
        Lines{"a: 1 became 2.0", "b: string became [ubyte]", "c: [int32] became [string]", "d: p.U became p.V"});
}

TEST_CASE("compare_buffers: stops after the most differences asked for") {
  const Schema schema = declared_schema("table T { a: [string]; }");
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += (i == 0 ? "\"x" : ",\"x") + std::to_string(i) + '"';
  }
  std::string others = many;
  std::replace(others.begin(), others.end(), 'x', 'y');
  CHECK(differences(schema, R"({"a": [)" + many + "]}", schema, R"({"a": [)" + others + "]}").size() == 8);
  CHECK(differences(schema, R"({"a": [)" + many + "]}", schema, R"({"a": [)" + others + "]}", 2).size() == 2);
  CHECK(differences(schema, R"({"a": [)" + many + "]}", schema, R"({"a": [)" + others + "]}", 0).size() == 1);
}

TEST_CASE("compare_buffers: long texts are shown where they differ") {
  const Schema schema = declared_schema("table T { a: string; }");
  const std::string begin(1000, 'x');
  CHECK(differences(schema, R"({"a": ")" + begin + R"(old"})", schema, R"({"a": ")" + begin + R"(new\n"})") ==
        Lines{"a: '...xxxxxxxxxxxxold' became '...xxxxxxxxxxxxnew\\x0a'"});
  CHECK(differences(schema, R"({"a": ""})", schema, R"({"a": ")" + begin + "\"}")[0].size() < 120);
}

TEST_CASE("compare_buffers: broken buffers are differences, tenon.Any has none") {
  const Schema schema = declared_schema("table T { a: int; }");
  const auto good = schema.from_json("p.T", R"({"a": 1})");
  const tenon::Buffer garbage(16, 0xff);
  const Lines one = compare_buffers(schema, schema, "p.T", *good, garbage);
  REQUIRE(one.size() == 1);
  CHECK(has(one[0], "the new result: not a valid p.T"));
  CHECK(compare_buffers(schema, schema, "p.T", {}, garbage).size() == 2);
  CHECK(has(compare_buffers(schema, schema, "p.Nope", *good, *good)[0], "no table 'p.Nope'"));
  CHECK(compare_buffers(schema, schema, "tenon.Any", *good, garbage).empty());
}

TEST_CASE("compare_buffers: shared parts do not multiply the work") {
  // 100,000 entries that all refer to one vector of 4 MiB: 400 GiB to compare, in buffers of 5 MiB.
  const Schema schema = declared_schema("table U { data: [ubyte]; } table T { us: [U]; }");
  const auto build = [] {
    flatbuffers::FlatBufferBuilder builder;
    const auto data = builder.CreateVector(std::vector<std::uint8_t>(std::size_t{4} << 20));
    const auto start = builder.StartTable();
    builder.AddOffset(4, data);
    const flatbuffers::Offset<flatbuffers::Table> entry(builder.EndTable(start));
    const auto entries = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::Table>>(100'000, entry));
    const auto root = builder.StartTable();
    builder.AddOffset(4, entries);
    builder.Finish(flatbuffers::Offset<flatbuffers::Table>(builder.EndTable(root)));
    return tenon::Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  };
  const tenon::Buffer before = build();
  const tenon::Buffer now = build();
  CHECK(compare_buffers(schema, schema, "p.T", before, now) ==
        Lines{"the results share their parts too often to be compared"});
}

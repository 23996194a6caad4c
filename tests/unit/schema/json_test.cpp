#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tenon/schema.hpp>

#include <flatbuffers/flatbuffers.h>

#include <tenon_test/catch.hpp>

#include "support.hpp"

using tenon::Schema;
using namespace tenon::test;

namespace {

std::string round_trip(const std::string& json, std::string_view type = "sample.All") {
  const Schema schema = sample_schema();
  const auto buffer = schema.from_json(type, json);
  if (!buffer) {
    return "error: " + buffer.error().message;
  }
  if (auto verified = schema.verify(type, *buffer); !verified) {
    return "not verified: " + verified.error().message;
  }
  const auto text = schema.to_json(type, *buffer, {.indent = -1});
  return text ? *text : "error: " + text.error().message;
}

}  // namespace

TEST_CASE("JSON: every kind of field survives the way there and back") {
  for (
      const char* json : {
          "{}",
          R"({"flag": false, "small": -128, "wide": 18446744073709551615, "exact": -9223372036854775808})",
          R"({"single": 0.1, "real": 0.1})",
          R"({"single": 3.0, "real": 1e+300, "maybe": 0})",
          R"({"real": "nan"})",
          R"({"real": "-inf", "shade": "Dark", "rights": "Read Run"})",
          R"({"rights": ""})",
          R"({"text": "a \"b\" \\ \n \t \u0001 \u007f é 𝄞", "bytes": "AAEC/w=="})",
          R"({"text": "", "bytes": "", "numbers": [], "words": []})",
          R"({"signed_bytes": [-1, 2], "numbers": [1, -2], "doubles": [0.5, 1.0], "flags": [true, false]})",
          R"({"shades": ["Dark", "Light"], "words": ["", "x"], "leaf": {"name": "oak", "weight": 7}})",
          R"({"leaves": [{"name": "a"}, {"name": "b", "weight": 1}], "point": {"x": 1.5, "y": -2.0}})",
          R"({"boxes": [{"corners": [{"x": 0.0, "y": 1.0}, {"x": 2.0, "y": 3.0}], "tag": -1}]})",
          R"({"shape_type": "Leaf", "shape": {"name": "elm"}})",
          R"({"shape_type": "Box", "shape": {"corners": [{"x": 0.0, "y": 1.0}, {"x": 2.0, "y": 3.0}], "tag": 9}})",
          R"({"shape_type": "Label", "shape": "text"})",
          R"({"shapes_type": ["Label", "Leaf"], "shapes": ["a", {"name": "b"}]})",
          R"({"tree": {"children": [{"leaf": {"name": "x"}}, {"children": [{}]}]}, "file": {"path": "p", "kind": "Link"}})",
      }) {
    CHECK(round_trip(json) == json);
  }
}

TEST_CASE("JSON: other spellings of a value are taken too") {
  CHECK(round_trip(R"({"bytes": [0, 1, 2, 255]})") == R"({"bytes": "AAEC/w=="})");
  CHECK(round_trip(R"({"shade": 9})") == R"({"shade": "Light"})");
  CHECK(round_trip(R"({"shade": "Shade.Light"})") == R"({"shade": "Light"})");
  CHECK(round_trip(R"({"rights": 5})") == R"({"rights": "Read Run"})");
  CHECK(round_trip(R"({"text": null, "maybe": null})") == "{}");
  CHECK(round_trip(R"({"real": 3, "single": -0.0})") == R"({"single": -0.0, "real": 3.0})");
  CHECK(round_trip("\xef\xbb\xbf{\"flag\": true}") == R"({"flag": true})");
}

TEST_CASE("JSON: strings of any bytes stay valid JSON and come back exactly") {
  const Schema schema = sample_schema();
  const std::string bytes = "a\xff\xc3 \xed\xa0\x80 \xee\xbe\x80 \xf5z \xc3\xa9";
  const auto first = schema.from_json("sample.All", "{\"text\": \"x\"}");
  flatbuffers::FlatBufferBuilder builder;
  const auto text = builder.CreateString(bytes);
  const auto start = builder.StartTable();
  builder.AddOffset(4 + 2 * 9, text);
  builder.Finish(flatbuffers::Offset<flatbuffers::Table>(builder.EndTable(start)));
  const auto json = schema.to_json("sample.All", {builder.GetBufferPointer(), builder.GetSize()});
  REQUIRE(message_of(json) == "");
  const auto back = schema.from_json("sample.All", *json);
  REQUIRE(message_of(back) == "");
  CHECK(tenon::FieldReader::make(schema, "sample.All", "text")->read(*back) == bytes);
}

TEST_CASE("JSON: errors tell line, column, field and what to do") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "1:1: empty text"},
      {"{\"flag\":\n  xx}", "2:3: syntax error"},
      {"{\"flag\": true", "1:14: syntax error"},
      {"{} {}", "1:4: syntax error"},
      {"[1]", "1:1: expected an object (sample.All), found an array"},
      {"{\n  \"flg\": true}", "2:3: sample.All has no field 'flg'; did you mean 'flag'?"},
      {"{\"zzzzzz\": 1}", "1:2: sample.All has no field 'zzzzzz'; known are flag, small,"},
      {"{\"flag\": 1}", "1:10: flag: expected true or false, found a number"},
      {"{\"flag\": true,\n\"flag\": true}", "2:1: the name 'flag' is there twice"},
      {"{\"small\": 128}", "1:11: small: 128 is out of range for int8 (-128 to 127)"},
      {"{\"small\": -129}", "-129 is out of range"},
      {"{\"wide\": -1}", "1:10: wide: -1 is out of range for uint64"},
      {"{\"wide\": 18446744073709551616}", "18446744073709551616 is out of range for uint64"},
      {"{\"small\": 1.5}", "expected a whole number (int8), found a number with a fraction"},
      {"{\"small\": \"1\"}", "expected a whole number (int8), found a string"},
      {"{\"single\": 1e39}", "out of range for float"},
      {"{\"real\": 1e999}", "1:"},
      {"{\"shade\": \"light\"}", "1:11: shade: sample.Shade has no value 'light'; did you mean 'Light'?"},
      {"{\"shade\": 3}", "3 is no value of sample.Shade"},
      {"{\"text\": 5}", "1:10: text: expected a string, found a number"},
      {"{\"bytes\": \"a-b\"}", "1:11: bytes: the string is not base64"},
      {"{\"bytes\": [1, 256]}", "1:15: bytes[1]: 256 is out of range for uint8"},
      {"{\"leaf\": {}}", "1:10: leaf: required field 'name' of sample.Leaf is missing"},
      {"{\"leaf\": {\"name\": null}}", "1:10: leaf: required field 'name'"},
      {"{\"leaves\": [{\"name\": \"a\"},\n {\"name\": 1}]}", "2:11: leaves[1].name: expected a string"},
      {"{\"point\": {\"x\": 1}}", "1:11: point: field 'y' of struct sample.Point is missing"},
      {"{\"boxes\": [{\"corners\": [], \"tag\": 1}]}", "expected an array of 2 elements"},
      {"{\"shape\": {}}", "needs 'shape_type'"},
      {"{\"shape_type\": \"Leaf\"}", "'shape' is missing"},
      {"{\"shape_type\": \"Leav\", \"shape\": {}}", "did you mean 'Leaf'?"},
      {"{\"shape_type\": \"NONE\", \"shape\": {}}", "has no value; leave it out"},
      {"{\"shapes_type\": [\"Leaf\"], \"shapes\": []}", "as long as that of its types"},
      {"{\"old\": 1}", "1:2: field 'old' of sample.All is deprecated"},
      {"{\"text\": \"\xff\"}", "1:"},
  };
  for (const auto& [json, expected] : cases) {
    INFO(json);
    CHECK(has(round_trip(json), expected));
  }
}

TEST_CASE("JSON: a problem comes in parts too") {
  tenon::JsonProblem problem;
  const auto refused = sample_schema().from_json("sample.All", "{\"leaf\":\n {\"nam\": 1}}", &problem);
  REQUIRE_FALSE(refused.has_value());
  CHECK(problem.position.line == 2);
  CHECK(problem.position.column == 3);
  CHECK(problem.path == "leaf");
  CHECK(problem.hint == "name");
  CHECK(problem.message == "sample.Leaf has no field 'nam'");
}

TEST_CASE("JSON: deep nesting is refused, not followed") {
  std::string json = "[";
  json.append(100'000, '[');
  CHECK(has(round_trip(json), "nested deeper"));
}

TEST_CASE("JSON: defaults are written on request") {
  const Schema schema = sample_schema();
  const auto buffer = schema.from_json("sample.EchoParams", "{}");
  const auto text = schema.to_json("sample.EchoParams", *buffer, {.indent = 2, .defaults = true});
  REQUIRE(message_of(text) == "");
  CHECK(*text == "{\n  \"times\": 3,\n  \"shade\": \"Light\"\n}");
}

TEST_CASE("JSON: tenon.Any is explained, not guessed") {
  const auto schema = Schema::from_binary(
      compile_schema(
          "namespace tenon; table Any {} namespace p; table T { a: tenon.Any; } rpc_service A { a(tenon.Any): T; }"),
      "p");
  REQUIRE(message_of(schema) == "");
  CHECK(has(message_of(schema->from_json("tenon.Any", "{}")), "stands for any table"));
  CHECK(has(message_of(schema->from_json("p.T", "{\"a\": {}}")), "1:7: a: tenon.Any stands for any table"));
  CHECK(has(message_of(schema->to_json("tenon.Any", {})), "stands for any table"));
}

TEST_CASE("JSON: a small buffer that repeats its parts many times is an error, not gigabytes of text") {
  const auto schema = Schema::from_binary(
      compile_schema("namespace p; table Leaf { text: string; } table T { leaves: [Leaf]; words: [string]; "
                     "bytes: [ubyte]; } rpc_service A { a(T): T; }"),
      "p");
  REQUIRE(message_of(schema) == "");
  constexpr flatbuffers::voffset_t kLeaves = 4;
  constexpr flatbuffers::voffset_t kWords = 6;
  constexpr flatbuffers::voffset_t kBytes = 8;
  const auto refused = [&](const flatbuffers::FlatBufferBuilder& builder, std::size_t max_bytes) {
    const auto text = schema->to_json("p.T", {builder.GetBufferPointer(), builder.GetSize()}, {.max_bytes = max_bytes});
    return !text && text.error().code == tenon::ErrorCode::kTooLarge && has(text.error().message, "as JSON");
  };
  using Any = flatbuffers::Offset<void>;
  const auto finish = [](flatbuffers::FlatBufferBuilder& builder, flatbuffers::voffset_t field, Any vector) {
    const auto start = builder.StartTable();
    builder.AddOffset(field, vector);
    builder.Finish(flatbuffers::Offset<flatbuffers::Table>(builder.EndTable(start)));
  };
  {
    flatbuffers::FlatBufferBuilder builder;  // This is 3 GB as text.
    const auto text = builder.CreateString(std::string(60'000, 'x'));
    const auto start = builder.StartTable();
    builder.AddOffset(4, text);
    const flatbuffers::Offset<flatbuffers::Table> leaf(builder.EndTable(start));
    const std::vector<flatbuffers::Offset<flatbuffers::Table>> leaves(50'000, leaf);
    finish(builder, kLeaves, builder.CreateVector(leaves).Union());
    CHECK(builder.GetSize() < 300'000);
    CHECK(refused(builder, std::size_t{1} << 20));
  }
  {
    flatbuffers::FlatBufferBuilder builder;  // Each byte becomes six bytes.
    const std::vector<flatbuffers::Offset<flatbuffers::String>> words(100, builder.CreateString(std::string(9'000, 1)));
    finish(builder, kWords, builder.CreateVector(words).Union());
    CHECK(refused(builder, 1'000'000));
    CHECK(refused(builder, 2'000));
    CHECK_FALSE(refused(builder, 10'000'000));
  }
  {
    flatbuffers::FlatBufferBuilder builder;
    finish(builder, kBytes, builder.CreateVector(std::vector<std::uint8_t>(100'000)).Union());
    CHECK(refused(builder, 100'000));
    CHECK_FALSE(refused(builder, 140'000));
  }
}

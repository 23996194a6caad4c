// FieldPath, and the fields of real plugins as the loader finds them.
#include "schema/field_path.hpp"

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <tenon/schema.hpp>

#include "compile_schema.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using internal::FieldKind;
using internal::FieldPath;
using internal::FieldValue;

const Schema& sample_schema() {
  static const Schema made = *Schema::from_binary(compile_schema(R"(
namespace p;
enum Kind : byte { Small = -2, Large = 5 }
struct Point { x: int16; y: double; }
table Inner { name: string; size: uint64 = 9; at: Point; }
table Item {
  flag: bool; i8: byte = -3; u8: ubyte; i16: short; u16: ushort; i32: int; u32: uint; i64: long; u64: ulong;
  f32: float; f64: double = 0.5; text: string; kind: Kind = Large; maybe: int = null; inner: Inner;
  must: string (required); blob: [ubyte]; point: Point;
}
table Args { x: int; }
rpc_service S { walk(Args): Item (streaming: "server"); }
)"),
                                                  "p");
  return made;
}

FieldPath field_path(const std::string& name) {
  Result<FieldPath> made = FieldPath::make(internal::SchemaAccess::model(sample_schema()), "p.Item", name);
  INFO(name);
  REQUIRE(made);
  return std::move(*made);
}

Buffer field_item(const std::string& json) {
  const Result<Buffer> made = sample_schema().from_json("p.Item", json);
  INFO((made ? std::string() : made.error().message));
  REQUIRE(made);
  return *made;
}

FieldValue read_field(const std::string& name, const Buffer& bytes) {
  FieldValue value;
  INFO(name);
  REQUIRE(field_path(name).read(bytes, value));
  return value;
}

const char* const kAll[] = {"flag",  "i8",    "u8",      "i16",        "u16",        "i32",       "u32",  "i64",
                            "u64",   "f32",   "f64",     "text",       "kind",       "maybe",     "must", "blob",
                            "inner", "point", "point.x", "inner.name", "inner.size", "inner.at.y"};

}  // namespace

TEST_CASE("FieldPath: every kind of field") {
  const Buffer full =
      field_item(R"({"flag": true, "i8": -128, "u8": 255, "i16": -32768, "u16": 65535, "i32": -2147483648,
    "u32": 4294967295, "i64": -9223372036854775808, "u64": 18446744073709551615, "f32": 1.5, "f64": -2.25,
    "text": "abc", "kind": "Small", "maybe": 7, "must": "", "blob": "AAEC", "point": {"x": -4, "y": 2.5},
    "inner": {"name": "n", "size": 12, "at": {"x": 1, "y": 8.5}}})");
  CHECK(read_field("flag", full).integer == 1);
  CHECK(read_field("i8", full).integer == -128);
  CHECK(read_field("u8", full).integer == 255);
  CHECK(read_field("i16", full).integer == -32768);
  CHECK(read_field("u16", full).integer == 65535);
  CHECK(read_field("i32", full).integer == INT32_MIN);
  CHECK(read_field("u32", full).integer == 4294967295);
  CHECK(read_field("i64", full).integer == INT64_MIN);
  CHECK(static_cast<std::uint64_t>(read_field("u64", full).integer) == UINT64_MAX);
  CHECK(read_field("f32", full).real == 1.5);
  CHECK(read_field("f64", full).real == -2.25);
  CHECK(read_field("text", full).text == "abc");
  CHECK(read_field("kind", full).integer == -2);
  CHECK(read_field("maybe", full).integer == 7);
  CHECK(read_field("must", full).present);
  CHECK(read_field("point.x", full).integer == -4);
  CHECK(read_field("inner.name", full).text == "n");
  CHECK(read_field("inner.size", full).integer == 12);
  CHECK(read_field("inner.at.y", full).real == 8.5);
  for (const char* const name : kAll) {
    CHECK(read_field(name, full).present);
  }
}

TEST_CASE("FieldPath: what is absent has its default, and is present only as a scalar of a table that is") {
  const Buffer least = field_item(R"({"must": "m"})");
  CHECK(read_field("i8", least).integer == -3);
  CHECK(read_field("i8", least).present);
  CHECK(read_field("f64", least).real == 0.5);
  CHECK(read_field("kind", least).integer == 5);
  CHECK_FALSE(read_field("maybe", least).present);
  CHECK_FALSE(read_field("text", least).present);
  CHECK_FALSE(read_field("blob", least).present);
  CHECK_FALSE(read_field("inner.size", least).present);
  CHECK(read_field("inner.size", least).integer == 9);
  CHECK_FALSE(read_field("point.x", least).present);
  CHECK(field_path("i8").shape().always_present);
  CHECK(field_path("must").shape().always_present);
  CHECK_FALSE(field_path("text").shape().always_present);
  CHECK_FALSE(field_path("maybe").shape().always_present);
  CHECK_FALSE(field_path("inner.size").shape().always_present);
  CHECK(field_path("kind").shape().kind == FieldKind::kEnum);
  CHECK(field_path("kind").shape().names.size() == 2);
  CHECK(field_path("blob").shape().kind == FieldKind::kOther);
  CHECK(field_path("u16").shape().most == 65535);
}

TEST_CASE("FieldPath: paths that lead nowhere") {
  const internal::SchemaModel& model = internal::SchemaAccess::model(sample_schema());
  CHECK(FieldPath::make(model, "p.Item", "nope").error().code == ErrorCode::kNotFound);
  CHECK(FieldPath::make(model, "p.Item", "inner.nope").error().message == "p.Inner has no field 'nope'");
  CHECK(FieldPath::make(model, "p.Item", "text.x").error().message ==
        "field 'text.x' of p.Item: 'text' is string, which has no fields that a path can name");
  CHECK_FALSE(FieldPath::make(model, "p.Nope", "x"));
}

TEST_CASE("FieldPath: agrees with the schema on a broken item, and reads nothing beyond any bytes") {
  std::vector<FieldPath> paths;
  for (const char* const name : kAll) {
    paths.push_back(field_path(name));
  }
  const Buffer good =
      field_item(R"({"must": "m", "text": "some text", "inner": {"name": "n", "at": {"x": 1, "y": 2}}})");
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    Buffer changed = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
    }
    changed.resize(random() % 4 == 0 ? random() % changed.size() : changed.size());
    // A heap block of exactly this size, so that checkers see each byte that is read beyond it.
    const auto block = std::make_unique<std::uint8_t[]>(changed.size());
    std::copy(changed.begin(), changed.end(), block.get());
    const BytesView bytes(block.get(), changed.size());
    const bool valid = sample_schema().verify("p.Item", bytes).has_value();
    for (std::size_t p = 0; p < paths.size(); ++p) {
      FieldValue value;
      const bool read = paths[p].read(bytes, value);
      INFO(kAll[p]);
      REQUIRE((read || !valid));
      refused += read ? 0 : 1;
      const auto* const begin = reinterpret_cast<const char*>(bytes.data());
      REQUIRE((value.text.empty() ||
               (value.text.data() >= begin && value.text.data() + value.text.size() < begin + bytes.size())));
    }
  }
  CHECK(refused > 300);
}

}  // namespace tenon::test

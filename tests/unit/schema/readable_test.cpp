#include <string>
#include <tuple>

#include <tenon/schema.hpp>

#include <tenon_test/catch.hpp>

#include "declared_schema.hpp"
#include "support.hpp"

using tenon::Schema;
using namespace tenon::test;

namespace {

/// Returns an empty text if `reader` can read the p.T that `writer` writes.
std::string breaks(const std::string& writer, const std::string& reader) {
  return message_of(Schema::check_readable(declared_schema(writer), "p.T", declared_schema(reader), "p.T"));
}

}  // namespace

TEST_CASE("check_readable: what may differ") {
  const std::string base = "table T { a: int; b: string; } ";
  CHECK(breaks(base, base).empty());
  CHECK(breaks(base, "table T { a: int; b: string; c: long; } ").empty());
  CHECK(breaks("table T { a: int; b: string; c: long; } ", base).empty());
  CHECK(breaks("table T { a: string (required); } ", "table T { a: string; } ").empty());
  CHECK(breaks(base, "table T { a: int (deprecated); b: string; } ").empty());
  CHECK(breaks("enum E: byte { X } table T { e: E; } ", "enum E: byte { X, Y } table T { e: E; } ").empty());
  CHECK(breaks("table T { t: [T]; } ", "table T { t: [T]; n: int; } ").empty());
}

TEST_CASE("check_readable: every break is named with table, field, old and new") {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"table T { a: int; }", "table T { a: long; }", "field p.T.a (id 0) is written as int32 and read as int64"},
      {"table T { a: int; }", "table T { b: int; }", "field p.T.b (id 0) is written as 'a'"},
      {"table T { a: int; b: int; }", "table T { b: int; a: int; }", "field p.T.b (id 0) is written with id 1"},
      {"table T { a: string; }", "table T { a: string (required); }", "is required, but may be absent"},
      {"table T { }", "table T { a: string (required); }", "field p.T.a (id 0) is required, but never written"},
      {"table T { a: int = 1; }", "table T { a: int = 2; }", "has the default 1 where it is written and 2"},
      {"table T { a: int = null; }", "table T { a: int; }", "may be null where it is written"},
      {"enum E: int { X } table T { a: int; }", "enum E: int { X } table T { a: E; }",
       "written as int32 and read as p.E"},
      {"enum E: byte { X } table T { a: E; }", "enum E: short { X } table T { a: E; }",
       "p.E has another underlying type"},
      {"enum E: byte { X, Y } table T { a: E; }", "enum E: byte { Y = 0, X } table T { a: E; }",
       "enum p.E: Y is written as 1 and read as 0"},
      {"struct S { x: int; } table T { a: S; }", "struct S { x: int; y: int; } table T { a: S; }",
       "struct p.S has another layout"},
      {"table U { x: int; } table T { a: [U]; }", "table U { x: float; } table T { a: [U]; }",
       "field p.U.x (id 0) is written as int32 and read as float"},
      {"table U {} table V {} union W { U, V } table T { a: W; }",
       "table U {} table V {} union W { V, U } table T { a: W; }", "union p.W"},
      {"table T { a: [int]; }", "table T { a: int; }", "written as [int32] and read as int32"},
  };
  for (const auto& [writer, reader, expected] : cases) {
    INFO(writer << " -> " << reader);
    CHECK(has(breaks(writer, reader), expected));
  }
}

TEST_CASE("check_readable: all breaks are told at once") {
  const std::string told = breaks("table T { a: int; b: int; }", "table T { a: long; b: string; }");
  CHECK(has(told, "p.T.a"));
  CHECK(has(told, "p.T.b"));
}

TEST_CASE("check_readable: names must agree, tenon.Any takes everything") {
  const Schema schema = sample_schema();
  CHECK(has(message_of(Schema::check_readable(schema, "sample.Leaf", schema, "tenon.File")), "different names"));
  CHECK(Schema::check_readable(schema, "sample.Leaf", schema, "tenon.Any").has_value());
  CHECK(Schema::check_readable(schema, "tenon.Any", schema, "sample.Leaf").has_value());
  CHECK(Schema::check_readable(schema, "sample.Nope", schema, "sample.Leaf").error().code ==
        tenon::ErrorCode::kNotFound);
}

#include <tenon/schema.hpp>

#include <flatbuffers/flatbuffers.h>

#include <tenon_test/catch.hpp>

#include "support.hpp"

using tenon::ErrorCode;
using tenon::Schema;
using tenon::TaskKind;
using namespace tenon::test;

namespace {

std::string refusal(const std::string& text) {
  return message_of(Schema::from_binary(compile_schema(text), "p"));
}

}  // namespace

TEST_CASE("Schema: tells the tasks with kinds, types and documentation") {
  const Schema schema = sample_schema();
  REQUIRE(schema.tasks().size() == 3);
  CHECK(schema.tasks()[0].name == "count");
  const tenon::TaskInfo* echo = schema.find_task("echo");
  REQUIRE(echo != nullptr);
  CHECK(echo->full_name == "sample.echo");
  CHECK(echo->kind == TaskKind::kPlain);
  CHECK(echo->idempotent);
  CHECK(echo->argument_type == "sample.All");
  CHECK(echo->result_type == "sample.All");
  CHECK(echo->params_type == "sample.EchoParams");
  CHECK(echo->documentation == "Returns its argument.\n\nIt does nothing else.");
  CHECK(schema.find_task("count")->kind == TaskKind::kSource);
  CHECK(schema.find_task("count")->params_type.empty());
  CHECK_FALSE(schema.find_task("count")->idempotent);
  CHECK(schema.find_task("sum")->kind == TaskKind::kReduce);
  CHECK(schema.find_task("sum")->params_type == "sample.EchoParams");
  CHECK(schema.find_task("nothing") == nullptr);
  CHECK(schema.settings_type() == "sample.Settings");
}

TEST_CASE("Schema: tells fields with types, defaults and documentation") {
  const auto all = sample_schema().find_type("sample.All");
  REQUIRE(all.has_value());
  CHECK(all->documentation == "Fields of every type.");
  std::string listed;
  for (const auto& field : all->fields) {
    listed += field.name + ":" + field.type + (field.default_value.empty() ? "" : "=" + field.default_value) +
              (field.deprecated ? "!" : "") + " ";
  }
  CHECK(listed ==
        "flag:bool=false small:int8=0 wide:uint64=0 exact:int64=-5 single:float=1.5 real:double=0.0 maybe:int32=null "
        "shade:sample.Shade=Middle rights:sample.Right=0 text:string bytes:[ubyte] signed_bytes:[int8] numbers:[int32] "
        "doubles:[double] flags:[bool] shades:[sample.Shade] words:[string] leaf:sample.Leaf leaves:[sample.Leaf] "
        "point:sample.Point boxes:[sample.Box] shape:sample.Shape shapes:[sample.Shape] old:int32=0! tree:sample.Tree "
        "file:tenon.File ");
  CHECK(all->fields[0].documentation == "A flag.");
  CHECK(sample_schema().find_type("sample.Leaf")->fields[0].required);
  CHECK(sample_schema().find_type("sample.Shade")->enum_values == std::vector<std::string>{"Dark", "Middle", "Light"});
  CHECK(sample_schema().find_type("sample.Box")->fields[0].type == "[sample.Point:2]");
  CHECK_FALSE(sample_schema().find_type("sample.None").has_value());
}

TEST_CASE("Schema: refuses what is no plugin's schema, in words") {
  const std::string table = "namespace p; table T { a: int; } struct S { a: int; } ";
  CHECK(has(refusal(table), "no rpc_service"));
  CHECK(has(refusal(table + "rpc_service A { a(T): T; } rpc_service B { b(T): T; }"), "2 rpc_services (p.A, p.B)"));
  CHECK(has(refusal("attribute \"params\"; " + table + "rpc_service A { a(T): T (params: \"Tt\"); }"),
            "method a (params) names the table 'Tt'"));
  CHECK(has(refusal("attribute \"params\"; " + table + "rpc_service A { a(T): T (params: \"S\"); }"),
            "names the struct p.S"));
  CHECK(has(refusal(table + "rpc_service A { a(T): T (streaming: \"bidi\"); }"), "streaming \"bidi\""));
  CHECK(has(refusal(table + "rpc_service A { Big(T): T; }"), "method Big cannot name a task"));
  CHECK(has(refusal("attribute \"settings\"; namespace p; table T {} table U {} "
                    "rpc_service A { a(T): T (settings: \"T\"); b(T): T (settings: \"U\"); }"),
            "a plugin has one settings table"));
  CHECK(Schema::from_binary({}, "p").error().code == ErrorCode::kCorrupt);
}

TEST_CASE("Schema: finds params in the service's namespace first, then by full name") {
  const auto schema = Schema::from_binary(
      compile_schema(
          "attribute \"params\"; namespace other; table P {} table Q {} namespace deep.p; table T {} table P {} "
          "rpc_service A { a(T): T (params: \"P\"); b(T): T (params: \"other.Q\"); }"),
      "p");
  REQUIRE(message_of(schema) == "");
  CHECK(schema->find_task("a")->params_type == "deep.p.P");
  CHECK(schema->find_task("b")->params_type == "other.Q");
}

TEST_CASE("Schema: sources and reduces name their checkpoint's table") {
  const std::string text = "attribute \"checkpoint\"; namespace p; table T {} table C {} struct S { x: int; } ";
  const auto schema = Schema::from_binary(
      compile_schema(text + "rpc_service A { a(T): T (streaming: \"server\", checkpoint: \"C\"); "
                            "b(T): T (streaming: \"client\", checkpoint: \"p.C\"); c(T): T (streaming: \"client\"); }"),
      "p");
  REQUIRE(message_of(schema) == "");
  CHECK(schema->find_task("a")->checkpoint_type == "p.C");
  CHECK(schema->find_task("b")->checkpoint_type == "p.C");
  CHECK(schema->find_task("c")->checkpoint_type.empty());
  CHECK(has(refusal(text + "rpc_service A { a(T): T (streaming: \"server\", checkpoint: \"Cc\"); }"),
            "method a (checkpoint) names the table 'Cc'"));
  CHECK(has(refusal(text + "rpc_service A { a(T): T (streaming: \"server\", checkpoint: \"S\"); }"),
            "names the struct p.S"));
  CHECK(has(refusal(text + "rpc_service A { a(T): T (checkpoint: \"C\"); }"),
            "method a has a checkpoint, but is a plain"));
}

TEST_CASE("Schema: verify names the field that is wrong") {
  const Schema schema = sample_schema();
  const auto leaf = schema.from_json("sample.Leaf", R"({"name": "oak"})");
  REQUIRE(message_of(leaf) == "");
  CHECK(schema.verify("sample.Leaf", *leaf).has_value());
  CHECK(schema.verify("sample.Leav", *leaf).error().code == ErrorCode::kNotFound);
  CHECK(has(schema.verify("sample.Leav", *leaf).error().message, "did you mean 'sample.Leaf'"));
  CHECK(schema.verify("sample.Point", *leaf).error().code == ErrorCode::kInvalidArgument);
  CHECK(schema.verify("sample.Leaf", {}).error().code == ErrorCode::kCorrupt);
  const auto empty = schema.from_json("sample.Settings", "{}");
  const auto refused = schema.verify("sample.Leaf", *empty);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message == "not a valid sample.Leaf: field name: it is required, but absent");
  CHECK(schema.verify("tenon.Any", {}).has_value());
}

TEST_CASE("Schema: verify refuses tables nested too deep") {
  const Schema schema = sample_schema();
  // A table cannot be its own child, because offsets are unsigned, so the nesting must be real: it
  // has 70 levels.
  flatbuffers::FlatBufferBuilder builder;
  flatbuffers::uoffset_t child = 0;
  for (int level = 0; level < 70; ++level) {
    flatbuffers::uoffset_t list = 0;
    if (child != 0) {
      const flatbuffers::Offset<flatbuffers::Table> offset(child);
      list = builder.CreateVector(&offset, 1).o;
    }
    const auto start = builder.StartTable();
    if (list != 0) {
      builder.AddOffset(6, flatbuffers::Offset<void>(list));
    }
    child = builder.EndTable(start);
  }
  builder.Finish(flatbuffers::Offset<flatbuffers::Table>(child));
  const auto refused = schema.verify("sample.Tree", {builder.GetBufferPointer(), builder.GetSize()});
  REQUIRE_FALSE(refused.has_value());
  CHECK(has(refused.error().message, "nested too deep"));
}

TEST_CASE("FieldReader: reads numbers, enums and strings, also of nested tables") {
  const Schema schema = sample_schema();
  const auto buffer = schema.from_json("sample.All", R"({
    "flag": true, "wide": 18446744073709551615, "shade": "Light", "text": "hi", "leaf": {"name": "oak"},
    "point": {"x": 1, "y": 2.5}, "file": {"path": "a/b.txt", "extension": "txt"}})");
  REQUIRE(message_of(buffer) == "");
  const auto read = [&](std::string_view path) {
    const auto reader = tenon::FieldReader::make(schema, "sample.All", path);
    return reader ? reader->read(*buffer) : "error: " + reader.error().message;
  };
  CHECK(read("flag") == "true");
  CHECK(read("wide") == "18446744073709551615");
  CHECK(read("exact") == "-5");
  CHECK(read("single") == "1.5");
  CHECK(read("maybe").empty());
  CHECK(read("shade") == "Light");
  CHECK(read("text") == "hi");
  CHECK(read("leaf.name") == "oak");
  CHECK(read("leaf.weight") == "7");
  CHECK(read("point.y") == "2.5");
  CHECK(read("file.extension") == "txt");
  CHECK(read("file.kind") == "Regular");
  CHECK(read("tree.leaf.weight") == "7");
  CHECK(read("tree.leaf.name").empty());
  CHECK(has(read("file.extensoin"), "did you mean 'extension'"));
  CHECK(has(read("leaf"), "is sample.Leaf"));
  CHECK(has(read("numbers.x"), "is [int32]"));
  CHECK(has(read(""), "no field"));
}

#include <string>

#include <tenon/schema.hpp>

#include <tenon_test/catch.hpp>

#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"
#include "support.hpp"

using tenon::Buffer;
using tenon::Schema;
using namespace tenon::test;

TEST_CASE("replace_string: every other field stays as it is, whether the string was there or not") {
  const Schema schema = sample_schema();
  const auto& model = tenon::internal::SchemaAccess::model(schema);
  const auto& root = *model.find_object("sample.All");
  const std::string rest =
      R"("flag": true, "small": -3, "wide": 18446744073709551615, "real": 0.25, "maybe": 4, "shade": "Light",
         "bytes": "AAEC", "numbers": [1, 2], "doubles": [0.5], "words": ["a", "b"], "leaf": {"name": "l"},
         "leaves": [{"name": "m", "weight": 2}], "point": {"x": 1, "y": 2},
         "boxes": [{"corners": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], "tag": 5}],
         "shape_type": "Leaf", "shape": {"name": "s"}, "tree": {"leaf": {"name": "t"}},
         "file": {"path": "p", "size_bytes": 9})";
  const auto all = [&](const std::string& text) {
    return *schema.from_json("sample.All", "{" + (text.empty() ? text : "\"text\": \"" + text + "\", ") + rest + "}");
  };
  const std::string wanted = *schema.to_json("sample.All", all("new text"));
  for (const char* before : {"", "o", "an older and longer text"}) {
    INFO(before);
    const auto replaced =
        tenon::internal::replace_string(root, *root.find_field("text"), model, all(before), "new text");
    REQUIRE(replaced);
    CHECK(message_of(schema.verify("sample.All", *replaced)).empty());
    CHECK(*schema.to_json("sample.All", *replaced) == wanted);
    const auto again = tenon::internal::replace_string(root, *root.find_field("text"), model, *replaced, "");
    REQUIRE(again);
    CHECK(message_of(schema.verify("sample.All", *again)).empty());
  }
}

TEST_CASE("Schema: attributes say which files a task reads and writes, and are checked") {
  const auto load = [](const std::string& attributes) {
    return Schema::from_binary(
        compile_schema("include \"tenon/types.fbs\"; namespace p; table T { name: string; size: int; list: [string]; } "
                       "table P { directory: string; } rpc_service A { a(T): T (" +
                       attributes + "); }"),
        "p");
  };
  const auto schema = load("params: \"P\", output_name: \"name\", output_directory: \"directory\"");
  INFO(message_of(schema));
  REQUIRE(schema);
  const auto& files = tenon::internal::SchemaAccess::model(*schema).task_files.at("a");
  CHECK(files.output_name == "name");
  CHECK(files.output_directory == "directory");
  CHECK(load("streaming: \"server\", input_directory: \"name\", left_out: \"list\""));
  CHECK(has(message_of(load("output_name: \"nam\"")), "names the field 'nam' of p.T"));
  CHECK(has(message_of(load("output_name: \"size\"")), "must be a string and is not"));
  CHECK(has(message_of(load("output_directory: \"directory\"")), "applies only to a task with params"));
  CHECK(has(message_of(load("left_out: \"list\"")), "applies only to a source"));
}

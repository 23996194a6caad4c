// The writer's output is valid FlexBuffers: the reader and the verifier of the library accept it.
#include "python/codec/flex_writer.hpp"

// Number parsing of the library would need the library itself, of which only the headers are used.
#define FLATBUFFERS_LOCALE_INDEPENDENT 0
#include <flatbuffers/flexbuffers.h>

#include <limits>
#include <string>

#include "tenon_test/catch.hpp"

using tenon::python::FlexLocation;
using tenon::python::FlexWriter;

namespace {

flexbuffers::Reference root_of(const FlexWriter& writer) {
  const auto bytes = writer.bytes();
  REQUIRE(flexbuffers::VerifyBuffer(bytes.data(), bytes.size()));
  return flexbuffers::GetRoot(bytes.data(), bytes.size());
}

}  // namespace

TEST_CASE("FlexWriter: a scalar is the root") {
  FlexWriter writer;
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{127}, std::int64_t{128}, std::int64_t{-129},
        std::int64_t{70'000}, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    writer.clear();
    writer.push_int(number);
    writer.finish();
    CHECK(root_of(writer).AsInt64() == number);
  }
  for (const double number : {0.5, 0.1, 1e300, -0.0, std::numeric_limits<double>::infinity()}) {
    writer.clear();
    writer.push_float(number);
    writer.finish();
    CHECK(root_of(writer).AsDouble() == number);
  }
  writer.clear();
  writer.push_uint(std::numeric_limits<std::uint64_t>::max());
  writer.finish();
  CHECK(root_of(writer).AsUInt64() == std::numeric_limits<std::uint64_t>::max());
  writer.clear();
  writer.push_null();
  writer.finish();
  CHECK(root_of(writer).IsNull());
}

TEST_CASE("FlexWriter: strings and blobs of every width of their size") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256}, std::size_t{65535},
                                 std::size_t{65536}, std::size_t{200'000}}) {
    const std::string text(size, 'x');
    FlexWriter writer;
    writer.push_string(text.data(), text.size());
    writer.push_blob(text.data(), text.size());
    writer.push_string(text.data(), text.size());
    writer.end_vector(0, false);
    writer.finish();
    const auto vector = root_of(writer).AsVector();
    REQUIRE(vector.size() == 3);
    CHECK(vector[0].AsString().str() == text);
    CHECK(vector[1].AsBlob().size() == size);
    CHECK(vector[2].AsString().str() == text);
  }
}

TEST_CASE("FlexWriter: a vector is as wide as its widest element or offset") {
  // Covers the sizes at which an offset needs one more byte.
  for (std::size_t filler = 0; filler < 600; ++filler) {
    const std::string text(filler, 'x');
    FlexWriter writer;
    writer.push_string("first", 5);
    writer.push_string(text.data(), text.size());
    writer.push_int(-1);
    writer.push_float(0.5);
    writer.push_bool(true);
    writer.end_vector(0, false);
    writer.finish();
    const auto vector = root_of(writer).AsVector();
    REQUIRE(vector.size() == 5);
    CHECK(vector[0].AsString().str() == "first");
    CHECK(vector[1].AsString().size() == filler);
    CHECK(vector[2].AsInt64() == -1);
    CHECK(vector[3].AsDouble() == 0.5);
    CHECK(vector[4].AsBool());
  }
}

TEST_CASE("FlexWriter: a vector of one scalar type is typed") {
  FlexWriter writer;
  for (int i = 0; i < 300; ++i) {
    writer.push_int(i - 150);
  }
  writer.end_vector(0, false);
  const std::size_t start = writer.stack_size();
  for (int i = 0; i < 3; ++i) {
    writer.push_float(i + 0.1);
  }
  writer.end_vector(start, false);
  writer.end_vector(0, false);
  writer.finish();
  const auto vectors = root_of(writer).AsVector();
  CHECK(vectors[0].GetType() == flexbuffers::FBT_VECTOR_INT);
  CHECK(vectors[0].AsTypedVector()[0].AsInt64() == -150);
  CHECK(vectors[0].AsTypedVector()[299].AsInt64() == 149);
  CHECK(vectors[1].GetType() == flexbuffers::FBT_VECTOR_FLOAT);
  CHECK(vectors[1].AsTypedVector()[2].AsDouble() == 2.1);
}

TEST_CASE("FlexWriter: maps share their keys") {
  FlexWriter writer;
  writer.push_key("a", 1);
  writer.push_key("b", 1);
  const FlexLocation keys = writer.end_keys(0);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t start = writer.stack_size();
    writer.push_int(i);
    writer.push_string("text", 4);
    writer.end_map(start, keys);
  }
  writer.end_vector(0, false);
  writer.finish();
  const auto vector = root_of(writer).AsVector();
  REQUIRE(vector.size() == 2000);
  CHECK(vector[1999].AsMap()["a"].AsInt64() == 1999);
  CHECK(vector[0].AsMap()["b"].AsString().str() == "text");
  CHECK(writer.size_bytes() < 45'000);
}

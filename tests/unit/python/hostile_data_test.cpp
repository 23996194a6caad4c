// Bytes that no encoder made. Each decode ends with an object or an exception, after work in
// proportion to the size.
#include <chrono>
#include <cstring>
#include <random>
#include <vector>

#include "embedded_python.hpp"
#include "python/codec/decoder.hpp"
#include "python/codec/encoder.hpp"
#include "python/codec/flex_writer.hpp"
#include "tenon_test/catch.hpp"

using tenon::python::BufferSource;
using tenon::python::Decoder;
using tenon::python::Encoder;
using tenon::python::FlexLocation;
using tenon::python::FlexType;
using tenon::python::FlexWriter;
using tenon::python::ObjectVector;
using tenon::python::Ref;

namespace {

/// Returns "" if the bytes can be decoded, otherwise the error.
std::string decode(std::vector<std::uint8_t> bytes) {
  // The block has exactly the size of the data, so that a sanitizer detects reads out of bounds.
  bytes.shrink_to_fit();
  Decoder decoder({bytes.data(), bytes.size()});
  const Ref object(decoder.decode());
  return object ? "" : tenon::test::take_python_error();
}

std::vector<std::uint8_t> copy(const FlexWriter& writer) {
  return {writer.bytes().begin(), writer.bytes().end()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("Decoder: empty and tiny data are refused") {
  tenon::test::start_python();
  CHECK(contains(decode({}), "empty or cut off"));
  CHECK(contains(decode({1}), "empty or cut off"));
  CHECK(contains(decode({1, 2}), "empty or cut off"));
  CHECK(contains(decode({0, 0, 3}), "impossible width"));
  CHECK(contains(decode({0, 0, 8}), "impossible width"));
  CHECK(decode({5, 1 << 2, 1}).empty());
}

TEST_CASE("Decoder: every short input ends") {
  tenon::test::start_python();
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      static_cast<void>(decode({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), 1}));
      static_cast<void>(decode({1, static_cast<std::uint8_t>(a), 2, static_cast<std::uint8_t>(b), 1}));
    }
  }
}

TEST_CASE("Decoder: shared references cannot make the work explode") {
  tenon::test::start_python();
  // Each vector refers to the previous one ten times: 10^20 leaves in 600 bytes.
  FlexWriter writer;
  writer.push_int(1);
  writer.end_vector(0, true);
  std::uint64_t at = writer.size_bytes() - 2;
  for (int level = 0; level < 20; ++level) {
    const std::size_t start = writer.stack_size();
    for (int i = 0; i < 10; ++i) {
      writer.push_reference(FlexLocation{at, 0}, FlexType::kVector);
    }
    writer.end_vector(start, true);
    at = writer.size_bytes() - 20;
    writer.drop(0);
    writer.push_reference(FlexLocation{at, 0}, FlexType::kVector);
  }
  writer.finish();
  CHECK(contains(decode(copy(writer)), "more often than their size allows"));
}

TEST_CASE("Decoder: a string that many elements share is read as often as its size allows") {
  tenon::test::start_python();
  FlexWriter writer;
  const std::string text(100'000, 'x');
  writer.push_string(text.data(), text.size());
  writer.drop(0);
  for (int i = 0; i < 10'000; ++i) {
    writer.push_reference(FlexLocation{4, 2}, FlexType::kString);
  }
  writer.end_vector(0, false);
  writer.finish();
  CHECK(contains(decode(copy(writer)), "more often than their size allows"));
}

TEST_CASE("Decoder: a buffer that many elements name is copied as often as its size allows") {
  tenon::test::start_python();
  FlexWriter writer;
  for (int i = 0; i < 1000; ++i) {
    const std::size_t start = writer.stack_size();
    writer.push_key("bytearray", 9);
    writer.push_uint(0);
    writer.end_vector(start, true);
  }
  writer.end_vector(0, false);
  writer.finish();
  const std::vector<std::uint8_t> buffer(100'000);
  const std::span<const std::uint8_t> buffers[] = {buffer};
  const std::vector<std::uint8_t> bytes = copy(writer);
  Decoder decoder(bytes, BufferSource{buffers, nullptr});
  CHECK(!Ref(decoder.decode()));
  CHECK(contains(tenon::test::take_python_error(), "more often than their size allows"));
}

TEST_CASE("Decoder: a vector that contains itself is refused") {
  tenon::test::start_python();
  // The length is 1 and the element has the offset 0, so the vector contains itself.
  CHECK(!decode({1, 0, 10 << 2, 2, 10 << 2, 1}).empty());
  CHECK(!decode({1, 0, 9 << 2, 2, 9 << 2, 1}).empty());
}

TEST_CASE("Decoder: buffers that did not come are refused") {
  tenon::test::start_python();
  for (const char* tag : {"bytes", "bytearray"}) {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{7}, ~std::uint64_t{0}}) {
      FlexWriter writer;
      writer.push_key(tag, std::strlen(tag));
      writer.push_uint(number);
      writer.end_vector(0, true);
      writer.finish();
      CHECK(!decode(copy(writer)).empty());
    }
  }
}

TEST_CASE("Decoder: cut and changed data end with an exception or an object") {
  tenon::test::start_python();
  const Ref module(PyImport_ImportModule("codec_cases"));
  REQUIRE(module);
  const Ref kinds(PyObject_CallMethod(module.get(), "kinds", nullptr));
  REQUIRE(kinds);
  Encoder encoder;
  REQUIRE(encoder.encode(kinds.get(), "value"));
  const std::vector<std::uint8_t> good(encoder.bytes().begin(), encoder.bytes().end());
  std::vector<std::span<const std::uint8_t>> buffers;
  for (std::size_t i = 0; i < encoder.buffers().size(); ++i) {
    buffers.push_back(encoder.buffers()[i]);
  }
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::uint8_t> bad = good;
    if (round % 3 == 0) {
      bad.resize(random() % bad.size());
    }
    for (std::uint64_t changes = 1 + random() % 6; !bad.empty() && changes > 0; --changes) {
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    }
    bad.shrink_to_fit();
    {
      Decoder decoder(bad, BufferSource{buffers, nullptr});
      const Ref object(decoder.decode());
      CHECK((object ? PyErr_Occurred() == nullptr : !tenon::test::take_python_error().empty()));
    }
    Decoder decoder(bad, BufferSource{buffers, nullptr});
    ObjectVector arguments;
    CHECK((decoder.decode_arguments(arguments) || !tenon::test::take_python_error().empty()));
  }
}

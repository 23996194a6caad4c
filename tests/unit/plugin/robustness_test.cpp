// Broken bytes of every kind: the code must not crash, hang or read out of bounds; the result does
// not matter.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <string>

#include <tenon/schema.hpp>

#include <tenon_test/catch.hpp>

#include "plugin/manifest_reader.hpp"
#include "support.hpp"

using tenon::Buffer;
using tenon::Schema;
using namespace tenon::test;

namespace {

constexpr const char* kEverything = R"({"flag": true, "wide": 7, "maybe": 3, "shade": "Dark", "text": "hello",
  "bytes": "AAEC", "numbers": [1, 2, 3], "words": ["a", "b"], "leaf": {"name": "oak"},
  "leaves": [{"name": "a"}, {"name": "b"}], "point": {"x": 1, "y": 2},
  "boxes": [{"corners": [{"x": 0, "y": 1}, {"x": 2, "y": 3}], "tag": 1}], "shape_type": "Leaf", "shape": {"name": "elm"},
  "shapes_type": ["Label", "Leaf"], "shapes": ["x", {"name": "y"}],
  "tree": {"children": [{"leaf": {"name": "x"}}, {"children": [{}]}]}})";

/// Changes a few bytes at random positions.
template <typename Bytes>
Bytes mutated(const Bytes& original, std::mt19937& random) {
  Bytes bytes = original;
  static constexpr unsigned kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x04, 0x22, 0x5b};
  for (unsigned i = 1 + random() % 4; i > 0; --i) {
    auto& byte = bytes[random() % bytes.size()];
    byte = static_cast<typename Bytes::value_type>(random() % 2 == 0 ? kTelling[random() % 8] : random());
  }
  if (random() % 8 == 0) {
    bytes.resize(random() % bytes.size());
  }
  return bytes;
}

/// Holds bytes in a block of exactly their size, so that the address sanitizer detects reads out of
/// bounds.
struct Exact {
  explicit Exact(const Buffer& bytes) : size(bytes.size()), data(new std::uint8_t[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), data.get());
  }
  [[nodiscard]] tenon::BytesView view() const { return {data.get(), size}; }
  std::size_t size;
  std::unique_ptr<std::uint8_t[]> data;
};

}  // namespace

TEST_CASE("Robustness: mutated buffers are verified or refused, and what verifies can be read") {
  const Schema schema = sample_schema();
  const Buffer buffer = schema.from_json("sample.All", kEverything).value();
  const auto reader = tenon::FieldReader::make(schema, "sample.All", "tree.leaf.name").value();
  std::mt19937 random(1);
  std::size_t verified = 0;
  for (int i = 0; i < 30'000; ++i) {
    const Exact bytes(mutated(buffer, random));
    if (schema.verify("sample.All", bytes.view())) {
      ++verified;
      static_cast<void>(schema.to_json("sample.All", bytes.view()));
      static_cast<void>(reader.read(bytes.view()));
    }
  }
  CHECK(verified > 0);
}

TEST_CASE("Robustness: mutated schemas are read or refused, and what is read can be used") {
  const Buffer binary = bytes_of_file(sample_schema_file());
  const Buffer buffer = sample_schema().from_json("sample.All", kEverything).value();
  std::mt19937 random(2);
  std::size_t accepted = 0;
  for (int i = 0; i < 3'000; ++i) {
    const Exact bytes(mutated(binary, random));
    const auto schema = Schema::from_binary(bytes.view(), "sample");
    if (schema) {
      ++accepted;
      static_cast<void>(schema->verify("sample.All", buffer));
      static_cast<void>(schema->to_json("sample.All", buffer));
      if (const auto encoded = schema->from_json("sample.All", kEverything)) {
        CHECK(message_of(schema->verify("sample.All", *encoded)) == "");
      }
      static_cast<void>(schema->find_type("sample.All"));
      static_cast<void>(Schema::check_readable(*schema, "sample.All", sample_schema(), "sample.All"));
    }
  }
  CHECK(accepted > 0);
}

TEST_CASE("Robustness: mutated JSON becomes a buffer that verifies, or an error with a place") {
  const Schema schema = sample_schema();
  const std::string json = kEverything;
  std::mt19937 random(3);
  for (int i = 0; i < 10'000; ++i) {
    const std::string text = mutated(json, random);
    const auto buffer = schema.from_json("sample.All", text);
    if (buffer) {
      CHECK(message_of(schema.verify("sample.All", *buffer)) == "");
    } else {
      CHECK(buffer.error().message.find(':') != std::string::npos);
    }
  }
}

TEST_CASE("Robustness: mutated plugin files are read or refused") {
  const Buffer image = bytes_of_file(variant("good"));
  std::mt19937 random(4);
  for (int i = 0; i < 300; ++i) {
    Buffer bytes = mutated(image, random);
    // Half of them are changed where it matters: in the headers at the start and at the end.
    for (std::size_t hit = 0; hit < 3 && bytes.size() > 4096 && i % 2 == 0; ++hit) {
      bytes[random() % 64] ^= static_cast<std::uint8_t>(hit == 0 ? random() : 0);
      bytes[bytes.size() - 1 - random() % 2048] = static_cast<std::uint8_t>(random());
    }
    const Exact exact(bytes);
    static_cast<void>(tenon::internal::parse_manifest(exact.view(), "good"));
  }
}

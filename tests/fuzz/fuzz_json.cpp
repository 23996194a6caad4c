// Fuzzes JSON from a command line and FlatBuffers from a worker: the text becomes a buffer that
// must verify; the raw bytes are read as a result.
#include <cstdlib>

#include <tenon/schema.hpp>

#include "plugin/manifest_reader.hpp"
#include "target.hpp"

namespace {

const tenon::Schema& schema() {
  static const tenon::Schema kSchema = [] {
    const std::string plugin = tenon::fuzz::plugin_bytes("files");
    auto manifest =
        tenon::internal::parse_manifest({reinterpret_cast<const std::uint8_t*>(plugin.data()), plugin.size()}, "files");
    if (!manifest) {
      std::abort();
    }
    auto read = tenon::Schema::from_binary(manifest->schema, "files");
    if (!read) {
      std::abort();
    }
    return *std::move(read);
  }();
  return kSchema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* type : {"tenon.File", "tenon.Record", "files.Inventory"}) {
    const auto buffer = schema().from_json(type, text);
    if (buffer) {
      // The buffer that we made ourselves must verify and must be readable.
      if (!schema().verify(type, *buffer) || !schema().to_json(type, *buffer)) {
        std::abort();
      }
    }
    // Aligned to 16, like results in a block.
    alignas(16) static std::uint8_t aligned[1 << 16];
    if (size <= sizeof aligned) {
      std::copy(data, data + size, aligned);
      (void)schema().to_json(type, {aligned, size});
    }
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  std::vector<std::string> seeds = {
      R"({"path": "README.md", "size_bytes": 12, "kind": "Regular", "data": "aGVsbG8="})",
      R"({"fields": [{"name": "a", "value_type": "IntValue", "value": {"value": -3}}]})",
      R"({"title": "t", "algorithm": "sha256", "total_files": 1, "extensions": [], "sizes": [], "largest": [],
          "files": [{"path": "x", "digest": "00"}], "duplicates": {"algorithm": "sha256", "groups": []}})"};
  for (const auto& [type, text] :
       {std::pair<const char*, std::size_t>{"tenon.File", 0}, {"tenon.Record", 1}, {"files.Inventory", 2}}) {
    if (const auto buffer = schema().from_json(type, seeds[text])) {
      seeds.emplace_back(buffer->begin(), buffer->end());
    }
  }
  return seeds;
}

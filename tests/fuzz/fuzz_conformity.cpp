// Compares two binary schemas from plugin files as two versions of one plugin, and reads a buffer
// with both. The input is used twice: as the schemas themselves, and as edits of a valid schema, of
// which more can be read.
#include <cstdlib>
#include <cstring>
#include <optional>

#include <tenon/schema.hpp>

#include "plugin/manifest_reader.hpp"
#include "schema/compare_buffers.hpp"
#include "schema/conformity.hpp"
#include "target.hpp"

namespace {

tenon::Buffer schema_of_plugin(const char* name) {
  const std::string plugin = tenon::fuzz::plugin_bytes(name);
  auto manifest =
      tenon::internal::parse_manifest({reinterpret_cast<const std::uint8_t*>(plugin.data()), plugin.size()}, name);
  if (!manifest) {
    std::abort();
  }
  return std::move(manifest->schema);
}

const tenon::Buffer& original_binary() {
  static const tenon::Buffer kBinary = schema_of_plugin("text");
  return kBinary;
}

/// The valid schema that the input is compared with.
const tenon::Schema& original() {
  static const tenon::Schema kSchema = *tenon::Schema::from_binary(original_binary(), "text");
  return kSchema;
}

std::optional<tenon::Schema> read(const std::uint8_t* data, std::size_t size) {
  auto schema = tenon::Schema::from_binary({data, size}, "text");
  return schema ? std::optional(*std::move(schema)) : std::nullopt;
}

void compare(const tenon::Schema& before, const tenon::Schema& now) {
  for (const tenon::internal::SchemaBreak& found : tenon::internal::check_conformity(before, now)) {
    if (found.place.empty() || found.advice.empty() || found.to_string().empty()) {
      std::abort();
    }
  }
  for (const tenon::TaskInfo& task : before.tasks()) {
    const auto was = before.from_json(task.result_type, "{}");
    const auto is = now.from_json(task.result_type, "{}");
    if (was && is) {
      (void)tenon::internal::compare_buffers(before, now, task.result_type, *was, *is);
    }
  }
}

void check(const std::optional<tenon::Schema>& before, const std::optional<tenon::Schema>& now) {
  for (const auto& schema : {before, now}) {
    if (!schema) {
      continue;
    }
    // Every valid schema conforms to itself.
    if (!tenon::internal::check_conformity(*schema, *schema).empty()) {
      std::abort();
    }
    compare(*schema, original());
    compare(original(), *schema);
  }
  if (before && now) {
    compare(*before, *now);
  }
}

/// The input is the length of the first schema in four bytes (little-endian), the first schema, and
/// the second schema.
void take_as_schemas(const std::uint8_t* data, std::size_t size) {
  std::uint32_t first = 0;
  if (size < sizeof first) {
    return;
  }
  std::memcpy(&first, data, sizeof first);
  data += sizeof first;
  size -= sizeof first;
  first = first > size ? static_cast<std::uint32_t>(size) : first;
  check(read(data, first), read(data + first, size - first));
}

/// The input is edits of four bytes each: a position, and the value that is added to the byte
/// there. Edits alternate between the first and the second schema.
void take_as_edits(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxEdits = 8;
  tenon::Buffer binaries[2] = {original_binary(), original_binary()};
  for (std::size_t i = 0; i < kMaxEdits && 4 * i + 4 <= size; ++i) {
    std::uint32_t edit = 0;
    std::memcpy(&edit, data + 4 * i, sizeof edit);
    tenon::Buffer& binary = binaries[i % 2];
    std::uint8_t& byte = binary[(edit >> 8) % binary.size()];
    byte = static_cast<std::uint8_t>(byte + edit);
  }
  check(read(binaries[0].data(), binaries[0].size()), read(binaries[1].data(), binaries[1].size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  take_as_schemas(data, size);
  take_as_edits(data, size);
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  const auto seed = [](const Buffer& before, const Buffer& now) {
    const auto length = static_cast<std::uint32_t>(before.size());
    std::string text(sizeof length, '\0');
    std::memcpy(text.data(), &length, sizeof length);
    text.append(before.begin(), before.end());
    text.append(now.begin(), now.end());
    return text;
  };
  const Buffer one = schema_of_plugin("text");
  const Buffer other = schema_of_plugin("tenon");
  std::vector<std::string> seeds = {seed(one, one), seed(one, other), seed(one, {}), seed({}, other)};
  // Edits in all parts of the schema.
  for (std::uint32_t i = 0; i < 64; ++i) {
    std::string edits;
    for (std::uint32_t k = 0; k < 4; ++k) {
      const std::uint32_t edit = ((i * 7919 + k * 104'729) << 8) | (1 + i % 3);
      edits.append(reinterpret_cast<const char*>(&edit), sizeof edit);
    }
    seeds.push_back(std::move(edits));
  }
  return seeds;
}

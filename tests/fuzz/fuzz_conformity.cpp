// Two binary schemas from plugin files, compared as two versions of one plugin, and a buffer read by both.
#include <cstdlib>
#include <cstring>
#include <optional>

#include <tenon/schema.hpp>

#include "plugin/compare_buffers.hpp"
#include "plugin/conformity.hpp"
#include "plugin/manifest_reader.hpp"
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

/// What the input is compared with: a schema that holds.
const tenon::Schema& original() {
  static const tenon::Schema kSchema = *tenon::Schema::from_binary(schema_of_plugin("text"), "text");
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

}  // namespace

/// The input: the length of the first schema in four bytes, little endian; the first; the second.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint32_t first = 0;
  if (size < sizeof first) {
    return 0;
  }
  std::memcpy(&first, data, sizeof first);
  data += sizeof first;
  size -= sizeof first;
  first = first > size ? static_cast<std::uint32_t>(size) : first;
  const auto before = read(data, first);
  const auto now = read(data + first, size - first);
  for (const auto& schema : {before, now}) {
    if (!schema) {
      continue;
    }
    // Whatever a schema holds, it conforms to itself.
    if (!tenon::internal::check_conformity(*schema, *schema).empty()) {
      std::abort();
    }
    compare(*schema, original());
    compare(original(), *schema);
  }
  if (before && now) {
    compare(*before, *now);
  }
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
  return {seed(one, one), seed(one, other), seed(one, {}), seed({}, other)};
}

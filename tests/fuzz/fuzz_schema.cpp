// Fuzzes a binary schema from a plugin file, and all queries on it.
#include <tenon/schema.hpp>

#include "plugin/manifest_reader.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto schema = tenon::Schema::from_binary({data, size}, "tenon");
  if (!schema) {
    return 0;
  }
  for (const tenon::TaskInfo& task : schema->tasks()) {
    (void)schema->find_type(task.argument_type);
    (void)schema->find_type(task.result_type);
    (void)schema->from_json(task.argument_type, "{}");
    (void)tenon::Schema::check_readable(*schema, task.result_type, *schema, task.argument_type);
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  const std::string plugin = plugin_bytes("tenon");
  const auto manifest =
      tenon::internal::parse_manifest({reinterpret_cast<const std::uint8_t*>(plugin.data()), plugin.size()}, "tenon");
  if (!manifest) {
    return {};
  }
  return {std::string(manifest->schema.begin(), manifest->schema.end())};
}

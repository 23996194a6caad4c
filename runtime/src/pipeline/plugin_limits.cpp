#include "pipeline/plugin_limits.hpp"

#include <chrono>
#include <string_view>

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "platform/file.hpp"

namespace tenon::internal {

std::map<std::string, PluginLimits> read_plugin_limits(const std::filesystem::path& file, const LoadOptions& options,
                                                       const PluginLimits& usual) {
  std::map<std::string, PluginLimits> limits;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return limits;  // A stream can be read only once.
  }
  const auto content = read_file(file, kMaxDocumentBytes, ReadFrom::kRegularFile);
  if (!content) {
    return limits;
  }
  const std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  Reporter unheard(file.string(), text);
  auto document = parse_document(text, unheard);
  if (!document) {
    return limits;
  }
  apply_overrides(*document, options.overrides, unheard);
  const Environment environment(options.environment);
  TableReader root(*document, "the file", environment, unheard);
  const Value* const plugins = root.table("plugins");
  for (const Entry& entry : plugins == nullptr ? std::vector<Entry>() : plugins->entries) {
    if (entry.value.kind != Value::Kind::kTable) {
      continue;
    }
    TableReader table(entry.value, entry.key, environment, unheard);
    const auto start_timeout = table.duration("start_timeout");
    const auto memory = table.size("memory");
    if (!start_timeout && !memory) {
      continue;
    }
    PluginLimits& of_plugin = limits.emplace(entry.key, usual).first->second;
    if (start_timeout) {
      of_plugin.start_timeout = std::chrono::ceil<std::chrono::milliseconds>(start_timeout->value);
    }
    if (memory) {
      of_plugin.memory_bytes = memory->value;
    }
  }
  return limits;
}

}  // namespace tenon::internal

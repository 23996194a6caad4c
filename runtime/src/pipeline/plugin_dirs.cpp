#include "pipeline/plugin_dirs.hpp"

#include <string>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "platform/file.hpp"

namespace tenon::internal {

std::vector<std::filesystem::path> read_plugin_dirs(const std::filesystem::path& file, const LoadOptions& options) {
  std::vector<std::filesystem::path> dirs;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return dirs;  // A stream can be read only once.
  }
  const Result<Buffer> content = read_file(file, kMaxDocumentBytes, ReadFrom::kRegularFile);
  if (!content) {
    return dirs;
  }
  const std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  Reporter unheard(file.string(), text);
  std::optional<Value> document = parse_document(text, unheard);
  if (!document) {
    return dirs;
  }
  apply_overrides(*document, options.overrides, unheard);
  const Entry* const pipeline = document->find("pipeline");
  const Entry* const listed = pipeline == nullptr ? nullptr : pipeline->value.find("plugin_dirs");
  if (listed == nullptr) {
    return dirs;
  }
  const Environment environment(options.environment);
  for (const Value& written : listed->value.elements) {
    const std::optional<Value> value = environment.settle(written, unheard);
    if (value && value->kind == Value::Kind::kString && !value->text.empty()) {
      dirs.push_back((file.parent_path() / value->text).lexically_normal());
    }
  }
  return dirs;
}

}  // namespace tenon::internal

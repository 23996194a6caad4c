#include <memory>
#include <utility>

#include "base/text.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/resolve.hpp"
#include "platform/file.hpp"

namespace tenon {
namespace internal {

namespace {

std::vector<std::string> override_texts(const LoadOptions& options) {
  std::vector<std::string> texts;
  texts.reserve(options.overrides.size());
  for (const auto& [key, value] : options.overrides) {
    texts.push_back(key + "=" + value);
  }
  return texts;
}

std::optional<Graph::Impl> load(std::string_view text, std::string_view file, std::string_view default_name,
                                const Catalog& catalog, const LoadOptions& options, Diagnostics& diagnostics) {
  Reporter reporter(std::string(file), text, override_texts(options));
  std::optional<Graph::Impl> graph =
      load_graph({text, default_name}, *make_catalog_directory(catalog), options, reporter);
  reporter.move_to(diagnostics);
  if (graph) {
    graph->catalog = catalog;
  }
  return graph;
}

}  // namespace
}  // namespace internal

std::optional<Graph> Graph::load(const std::filesystem::path& file, const Catalog& catalog, const LoadOptions& options,
                                 Diagnostics& diagnostics) {
  const std::string name = file.string();
  const Result<Buffer> content =
      internal::read_file(file, internal::kMaxDocumentBytes,
                          options.streams ? internal::ReadFrom::kStream : internal::ReadFrom::kRegularFile);
  if (!content) {
    internal::Reporter reporter(name, {});
    if (content.error().code == ErrorCode::kTooLarge) {
      reporter.error(
          {}, "the file is larger than a pipeline may be (" + internal::format_size(internal::kMaxDocumentBytes) + ")",
          "put long lists of values into a separate file that a task reads");
    } else {
      std::error_code ignored;
      reporter.error({}, std::filesystem::is_directory(file, ignored) ? "this is a directory; give a pipeline file"
                                                                      : content.error().message);
    }
    reporter.move_to(diagnostics);
    return std::nullopt;
  }
  const std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  std::optional<Impl> graph = internal::load(text, name, file.stem().string(), catalog, options, diagnostics);
  if (!graph) {
    return std::nullopt;
  }
  return Graph(std::make_shared<const Impl>(std::move(*graph)));
}

std::optional<Graph> Graph::parse(std::string_view text, std::string_view name, const Catalog& catalog,
                                  const LoadOptions& options, Diagnostics& diagnostics) {
  std::optional<Impl> graph = internal::load(text, name, name, catalog, options, diagnostics);
  if (!graph) {
    return std::nullopt;
  }
  return Graph(std::make_shared<const Impl>(std::move(*graph)));
}

const std::string& Graph::name() const noexcept {
  return impl_->name;
}

const std::map<std::string, Buffer>& Graph::plugin_settings() const noexcept {
  return impl_->plugin_settings;
}

}  // namespace tenon

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

std::optional<Graph::Impl> load(const LoadRequest& request, std::string_view file, const Catalog& catalog,
                                const LoadOptions& options, Diagnostics& diagnostics) {
  Reporter reporter(std::string(file), request.text, override_texts(options));
  std::optional<Graph::Impl> graph = load_graph(request, *make_catalog_directory(catalog), options, reporter);
  reporter.move_to(diagnostics);
  if (request.test_reporter != nullptr) {
    request.test_reporter->move_to(diagnostics);
  }
  if (graph) {
    graph->catalog = catalog;
  }
  return graph;
}

std::optional<Buffer> read_pipeline(const std::filesystem::path& file, bool streams, Diagnostics& diagnostics) {
  Result<Buffer> content = read_file(file, kMaxDocumentBytes, streams ? ReadFrom::kStream : ReadFrom::kRegularFile);
  if (content) {
    return std::move(*content);
  }
  Reporter reporter(file.string(), {});
  if (content.error().code == ErrorCode::kTooLarge) {
    reporter.error({}, "the file is larger than a pipeline may be (" + format_size(kMaxDocumentBytes) + ")",
                   "put long lists of values into a separate file that a task reads");
  } else {
    std::error_code ignored;
    reporter.error({}, std::filesystem::is_directory(file, ignored) ? "this is a directory; give a pipeline file"
                                                                    : content.error().message);
  }
  reporter.move_to(diagnostics);
  return std::nullopt;
}

std::string_view text_of(const Buffer& content) {
  return {reinterpret_cast<const char*>(content.data()), content.size()};
}

}  // namespace
}  // namespace internal

std::optional<Graph> Graph::load(const std::filesystem::path& file, const Catalog& catalog, const LoadOptions& options,
                                 Diagnostics& diagnostics) {
  const std::optional<Buffer> content = internal::read_pipeline(file, options.streams, diagnostics);
  if (!content) {
    return std::nullopt;
  }
  const std::string stem = file.stem().string();
  internal::LoadRequest request{.text = internal::text_of(*content), .default_name = stem, .file = file.string()};
  std::optional<Buffer> tests;
  std::optional<internal::Reporter> test_reporter;
  if (!options.test_file.empty()) {
    tests = internal::read_pipeline(options.test_file, false, diagnostics);
    if (!tests) {
      return std::nullopt;
    }
    request.test_text = internal::text_of(*tests);
    request.test_file = options.test_file.string();
    request.test_reporter = &test_reporter.emplace(request.test_file, request.test_text);
  }
  std::optional<Impl> graph = internal::load(request, request.file, catalog, options, diagnostics);
  if (!graph) {
    return std::nullopt;
  }
  return Graph(std::make_shared<const Impl>(std::move(*graph)));
}

std::optional<Graph> Graph::parse(std::string_view text, std::string_view name, const Catalog& catalog,
                                  const LoadOptions& options, Diagnostics& diagnostics) {
  std::optional<Impl> graph = internal::load({.text = text, .default_name = name, .file = std::string(name)}, name,
                                             catalog, options, diagnostics);
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

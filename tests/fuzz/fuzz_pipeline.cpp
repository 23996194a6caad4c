// Fuzzes a pipeline file: any text gives a graph or messages.
#include <cstdlib>

#include <tenon/pipeline.hpp>

#include "target.hpp"
#include "tenon_test/paths.hpp"

namespace {

const tenon::Catalog& catalog() {
  static const tenon::Catalog kCatalog = [] {
    tenon::CatalogOptions options;
    options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
    options.worker_executable = tenon::test::build_dir() / "bin" / "tenon-worker";
    options.cache_dir = tenon::test::build_dir() / "tests" / "cache";
    auto opened = tenon::Catalog::open(options);
    if (!opened) {
      std::abort();
    }
    return *std::move(opened);
  }();
  return kCatalog;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tenon::Diagnostics diagnostics;
  tenon::LoadOptions options;
  options.environment = [](const std::string&) { return std::nullopt; };
  const auto graph =
      tenon::Graph::parse({reinterpret_cast<const char*>(data), size}, "fuzz.toml", catalog(), options, diagnostics);
  // There is either a graph or an error, and both can be printed.
  if (graph.has_value() == diagnostics.has_errors()) {
    std::abort();
  }
  (void)diagnostics.to_text(true);
  (void)diagnostics.to_json();
  if (graph) {
    for (const auto format : {tenon::GraphFormat::kDot, tenon::GraphFormat::kMermaid, tenon::GraphFormat::kJson}) {
      (void)graph->to_text(format);
    }
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  std::vector<std::string> seeds;
  for (const char* file : {"plugins/files/inventory.toml", "plugins/image/thumbnails.toml"}) {
    seeds.push_back(read_file(tenon::test::source_dir() / file));
  }
  return seeds;
}

/// Which plugins a pipeline would really run on: those of the catalog as a store lets them be loaded.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/swap.hpp>

#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// Which versions a runtime would start with.
struct StartedCatalog {
  /// What is not loaded has its problem.
  Catalog catalog;
  /// A line for each plugin of which another content than its file's is served, and why.
  std::vector<std::string> notes;
};

/// What a runtime of these options starts with. `inspection`: its limits count.
/// Errors: bad configuration when the store cannot be used.
[[nodiscard]] Outcome<StartedCatalog> started_catalog(const Catalog& found, const HotSwapOptions& options,
                                                      std::vector<std::filesystem::path> directories,
                                                      const CatalogOptions& inspection);

/// The catalog in which contents that are in quarantine have that as their problem. `store` empty: the user's;
/// `options`: their limits decide whether a content that hung may try again. Writes nothing. [any-thread]
[[nodiscard]] Catalog without_quarantined(const Catalog& found, const std::filesystem::path& store,
                                          const CatalogOptions& options);

/// Errors: bad configuration when a plugin that the pipeline uses cannot be used, or does not fit it. A plugin file may
/// have changed since the pipeline was checked.
[[nodiscard]] Outcome<void> check_plugins(const Graph& graph, const Catalog& catalog);

}  // namespace tenon::cli

/// Determines which plugins a pipeline would really run on: those of the catalog that a store
/// allows to be loaded.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/swap.hpp>

#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// The versions that a runtime would start with.
struct StartedCatalog {
  /// A plugin that is not loaded has its problem here.
  Catalog catalog;
  /// One line for each plugin that is served with another content than its file's, with the reason.
  std::vector<std::string> notes;
};

/// Returns the versions that a runtime with these options starts with. The limits of `inspection`
/// apply. Errors: bad configuration if the store cannot be used.
[[nodiscard]] Outcome<StartedCatalog> started_catalog(const Catalog& found, const HotSwapOptions& options,
                                                      std::vector<std::filesystem::path> directories,
                                                      const CatalogOptions& inspection);

/// Returns the catalog with quarantined contents marked as not usable. `store` empty: the user's
/// store. The limits of `options` decide whether a content that hung may be tried again. Writes
/// nothing. [any-thread]
[[nodiscard]] Catalog without_quarantined(const Catalog& found, const std::filesystem::path& store,
                                          const CatalogOptions& options);

/// Errors: bad configuration if a plugin that the pipeline uses cannot be used, or does not fit it.
/// A plugin file may have changed since the pipeline was checked.
[[nodiscard]] Outcome<void> check_plugins(const Graph& graph, const Catalog& catalog);

}  // namespace tenon::cli

/// host/kept_catalog.hpp: keeps the plugin versions with which a runtime starts.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <tenon/catalog.hpp>

#include "plugin/served_file.hpp"

namespace tenon::internal {

/// The plugins of a runtime at its start.
struct OpenedCatalog {
  Catalog catalog;
  /// The files that workers load, by the name of each usable plugin.
  std::map<std::string, ServedFileRef, std::less<>> files = {};
};

/// Keeps the files of a catalog's usable plugins, so that the runtime is affected neither when they
/// are overwritten nor when the store is lost. A file that has changed since the catalog was opened
/// is inspected again with `inspection`; a plugin that cannot be kept is listed with that problem.
/// `refused` is called with the reason if the store cannot be used. Copies and hashes everything
/// that the store does not have yet. [any-thread]
[[nodiscard]] OpenedCatalog keep_catalog(Catalog catalog, const CatalogOptions& inspection,
                                         const std::function<void(const Error& refusal)>& refused);

}  // namespace tenon::internal

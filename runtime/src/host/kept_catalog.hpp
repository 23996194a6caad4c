/// host/kept_catalog.hpp: the plugins that a runtime starts with, in the versions that it keeps to.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <tenon/catalog.hpp>

#include "plugin/served_file.hpp"

namespace tenon::internal {

/// The plugins of a runtime as they are when it starts.
struct OpenedCatalog {
  Catalog catalog;
  /// What workers load, by the name of each usable plugin.
  std::map<std::string, ServedFileRef, std::less<>> files = {};
};

/// Takes the files of a catalog's usable plugins into keeping, so that neither their being overwritten nor the loss of
/// the store matters to the runtime. A file that has changed since the catalog was opened is judged again by
/// `inspection`, and one that cannot be kept is listed with that problem. `refusal` hears why the store cannot be used,
/// if so. Takes as long as to copy and hash what the store does not have. [any-thread]
[[nodiscard]] OpenedCatalog keep_catalog(Catalog catalog, const CatalogOptions& inspection,
                                         const std::function<void(const Error& refusal)>& refused);

}  // namespace tenon::internal

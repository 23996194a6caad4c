/// plugin/file_keeper.hpp: takes the plugin files of a catalog into keeping, so that a runtime serves what it began
/// with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "plugin/catalog_cache.hpp"
#include "plugin/served_file.hpp"
#include "plugin/store.hpp"

namespace tenon::internal {

/// Keeps plugin files in the user's store, and in memory where that cannot be used. A content that the store has
/// already costs a look at its copy. Not thread-safe.
class FileKeeper {
 public:
  /// `cache_dir` as in CatalogOptions; the store is its directory `store`.
  explicit FileKeeper(const std::filesystem::path& cache_dir);

  /// Keeps the content of a usable plugin, in the version that the catalog found where the store has it or the file
  /// still does; otherwise in the version that the file has now, which has another hash. Takes as long as to copy and
  /// hash the file when the store does not have it. Errors: kUnavailable the file keeps changing; kIncompatible it has
  /// changed, and there is no store to keep what it is now; those of reading it; kOutOfMemory.
  [[nodiscard]] Result<ServedFileRef> keep(const PluginInfo& plugin);

  /// Removes from the store what is old, if anything was added to it.
  void sweep() const;

  /// Why files are not kept in the store; nullopt as long as they are.
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return refusal_; }

 private:
  [[nodiscard]] std::optional<StagedPlugin> find_stored(const PluginInfo& plugin) const;
  /// Later starts need not read these files.
  void remember(const StagedPlugin& staged) const;
  [[nodiscard]] Result<ServedFileRef> keep_in_memory(const PluginInfo& plugin);

  CatalogCache cache_;
  std::optional<Store> store_;
  std::optional<Error> refusal_;
  bool added_ = false;
  std::uint64_t in_memory_bytes_ = 0;
};

}  // namespace tenon::internal

/// plugin/file_keeper.hpp: secures the plugin files of a catalog, so that a runtime serves the
/// versions with which it started.
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

/// Keeps plugin files in the user's store, or in memory if the store cannot be used. For a content
/// that the store already has, only its copy is checked. Not thread-safe.
class FileKeeper {
 public:
  /// `cache_dir` as in CatalogOptions; the store is its directory `store`.
  explicit FileKeeper(const std::filesystem::path& cache_dir);

  /// Keeps the content of a usable plugin: the version that the catalog found, if the store or the
  /// file still has it, otherwise the version that the file has now, with another hash. Copies and
  /// hashes the file if the store does not have it. Errors: kUnavailable if the file keeps
  /// changing; kIncompatible if it has changed and there is no store for its new content; those of
  /// reading it; kOutOfMemory.
  [[nodiscard]] Result<ServedFileRef> keep(const PluginInfo& plugin);

  /// Removes old files from the store, if any file was added to it.
  void sweep() const;

  /// Why files are not kept in the store; nullopt if they are.
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return refusal_; }

 private:
  [[nodiscard]] std::optional<StagedPlugin> find_stored(const PluginInfo& plugin) const;
  /// Files that later starts need not read.
  void remember(const StagedPlugin& staged) const;
  [[nodiscard]] Result<ServedFileRef> keep_in_memory(const PluginInfo& plugin);

  CatalogCache cache_;
  std::optional<Store> store_;
  std::optional<Error> refusal_;
  bool added_ = false;
  std::uint64_t in_memory_bytes_ = 0;
};

}  // namespace tenon::internal

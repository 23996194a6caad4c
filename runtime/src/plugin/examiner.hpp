/// plugin/examiner.hpp: checks one plugin file: who may change it, what it contains, and what it
/// does when it is loaded.
///
///   auto examiner = Examiner::create(options);
///   PluginInfo plugin;
///   plugin.name = "image";
///   plugin.file = "/opt/plugins/image.so";
///   examiner->examine(plugin);
///   if (plugin.problem) return refuse(*plugin.problem);
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"
#include "plugin/catalog_cache.hpp"

namespace tenon::internal {

/// How one file is examined.
struct ExamineOptions {
  /// Accepts the cached verdict about a problem of the file or a recent hang. Without it, the
  /// plugin is inspected again, for a caller who asks for this very file.
  bool believe_problems = true;
  /// Time limit of the inspector process; by default the plugin's PluginLimits::start_timeout.
  std::optional<std::chrono::milliseconds> inspect_timeout = {};
  /// May refuse the plugin before its code runs. Everything is known by then from its manifest; the
  /// inspection checks later whether its code agrees. Empty: no plugin is refused.
  std::function<Result<void>(const PluginInfo& plugin)> admit = {};
  /// The inspection ends as kCancelled when this becomes readable; null if it cannot be cancelled.
  const FileDescriptor* cancel = nullptr;
};

/// Examines plugin files and remembers the verdicts of inspections. Immutable; [any-thread]
class Examiner {
 public:
  /// The directories of the options are not used. Errors: kUnavailable if there is no tenon-worker.
  [[nodiscard]] static Result<Examiner> create(const CatalogOptions& options);

  /// Fills in everything except name and file, if this requires neither reading the whole file nor
  /// an inspection: the file has not changed since it was found to be sound. Otherwise, returns
  /// false and does not change `plugin`; then it must be examined.
  [[nodiscard]] bool recall(PluginInfo& plugin) const;
  /// The limits of one plugin. Valid as long as this object.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const { return options_.limits_for(plugin); }

  /// Fills in everything except name and file; a plugin that cannot be used gets a `problem`. If
  /// `sha256` and `state` are set, the file is a copy that was hashed before, and `libraries` must
  /// be set too: it is not hashed again as long as it is in that state. Blocks for as long as an
  /// inspection takes.
  void examine(PluginInfo& plugin, const ExamineOptions& options = {}) const;

 private:
  Examiner(CatalogOptions options, std::filesystem::path worker, std::string worker_hash, CatalogCache cache);
  [[nodiscard]] std::optional<Error> examine_content(PluginInfo& plugin, const FileIdentity& identity,
                                                     const ExamineOptions& options) const;
  /// Finds the plugin's own libraries and its identity; reads only contents that the cache does not
  /// know.
  [[nodiscard]] Result<void> identify(PluginInfo& plugin, const FileIdentity& identity) const;
  /// The same without reading any content. False if that is necessary.
  [[nodiscard]] bool recall_identity(PluginInfo& plugin, const FileIdentity& identity) const;
  /// The key of a verdict in the cache.
  [[nodiscard]] std::string verdict_key(const PluginInfo& plugin) const;
  /// The key of a hang, which also depends on the limits and the environment.
  [[nodiscard]] std::string hang_key(const PluginInfo& plugin, std::chrono::milliseconds timeout) const;
  /// `identity` is the file's, whose content has the plugin's hash.
  [[nodiscard]] std::optional<Error> inspect(const PluginInfo& plugin, const FileIdentity& identity,
                                             const ExamineOptions& options) const;

  CatalogOptions options_;
  std::filesystem::path worker_;
  std::string worker_hash_;
  CatalogCache cache_;
};

}  // namespace tenon::internal

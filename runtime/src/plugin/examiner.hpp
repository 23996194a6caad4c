/// plugin/examiner.hpp: judges one plugin file: who may change it, what its bytes say, what it does when it is loaded.
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
  /// Believes an earlier inspection that found a problem of the file, or a recent hang. Without it the plugin is
  /// inspected anew: who asks for this very file deserves a fresh look.
  bool believe_problems = true;
  /// Of the inspector process; absent: PluginLimits::start_timeout of the plugin.
  std::optional<std::chrono::milliseconds> inspect_timeout = {};
  /// May refuse the plugin before its code runs: all is known then, by its manifest; whether its code agrees with that
  /// the inspection finds out. Empty: all may pass.
  std::function<Result<void>(const PluginInfo& plugin)> admit = {};
  /// The inspection ends as kCancelled when this becomes readable; null: it cannot be ended.
  const FileDescriptor* cancel = nullptr;
};

/// Examines plugin files; remembers what inspections found. Immutable; [any-thread]
class Examiner {
 public:
  /// Directories of the options do not matter. Errors: kUnavailable without a tenon-worker.
  [[nodiscard]] static Result<Examiner> create(const CatalogOptions& options);

  /// Fills in all but name and file when that takes neither reading the whole file nor an inspection: the file is as an
  /// earlier look left it, and was sound. Returns false, and leaves the plugin as it is, when it has to be examined.
  [[nodiscard]] bool recall(PluginInfo& plugin) const;
  /// The limits of one plugin. Valid as long as this object.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const { return options_.limits_for(plugin); }

  /// Fills in all but name and file; a plugin that cannot be used has its `problem` afterwards. A plugin that comes
  /// with `sha256` and `state` is a copy that was hashed before, and comes with its `libraries`: it is not read again
  /// for that as long as it is in that state. Blocks as long as an inspection.
  void examine(PluginInfo& plugin, const ExamineOptions& options = {}) const;

 private:
  Examiner(CatalogOptions options, std::filesystem::path worker, std::string worker_hash, CatalogCache cache);
  [[nodiscard]] std::optional<Error> examine_content(PluginInfo& plugin, const FileIdentity& identity,
                                                     const ExamineOptions& options) const;
  /// Finds the plugin's own libraries and its identity; of the contents, only what the cache does not know is read.
  [[nodiscard]] Result<void> identify(PluginInfo& plugin, const FileIdentity& identity) const;
  /// The same without reading a content. False when that would be needed.
  [[nodiscard]] bool recall_identity(PluginInfo& plugin, const FileIdentity& identity) const;
  /// What an inspection's verdict is remembered by.
  [[nodiscard]] std::string verdict_key(const PluginInfo& plugin) const;
  /// The same for a hang, which also depends on the limits and the environment.
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

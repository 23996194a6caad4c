/// host/swap/candidate.hpp: from a plugin file to a version that workers may load, or the reason why not.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/swap.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"
#include "plugin/examiner.hpp"
#include "plugin/plugin_state.hpp"
#include "plugin/served_file.hpp"
#include "plugin/store.hpp"

namespace tenon::internal {

/// Stages and judges plugin files. Each step by itself, so that whoever asks can tell what goes on. Immutable;
/// [any-thread]
class Candidates {
 public:
  using Admit = std::function<Result<void>(const PluginInfo& candidate)>;

  /// `admit` as in HotSwapOptions; may be empty.
  Candidates(Store store, Examiner examiner, Admit admit)
      : store_(std::move(store)), examiner_(std::move(examiner)), admit_(std::move(admit)) {}

  /// A copy of the file in the store. A file that is being written is tried again until the deadline. Errors: those of
  /// Store::stage; kDeadline it does not come to rest; kCancelled when `cancel` became readable.
  [[nodiscard]] Result<StagedPlugin> stage(const std::filesystem::path& source, MonotonicNs deadline_ns,
                                           const FileDescriptor& cancel) const;
  /// Errors: kRejected this content is in quarantine, with why and since when.
  [[nodiscard]] Result<void> check_quarantine(const std::string& sha256) const;
  /// What a staged plugin is: admitted, then inspected from its copy. A `problem` that is a crash or a hang has put the
  /// content into quarantine; `quarantined` tells so. A problem that ended because of `cancel` has the code kCancelled.
  [[nodiscard]] PluginInfo examine(const StagedPlugin& staged, std::chrono::milliseconds timeout,
                                   const FileDescriptor& cancel, bool& quarantined) const;
  /// Remembers which content is served of a plugin file, for a start after this one. A store that cannot be written
  /// takes that way back, nothing else.
  void remember_served(const std::filesystem::path& source, const std::string& sha256) const;
  /// Why the content must not be loaded again, for all hosts that share the store. Errors: kIo.
  [[nodiscard]] Result<void> quarantine(const std::string& sha256, const std::string& reason) const;

  [[nodiscard]] const Store& store() const noexcept { return store_; }
  [[nodiscard]] const Examiner& examiner() const noexcept { return examiner_; }

 private:
  Store store_;
  Examiner examiner_;
  Admit admit_;
};

/// Opens the store that the options name, and what inspects. Errors: those of Store::open; kUnavailable without a
/// tenon-worker, or without a home to keep the store in. [any-thread]
[[nodiscard]] Result<Candidates> open_candidates(const HotSwapOptions& options, const CatalogOptions& inspection);

/// The name that a plugin file stands for: its stem. [any-thread]
[[nodiscard]] std::string plugin_name_of(const std::filesystem::path& file);

/// One plugin that a runtime starts with.
struct InitialPlugin {
  std::filesystem::path source;
  /// Of the source, when it was read; absent: not known, so that it counts as changed.
  std::optional<PluginState> seen;
  /// The staged copy; null when the plugin cannot be used.
  ServedFileRef file;
  /// What is to be told of it: that it cannot be used, or that another content than its file's is. Empty: nothing.
  std::string note;
};

/// A catalog whose usable plugins are copies in a store.
struct StagedCatalog {
  Catalog catalog;
  /// By name, also those that cannot be used.
  std::map<std::string, InitialPlugin> plugins;
  /// Where plugins are looked for, in order.
  std::vector<std::filesystem::path> directories;
};

/// Stages what a catalog has found. Of a plugin whose content is in quarantine, what was served last is used; where
/// that is not there any more, and when it cannot be staged, it is listed with that problem; the others can be used.
/// `directories` empty: those of the catalog's files. Takes as long as to copy and hash what the store does not have.
/// [any-thread]
[[nodiscard]] StagedCatalog stage_catalog(const Candidates& candidates, const Catalog& catalog,
                                          std::vector<std::filesystem::path> directories);

}  // namespace tenon::internal

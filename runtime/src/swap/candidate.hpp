/// swap/candidate.hpp: turns a plugin file into a version that workers may load, or gives the reason why not.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/swap.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"
#include "plugin/examiner.hpp"
#include "plugin/store.hpp"
#include "swap/host_records.hpp"

namespace tenon::internal {

/// Stages and checks plugin files. Each step is a function of its own, so that the caller can
/// report progress. Immutable; [any-thread]
class Candidates {
 public:
  using Admit = std::function<Result<void>(const PluginInfo& candidate)>;

  /// `admit` as in HotSwapOptions; may be empty.
  Candidates(Store store, Examiner examiner, Admit admit, HostRecords host)
      : store_(std::move(store)), examiner_(std::move(examiner)), admit_(std::move(admit)), host_(std::move(host)) {}

  /// Copies the file into the store. A file that is being written is tried again until the
  /// deadline. Errors: those of Store::stage; kDeadline if the file keeps changing; kCancelled if
  /// `cancel` became readable.
  [[nodiscard]] Result<StagedPlugin> stage(const std::filesystem::path& source, MonotonicNs deadline_ns,
                                           const FileDescriptor& cancel) const;
  /// Why a content must not be loaded: it is in quarantine, or this host was rolled back from it.
  /// `file` is the file of its plugin in the plugin directories; `time_limit` is the time that it
  /// now has to load, by default the plugin's own limit. Returns nullopt if it may be loaded.
  [[nodiscard]] std::optional<Error> objection(
      const std::string& sha256, const std::filesystem::path& file,
      std::optional<std::chrono::milliseconds> time_limit = std::nullopt) const;
  /// The record of a content in quarantine if its reason still holds with this time limit; nullopt
  /// otherwise.
  [[nodiscard]] std::optional<QuarantineRecord> quarantined(
      const std::string& sha256, std::optional<std::chrono::milliseconds> time_limit = std::nullopt) const;
  /// Asks `admit` about a staged plugin, then inspects its copy. If it crashes or hangs, its
  /// content is put into quarantine and `quarantined` is set. If `cancel` ended the inspection,
  /// `problem` has the code kCancelled.
  [[nodiscard]] PluginInfo examine(const StagedPlugin& staged, std::chrono::milliseconds timeout,
                                   const FileDescriptor& cancel, bool& quarantined) const;
  /// Puts a content into quarantine for all hosts that share the store, with the reason. `exceeded`
  /// is the time limit that it exceeded, or zero if the reason is another one. Errors: kIo.
  [[nodiscard]] Result<void> quarantine(const PluginInfo& plugin, const std::string& reason,
                                        std::chrono::milliseconds exceeded = std::chrono::milliseconds::zero()) const;
  /// Releases a content that is in quarantine only because it once exceeded a time limit.
  void loaded_in_time(const std::string& sha256) const;

  [[nodiscard]] const Store& store() const noexcept { return store_; }
  [[nodiscard]] const Examiner& examiner() const noexcept { return examiner_; }
  [[nodiscard]] const HostRecords& host() const noexcept { return host_; }

 private:
  Store store_;
  Examiner examiner_;
  Admit admit_;
  HostRecords host_;
};

/// Opens the store that the options name, and finds the worker that inspects. Errors: those of
/// Store::open; kUnavailable if there is no tenon-worker, or no home directory for the store.
/// [any-thread]
[[nodiscard]] Result<Candidates> open_candidates(const HotSwapOptions& options, const CatalogOptions& inspection);

/// The plugin name of a plugin file: its stem. [any-thread]
[[nodiscard]] std::string plugin_name_of(const std::filesystem::path& file);

}  // namespace tenon::internal

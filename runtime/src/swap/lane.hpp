/// swap/lane.hpp: the versions of one plugin, one change after another.
///
///   waiting request -> preparing -> [trial] -> switched -> probation -> (an automatic roll-back, or nothing)
///
/// No function blocks: work that takes time runs in a Preparation, and `step` polls trial,
/// probation and drain. So one thread serves all lanes.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/swap.hpp>

#include "base/clock.hpp"
#include "swap/initial_catalog.hpp"
#include "swap/judge.hpp"
#include "swap/preparation.hpp"
#include "swap/request.hpp"
#include "swap/services.hpp"
#include "swap/shadow.hpp"

namespace tenon::internal {

/// The versions of one plugin. Used only by the coordinator's thread.
class Lane {
 public:
  /// `generation` is current, for a plugin with which the runtime started. Null if the plugin has
  /// no version yet.
  Lane(SwapServices& services, std::string name, const GenerationRef& generation, InitialPlugin initial);
  ~Lane();

  /// Queues a change. A request that is already queued ends as kCancelled. A roll-back during a
  /// trial ends the trial at once and does nothing else.
  void ask(SwapRequest request);
  /// Advances as far as possible now. If nothing is pending, this only reads a few numbers.
  void step(MonotonicNs now_ns);
  /// When `step` must be called again, even if nothing happens.
  [[nodiscard]] MonotonicNs next_time() const noexcept;
  /// Stops the lane: queued requests end with `reason`, and running work is cancelled. Does not
  /// wait; the destructor does.
  void stop(const Error& reason);

  /// The current version; null if there is none.
  [[nodiscard]] std::shared_ptr<const PluginInfo> current() const noexcept;
  /// Where it came from.
  [[nodiscard]] const std::filesystem::path& source() const noexcept { return source_; }

 private:
  struct Version;
  using VersionRef = std::shared_ptr<Version>;
  struct Active;
  struct Probation;

  /// Records a version that must not be loaded, for a plugin that therefore has no version.
  void note_kept_out(const InitialPlugin& initial);
  /// A version that this host served before it was restarted.
  [[nodiscard]] VersionRef earlier_version(const ServedVersion& version);
  void begin(SwapRequest request);
  void begin_rollback(SwapRequest request);
  void prepare(PreparationOrder order);
  void look_at_active(MonotonicNs now_ns);
  void on_prepared(PreparationResult result);
  /// Reports what `force` has overridden.
  void tell_overridden();
  void unchanged();
  [[nodiscard]] bool start_trial();
  /// Reports that the requested trial has tried no call, and why.
  void tell_untried(std::string reason);
  void look_at_trial(MonotonicNs now_ns);
  /// Rolls back while a version is on trial: that version does not become current.
  void end_trial(const SwapRequest& rollback);
  void look_at_probation(MonotonicNs now_ns);
  void look_at_drains();

  void make_current();
  /// Keeps a version that is no longer used until it has drained.
  void put_aside(const VersionRef& version);
  void begin_probation(const Version& before, const GenerationTally& start);
  void refuse(Error error);
  void end(Result<SwapReport> result);
  void quarantine(const Version& version, const std::string& reason);
  /// Records that this host must not load the version from which a person rolled back.
  void keep_away(const Version& version, const std::string& reason);
  /// Records the content of the plugin's own file if the current change has read it.
  void note_own_file();
  /// Records the current version for the next start, and reports if the plugin's file has other
  /// content.
  void remember();
  void explain();
  void let_go(Version& version);
  [[nodiscard]] bool is_draining(const VersionRef& version) const noexcept;
  void tell(SwapEvent::Kind kind, const PluginInfo* plugin, const GenerationRef& generation, std::string message);
  [[nodiscard]] std::string described(const PluginInfo& plugin) const;

  SwapServices& services_;
  const std::string name_;
  std::filesystem::path source_;
  /// The plugin's file in the plugin directories, and its content when it was last read; empty if
  /// it is not known.
  std::filesystem::path own_file_;
  std::string own_sha256_;
  /// The content of the file about which the last decision was made; see InitialPlugin.
  std::string decided_sha256_;
  /// Why that content was refused.
  std::optional<std::string> own_refusal_;
  VersionRef current_;
  /// Why the current version is current.
  std::string why_;
  bool forced_ = false;
  /// Earlier versions, latest last. Only the last one keeps its generation; the others may have
  /// left the store.
  std::vector<VersionRef> past_;
  std::vector<VersionRef> draining_;
  std::optional<SwapRequest> waiting_;
  std::unique_ptr<Active> active_;
  std::unique_ptr<Probation> probation_;
};

}  // namespace tenon::internal

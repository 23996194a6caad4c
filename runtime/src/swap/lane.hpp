/// swap/lane.hpp: the versions of one plugin, one change after another.
///
///   waiting request -> preparing -> [trial] -> switched -> probation -> (a roll-back by itself, or nothing)
///
/// Nothing here waits: what takes time runs in a Preparation, and trial, probation and drain are states that `step`
/// looks at again. So one thread serves all lanes.
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
#include "swap/services.hpp"
#include "swap/shadow.hpp"

namespace tenon::internal {

/// A change that somebody wants.
struct SwapRequest {
  enum class Kind : std::uint8_t { kSwap, kRollBack };
  Kind kind = Kind::kSwap;
  /// What is staged, and where it came from first. Of a roll-back the lane finds them.
  std::filesystem::path file = {};
  std::filesystem::path source = {};
  std::string expected_version = {};
  /// `file` was asked for by its path.
  bool named_file = false;
  /// A person asks, not the watch or the judge.
  bool by_person = false;
  SwapOptions options = {};
  /// Why: "the file has changed"; of a roll-back, what stands in the event.
  std::string reason = {};
  /// Called once, with the end.
  std::function<void(Result<SwapReport>)> done = {};
};

/// One plugin. The coordinator's thread alone.
class Lane {
 public:
  /// A plugin that the runtime started with: `generation` is current. Null: it has no version yet.
  Lane(SwapServices& services, std::string name, const GenerationRef& generation, InitialPlugin initial);
  ~Lane();

  /// Makes a change when its turn comes. The one that waits already ends as kCancelled. A roll-back ends a trial at
  /// once, and is done with that.
  void ask(SwapRequest request);
  /// Goes on as far as can be gone now. Where nothing waits this is a look at some numbers.
  void step(MonotonicNs now_ns);
  /// When `step` is to be called again, even if nothing happens.
  [[nodiscard]] MonotonicNs next_time() const noexcept;
  /// Ends everything: what is asked for gets `reason`, what runs is cancelled. Does not wait; the destructor does.
  void stop(const Error& reason);

  /// The current version; null when there is none.
  [[nodiscard]] std::shared_ptr<const PluginInfo> current() const noexcept;
  /// Where it came from.
  [[nodiscard]] const std::filesystem::path& source() const noexcept { return source_; }

 private:
  struct Version;
  using VersionRef = std::shared_ptr<Version>;
  struct Active;
  struct Probation;

  /// One that this host served before it was restarted.
  [[nodiscard]] VersionRef earlier_version(const ServedVersion& version);
  void begin(SwapRequest request);
  void begin_rollback(SwapRequest request);
  void prepare(PreparationOrder order);
  void look_at_active(MonotonicNs now_ns);
  void on_prepared(PreparationResult result);
  /// Says what `force` has overridden.
  void tell_overridden();
  void unchanged();
  [[nodiscard]] bool start_trial();
  /// Tells that the trial that was asked for has tried no call, and why.
  void tell_untried(std::string reason);
  void look_at_trial(MonotonicNs now_ns);
  /// A roll-back while a version is on trial: it does not become current.
  void end_trial(const SwapRequest& rollback);
  void look_at_probation(MonotonicNs now_ns);
  void look_at_drains();

  void make_current();
  /// Takes what goes out of use aside until it has drained.
  void put_aside(const VersionRef& version);
  void begin_probation(const Version& before, const GenerationTally& start);
  void refuse(Error error);
  void end(Result<SwapReport> result);
  void quarantine(const Version& version, const std::string& reason);
  /// Keeps a version that a person rolled back from out of this host.
  void keep_away(const Version& version, const std::string& reason);
  /// Notes what the plugin's own file holds, if the change under way has read it.
  void note_own_file();
  /// Has the next start begin with what is current, and says where that is not what the plugin's file holds.
  void remember();
  void explain();
  void let_go(Version& version);
  [[nodiscard]] bool is_draining(const VersionRef& version) const noexcept;
  void tell(SwapEvent::Kind kind, const PluginInfo* plugin, const GenerationRef& generation, std::string message);
  [[nodiscard]] std::string described(const PluginInfo& plugin) const;

  SwapServices& services_;
  const std::string name_;
  std::filesystem::path source_;
  /// The plugin's file in the plugin directories, and what it held when it was last read; empty: not known.
  std::filesystem::path own_file_;
  std::string own_sha256_;
  /// The content of it on which was last decided; see InitialPlugin.
  std::string decided_sha256_;
  /// Why that was refused.
  std::optional<std::string> own_refusal_;
  VersionRef current_;
  /// Why it is current.
  std::string why_;
  bool forced_ = false;
  /// The way back, the latest last. It alone keeps its generation; the others may have left the store.
  std::vector<VersionRef> past_;
  std::vector<VersionRef> draining_;
  std::optional<SwapRequest> waiting_;
  std::unique_ptr<Active> active_;
  std::unique_ptr<Probation> probation_;
};

}  // namespace tenon::internal

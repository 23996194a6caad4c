/// swap/lane_state.hpp: what a lane remembers of its versions and of the change that is under way. For lane*.cpp.
#pragma once

#include <chrono>
#include <memory>

#include "swap/lane.hpp"

namespace tenon::internal {

/// How often a trial and a probation are looked at; crashes are told at once.
inline constexpr std::chrono::milliseconds kLook{50};

/// One version that is, or was, current.
struct Lane::Version {
  GenerationRecords::Id record = 0;
  std::shared_ptr<const PluginInfo> plugin;
  /// Null when it has been let go.
  GenerationRef generation;
  std::filesystem::path source;
  /// Of a version that the runtime started with; others have theirs in the generation.
  ServedFileRef file;
};

/// The change that is under way.
struct Lane::Active {
  enum class Phase : std::uint8_t { kPreparing, kTrial };

  explicit Active(SwapRequest wanted) : request(std::move(wanted)) {}

  SwapRequest request;
  Phase phase = Phase::kPreparing;
  /// Of a roll-back: what it goes back to.
  VersionRef target;
  std::unique_ptr<Preparation> preparation;
  PreparationResult prepared;
  SwapReport report;

  // Of a trial.
  MonotonicNs trial_start_ns = 0;
  GenerationTally old_start;
  GenerationTally new_start;
  std::shared_ptr<ShadowComparison> shadow;
};

/// What became current a short time ago.
struct Lane::Probation {
  SwapOptions options;
  MonotonicNs start_ns = 0;
  GenerationTally start;
  /// The old version's, of its whole life before the switch.
  Conduct before;
};

}  // namespace tenon::internal

/// swap/lane_state.hpp: what a lane remembers of its versions and of the change that is under way.
/// For lane*.cpp.
#pragma once

#include <chrono>
#include <memory>

#include "swap/lane.hpp"

namespace tenon::internal {

/// How often a trial or a probation is judged; crashes are reported at once.
inline constexpr std::chrono::milliseconds kLook{50};

/// One version that is, or was, current.
struct Lane::Version {
  GenerationRecords::Id record = 0;
  std::shared_ptr<const PluginInfo> plugin;
  /// Null once it has been released.
  GenerationRef generation;
  std::filesystem::path source;
  /// For a version with which the runtime started; others have theirs in the generation.
  ServedFileRef file;
};

/// The change that is being made.
struct Lane::Active {
  enum class Phase : std::uint8_t { kPreparing, kTrial };

  explicit Active(SwapRequest wanted) : request(std::move(wanted)) {}

  SwapRequest request;
  Phase phase = Phase::kPreparing;
  /// For a roll-back: the version to which it returns.
  VersionRef target;
  std::unique_ptr<Preparation> preparation;
  PreparationResult prepared;
  SwapReport report;

  // For a trial.
  MonotonicNs trial_start_ns = 0;
  GenerationTally old_start;
  GenerationTally new_start;
  std::shared_ptr<ShadowComparison> shadow;
};

/// The version that became current recently.
struct Lane::Probation {
  SwapOptions options;
  MonotonicNs start_ns = 0;
  GenerationTally start;
  /// The old version's tally, of its whole life before the switch.
  Conduct before;
};

}  // namespace tenon::internal

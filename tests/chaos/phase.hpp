/// One phase: a runtime, a load, attacks on it, and the judgement.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "judge.hpp"
#include "load.hpp"
#include "mix.hpp"

namespace tenon::chaos {

struct PhaseOptions {
  Mix mix;
  std::uint64_t calls = 0;
  std::uint64_t seed = 1;
  /// Workers are threads of this process.
  bool in_process = false;
  std::uint32_t forms = kAllForms;
  /// If no call ends for this long, the phase hangs.
  std::chrono::seconds patience{60};
  /// A separate, empty directory for the phase.
  std::filesystem::path directory;
  /// A separate small file system; empty if there is none.
  std::filesystem::path disk;
  /// The directory for temporary files of this process.
  std::filesystem::path temporary;
};

struct PhaseReport {
  Verdict verdict;
  std::uint64_t attacks = 0;
  std::uint64_t worker_deaths = 0;
  std::uint64_t log_lines = 0;
  unsigned workers = 0;
  double seconds = 0;
  double shutdown_seconds = 0;
};

/// Runs a phase. If there is no progress, it calls `on_hang` with the findings; `on_hang` must not
/// return.
[[nodiscard]] PhaseReport run_phase(const PhaseOptions& options, void (*on_hang)(const PhaseReport&));

}  // namespace tenon::chaos

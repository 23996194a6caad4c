/// One phase: a runtime, a load, what happens to it, and the judgement.
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
  /// Nothing has ended for this long: it hangs.
  std::chrono::seconds patience{60};
  /// The phase's own, empty directory.
  std::filesystem::path directory;
  /// A small file system of its own; empty: there is none.
  std::filesystem::path disk;
  /// Where temporary files of this process go.
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

/// Runs a phase. When nothing moves any more it calls `on_hang` with what is known, which must not return.
[[nodiscard]] PhaseReport run_phase(const PhaseOptions& options, void (*on_hang)(const PhaseReport&));

}  // namespace tenon::chaos

/// The options of the program.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "load.hpp"
#include "mix.hpp"

namespace tenon::chaos {

struct Options {
  std::uint64_t calls = 50'000;
  std::uint64_t seed = 1;
  std::filesystem::path json;
  /// Runs only these phases, in order; empty for all.
  std::vector<Mix> mixes;
  bool in_process = false;
  std::uint32_t forms = kAllForms;
  /// If no call ends for this long, the run hangs.
  std::chrono::seconds patience{60};
};

/// Reads the command line; exits the program if it is not valid.
[[nodiscard]] Options parse_options(int argc, char** argv);

}  // namespace tenon::chaos

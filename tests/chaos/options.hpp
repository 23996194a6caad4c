/// What the program was asked for.
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
  /// Only these phases, in turn; empty: all.
  std::vector<Mix> mixes;
  bool in_process = false;
  std::uint32_t forms = kAllForms;
  /// Nothing has ended for this long: it hangs.
  std::chrono::seconds patience{60};
};

/// Reads the command line; ends the program when it makes no sense.
[[nodiscard]] Options parse_options(int argc, char** argv);

}  // namespace tenon::chaos

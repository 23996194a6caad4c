/// Finds the completions of a command line, for shells.
#pragma once

#include <string>
#include <vector>

#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// What else the shell should offer.
enum class MoreCandidates { kNone, kFiles, kDirectories };

struct Candidate {
  std::string word;
  std::string meaning;
};

struct Candidates {
  std::vector<Candidate> words;
  MoreCandidates more = MoreCandidates::kNone;
};

/// Returns the candidates for the last of `words`, which may be empty. `words` follow the program's
/// name. Plugins and tasks are those that the command would find: those of a daemon for commands
/// that talk to one, if it replies. [any-thread]
[[nodiscard]] Candidates complete(const World& world, const std::vector<std::string>& words);

}  // namespace tenon::cli

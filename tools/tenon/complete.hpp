/// What may stand at the end of a command line, for the completions of shells.
#pragma once

#include <string>
#include <vector>

#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// What else may stand where the candidates do.
enum class MoreCandidates { kNone, kFiles, kDirectories };

struct Candidate {
  std::string word;
  std::string meaning;
};

struct Candidates {
  std::vector<Candidate> words;
  MoreCandidates more = MoreCandidates::kNone;
};

/// Candidates for the last of `words`, which follow the program's name; the last one may be empty. Plugins and tasks
/// are those that the command would find: a daemon's for commands that talk to one, when it answers. [any-thread]
[[nodiscard]] Candidates complete(const World& world, const std::vector<std::string>& words);

}  // namespace tenon::cli

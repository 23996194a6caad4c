/// What a task does when it takes a way (../ways.hpp).
#pragma once

#include <cstdint>

#include <tenon/plugin.hpp>

#include "../ledger_format.hpp"
#include "../ways.hpp"

namespace tenon::chaos {

/// Who misbehaves.
struct Culprit {
  const Call& call;
  const LedgerMap& ledger;
  std::uint64_t worker_id = 0;
  std::uint64_t random = 0;  ///< Decides the details.
};

/// Takes a way. Returns when the task goes on; throws where the way is an exception.
void misbehave(Way way, const Culprit& culprit);

// -- the ways by kind; each returns false for a way of another kind ------------------------------------------

/// Ends the process, or its thread.
bool die(Way way, const Culprit& culprit);
/// Makes processes.
bool breed(Way way, const Culprit& culprit);
/// Descriptors of the worker: closed, replaced, misused.
bool meddle_with_descriptors(Way way, const Culprit& culprit);
/// Memory that the worker shares with the host.
bool scribble(Way way, const Culprit& culprit);
/// More output than anybody reads.
bool flood(Way way, const Culprit& culprit);

}  // namespace tenon::chaos

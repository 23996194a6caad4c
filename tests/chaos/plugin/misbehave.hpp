/// The ways in which a task misbehaves (../ways.hpp).
#pragma once

#include <cstdint>

#include <tenon/plugin.hpp>

#include "../ledger_format.hpp"
#include "../ways.hpp"

namespace tenon::chaos {

/// The call that misbehaves.
struct Culprit {
  const Call& call;
  const LedgerMap& ledger;
  std::uint64_t worker_id = 0;
  std::uint64_t random = 0;  ///< Decides the details.
};

/// Misbehaves. Returns if the task continues; throws if the way is an exception.
void misbehave(Way way, const Culprit& culprit);

// -- the ways by kind; each returns false for a way of another kind ------------------------------

/// Kills the process, or its thread.
bool die(Way way, const Culprit& culprit);
/// Creates processes.
bool breed(Way way, const Culprit& culprit);
/// Closes, replaces or misuses descriptors of the worker.
bool meddle_with_descriptors(Way way, const Culprit& culprit);
/// Overwrites memory that the worker shares with the host.
bool scribble(Way way, const Culprit& culprit);
/// Writes more output than can be read.
bool flood(Way way, const Culprit& culprit);

}  // namespace tenon::chaos

/// Compares the ledger with the outcomes that tenon reported.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "book.hpp"

namespace tenon::chaos {

/// The counters of errors must be 0; the others are information.
struct Verdict {
  std::uint64_t calls = 0;
  std::array<std::uint64_t, kKindNames.size()> by_kind{};
  std::array<std::uint64_t, kOutcomeNames.size()> by_outcome{};
  std::uint64_t ways_taken = 0;  ///< Attempts that misbehaved.
  std::uint64_t excused = 0;     ///< Calls that failed because their worker was damaged or
                                 ///< attacked.

  std::uint64_t lost = 0;     ///< Calls that never ended, or succeeded without having run.
  std::uint64_t doubled = 0;  ///< Calls that ended twice, or ran twice although the task is not
                              ///< idempotent.
  std::uint64_t wrong = 0;    ///< Calls with an impossible result or error.
  std::uint64_t blamed = 0;   ///< Calls that failed because of another call.
  std::uint64_t leaked = 0;   ///< Processes, descriptors, threads, mappings and files that remain.
  std::uint64_t hanging = 0;  ///< Calls under way when no call had ended for a minute.

  /// Descriptions of the first errors.
  std::vector<std::string> trouble;

  [[nodiscard]] std::uint64_t faults() const { return lost + doubled + wrong + blamed + leaked + hanging; }
  Verdict& operator+=(const Verdict& other);
  void note(std::string text);
};

/// Judges all calls of a phase after its workers are gone.
[[nodiscard]] Verdict judge(Book& book);
/// Describes a call and its outcome.
[[nodiscard]] std::string describe(Book& book, std::uint64_t sequence);

}  // namespace tenon::chaos

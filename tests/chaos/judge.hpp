/// Reconciles what the ledger says with what tenon said.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "book.hpp"

namespace tenon::chaos {

/// What is wrong must be 0; the rest is for those who read.
struct Verdict {
  std::uint64_t calls = 0;
  std::array<std::uint64_t, kKindNames.size()> by_kind{};
  std::array<std::uint64_t, kOutcomeNames.size()> by_outcome{};
  std::uint64_t ways_taken = 0;  ///< Attempts that misbehaved.
  std::uint64_t excused = 0;     ///< Calls that a worker which was damaged or attacked took along.

  std::uint64_t lost = 0;     ///< Never ended, or well without having run.
  std::uint64_t doubled = 0;  ///< Ended twice, or ran twice though the task is not idempotent.
  std::uint64_t wrong = 0;    ///< A result or an error that cannot be.
  std::uint64_t blamed = 0;   ///< Failed for another call's fault.
  std::uint64_t leaked = 0;   ///< Processes, descriptors, threads, mappings and files that are left.
  std::uint64_t hanging = 0;  ///< Under way when nothing had ended for a minute.

  /// The first of what is wrong, in words.
  std::vector<std::string> trouble;

  [[nodiscard]] std::uint64_t faults() const { return lost + doubled + wrong + blamed + leaked + hanging; }
  Verdict& operator+=(const Verdict& other);
  void note(std::string text);
};

/// Judges all calls of a phase whose workers are gone.
[[nodiscard]] Verdict judge(Book& book);
/// A call in words: what it was, and what became of it.
[[nodiscard]] std::string describe(Book& book, std::uint64_t sequence);

}  // namespace tenon::chaos

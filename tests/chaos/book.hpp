/// The program's side of the ledger: the requested calls and the outcomes that tenon reported.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tenon/error.hpp>

#include "ledger_format.hpp"
#include "ways.hpp"

namespace tenon::chaos {

/// The form of a call.
enum class Kind : std::uint8_t { kUnused, kCall, kSubmit, kMap, kSession, kPipeline };
inline constexpr std::array<std::string_view, 6> kKindNames = {"unused", "call",    "submit",
                                                               "map",    "session", "pipeline"};

/// The outcome of a call.
enum class Outcome : std::uint8_t { kOpen, kOk, kFailed, kCancelled, kDeadline, kCrashed, kRejected, kOther };
inline constexpr std::array<std::string_view, 8> kOutcomeNames = {"open",     "ok",      "failed",   "cancelled",
                                                                  "deadline", "crashed", "rejected", "other"};
[[nodiscard]] Outcome outcome_of(const Error& error);

/// One call.
struct Entry {
  Kind kind = Kind::kUnused;
  Way way = Way::kNone;
  bool once = false;       ///< The task is not idempotent.
  bool cancelled = false;  ///< The program has cancelled it.
  bool wrong = false;      ///< Its result was wrong.
  std::uint32_t deaths = 1;
  Outcome outcome = Outcome::kOpen;
  std::atomic<std::uint8_t> ends = 0;
};

/// All calls of one phase, by sequence number from 1. [any-thread]; only one thread starts each
/// entry.
class Book {
 public:
  /// Creates the ledger's file.
  Book(const std::filesystem::path& file, std::uint64_t calls, std::uint64_t workers);

  /// Reserves `count` sequence numbers and returns the first one.
  [[nodiscard]] std::uint64_t take(std::uint64_t count);
  [[nodiscard]] Entry& entry(std::uint64_t sequence) { return entries_[sequence]; }
  [[nodiscard]] std::uint64_t end() const { return next_.load(); }
  [[nodiscard]] const LedgerMap& ledger() const { return *map_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  /// The call has ended: with a result, which was right or wrong, or with an error.
  void end_well(std::uint64_t sequence, bool right);
  void end_badly(std::uint64_t sequence, const Error& error);
  /// Returns the message of a call's error.
  [[nodiscard]] std::string message(std::uint64_t sequence) const;

  /// Records an error that belongs to no single call. With `excusable`, it only counts if no worker
  /// was scribbled over.
  void find(std::string what, bool excusable);
  struct Finding {
    std::string what;
    bool excusable = false;
  };
  [[nodiscard]] std::vector<Finding> findings() const;

  /// Increases whenever a call ends; see Watchdog.
  std::atomic<std::uint64_t> progress = 0;

 private:
  std::filesystem::path file_;
  std::unique_ptr<LedgerMap> map_;
  std::vector<Entry> entries_;
  std::atomic<std::uint64_t> next_ = 1;
  mutable std::mutex mutex_;  // Guards the members below.
  std::unordered_map<std::uint64_t, std::string> messages_;
  std::vector<Finding> findings_;
};

}  // namespace tenon::chaos

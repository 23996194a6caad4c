#include "judge.hpp"

#include <algorithm>
#include <utility>

namespace tenon::chaos {
namespace {

constexpr std::size_t kTrouble = 12;
/// Attempts of an idempotent task; CallOptions::max_attempts.
constexpr std::uint32_t kAttempts = 3;
/// The largest number of calls that a worker may hold. If its counters are destroyed, all of them
/// may end as crashed.
constexpr std::uint64_t kAtHand = 4096;

/// The ledger's record of one call.
struct Run {
  std::uint32_t begun = 0;
  std::uint32_t unknown = 0;  ///< Starts whose worker was killed before it had written its number.
  std::uint32_t marked = 0;   ///< Starts in workers that were damaged or attacked.
  bool last_damaged = false;  ///< The last start was in a damaged or attacked worker.
  bool last_scribbled = false;

  static Run read(Book& book, std::uint64_t sequence) {
    const CallRecord& record = *book.ledger().call(sequence);
    Run run;
    run.begun = record.begun.load(std::memory_order_relaxed);
    const std::uint32_t kept = std::min<std::uint32_t>(run.begun, CallRecord::kKeptWorkers);
    for (std::uint32_t i = 0; i < kept; ++i) {
      const std::uint32_t worker = record.workers[i].load(std::memory_order_relaxed);
      const std::uint32_t marks = book.ledger().marks(worker);
      run.unknown += worker == 0 ? 1 : 0;
      run.marked += marks != 0 ? 1 : 0;
      run.last_damaged = (marks & kMarkDamaged) != 0;
      run.last_scribbled = (marks & kMarkScribbled) != 0;
    }
    return run;
  }
};

/// The judgement of one phase.
class Trial {
 public:
  explicit Trial(Book& book) : book_(book) {
    const std::uint64_t workers = book.ledger().header().workers;
    for (std::uint64_t id = 0; id < workers; ++id) {
      const std::uint32_t marks = book.ledger().marks(id);
      scribbled_ = scribbled_ || (marks & kMarkScribbled) != 0;
      // A worker that dies charges at most one call, which may not have reached the ledger.
      unseen_ += (marks & kMarkScribbled) != 0 ? kAtHand : marks != 0 ? 1 : 0;
    }
  }

  Verdict judge() {
    for (std::uint64_t sequence = 1; sequence < book_.end(); ++sequence) {
      if (book_.entry(sequence).kind != Kind::kUnused) {
        judge(sequence);
      }
    }
    for (Book::Finding& finding : book_.findings()) {
      if (finding.excusable && scribbled_) {
        ++verdict_.excused;
      } else {
        fault(std::move(finding.what));
      }
    }
    const LedgerHeader& header = book_.ledger().header();
    if (header.strange_calls != 0) {
      scribbled_ ? excuse() : fault("a task read the number of a call that there is not");
    }
    if (header.workers_beyond != 0) {
      fault("the ledger was too small for all workers");
    }
    return std::move(verdict_);
  }

 private:
  void judge(std::uint64_t sequence) {
    const Entry& entry = book_.entry(sequence);
    const Run run = Run::read(book_, sequence);
    ++verdict_.calls;
    ++verdict_.by_kind[static_cast<std::size_t>(entry.kind)];
    ++verdict_.by_outcome[static_cast<std::size_t>(entry.outcome)];
    if (entry.way != Way::kNone) {
      verdict_.ways_taken += std::min(run.begun, entry.deaths);
    }
    if (entry.ends == 0) {
      return fault(verdict_.lost, 1, sequence, "never ended");
    }
    if (entry.ends > 1) {
      fault(verdict_.doubled, entry.ends - 1u, sequence, "ended more than once");
    }
    if (entry.once && run.begun > 1) {
      fault(verdict_.doubled, run.begun - 1, sequence, "ran more than once");
    }
    if (entry.outcome == Outcome::kOk) {
      judge_success(sequence, entry, run);
    } else {
      judge_failure(sequence, entry, run);
    }
  }

  void judge_success(std::uint64_t sequence, const Entry& entry, const Run& run) {
    if (run.begun == 0) {
      return scribbled_ ? excuse() : fault(verdict_.lost, 1, sequence, "ended well and never ran");
    }
    if (entry.wrong) {
      return run.last_scribbled ? excuse() : fault(verdict_.wrong, 1, sequence, "gave a wrong result");
    }
    const Expect expect = info(entry.way).expect;
    const bool dies = expect == Expect::kDies || expect == Expect::kDiesOrDeadline;
    const bool may_be_tried_again = !entry.once && entry.deaths < kAttempts;
    // A call that would misbehave in several attempts may succeed in the next one if it was killed
    // from outside.
    const bool rescued = !entry.once && run.marked != 0 && run.begun > entry.deaths;
    if (expect != Expect::kOk && expect != Expect::kAny && !(dies && may_be_tried_again) && !rescued) {
      fault(verdict_.wrong, 1, sequence, "ended well, which it cannot");
    }
  }

  void judge_failure(std::uint64_t sequence, const Entry& entry, const Run& run) {
    const Expect expect = info(entry.way).expect;
    const bool ran = run.begun != 0;
    switch (entry.outcome) {
      case Outcome::kFailed:
        if (ran && (expect == Expect::kFails || expect == Expect::kAny)) {
          return;
        }
        break;
      case Outcome::kDeadline:
        if (expect == Expect::kDeadline || expect == Expect::kDiesOrDeadline) {
          if (ran) {
            return;
          }
          if (unseen_ > 0) {  // A stopped worker had not reached the task.
            --unseen_;
            return excuse();
          }
        }
        break;
      case Outcome::kCancelled:
        if (entry.cancelled) {
          return;
        }
        break;
      case Outcome::kCrashed:
        return judge_crash(sequence, entry, run);
      default:
        break;
    }
    // A worker without its descriptors may fail calls with other messages.
    if (run.last_damaged && entry.outcome != Outcome::kRejected) {
      return excuse();
    }
    const bool innocent = expect == Expect::kOk;
    fault(innocent ? verdict_.blamed : verdict_.wrong, 1, sequence, "failed, and nothing explains it");
  }

  /// As many deaths as attempts must be explained by the call itself or by its workers.
  void judge_crash(std::uint64_t sequence, const Entry& entry, const Run& run) {
    const Expect expect = info(entry.way).expect;
    const bool dies = expect == Expect::kDies || expect == Expect::kDiesOrDeadline;
    const std::uint32_t attempts = entry.once ? 1 : kAttempts;
    const std::uint32_t own = dies ? std::min(run.begun, entry.deaths) : 0;
    // An attempt of its own in a marked worker counts once.
    const std::uint32_t explained = std::min(run.begun, own + run.marked);
    if (explained >= attempts) {
      verdict_.excused += own >= attempts ? 0 : 1;
      return;
    }
    const std::uint32_t missing = attempts - explained;
    if (run.begun < attempts + run.unknown && unseen_ >= missing) {
      unseen_ -= missing;
      return excuse();
    }
    if (expect == Expect::kOk) {
      fault(verdict_.blamed, 1, sequence, "was charged with a death that is not its own");
    } else {
      fault(verdict_.wrong, 1, sequence, "ended as crashed, and its deaths do not explain it");
    }
  }

  void excuse() { ++verdict_.excused; }
  void fault(std::string what) {
    ++verdict_.wrong;
    verdict_.note(std::move(what));
  }
  void fault(std::uint64_t& count, std::uint64_t by, std::uint64_t sequence, const char* what) {
    count += by;
    verdict_.note(std::string(what) + ": " + describe(book_, sequence));
  }

  Book& book_;
  Verdict verdict_;
  bool scribbled_ = false;
  std::uint64_t unseen_ = 0;  // Attempts that may have been charged without reaching the ledger.
};

}  // namespace

void Verdict::note(std::string text) {
  if (trouble.size() < kTrouble) {
    trouble.push_back(std::move(text));
  }
}

Verdict& Verdict::operator+=(const Verdict& other) {
  calls += other.calls;
  for (std::size_t i = 0; i < by_kind.size(); ++i) {
    by_kind[i] += other.by_kind[i];
  }
  for (std::size_t i = 0; i < by_outcome.size(); ++i) {
    by_outcome[i] += other.by_outcome[i];
  }
  ways_taken += other.ways_taken;
  excused += other.excused;
  lost += other.lost;
  doubled += other.doubled;
  wrong += other.wrong;
  blamed += other.blamed;
  leaked += other.leaked;
  hanging += other.hanging;
  return *this;
}

std::string describe(Book& book, std::uint64_t sequence) {
  const Entry& entry = book.entry(sequence);
  const CallRecord& record = *book.ledger().call(sequence);
  const std::uint32_t begun = record.begun.load(std::memory_order_relaxed);
  std::string text = std::string(kKindNames[static_cast<std::size_t>(entry.kind)]) + " " + std::to_string(sequence) +
                     (entry.once ? ", once" : ", idempotent") + ", way " + std::string(info(entry.way).name);
  if (entry.way != Way::kNone) {
    text += " in " + std::to_string(entry.deaths) + " attempts";
  }
  text += entry.cancelled ? ", cancelled by the program" : "";
  text += ": began " + std::to_string(begun) + " times";
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(begun, CallRecord::kKeptWorkers); ++i) {
    const std::uint32_t worker = record.workers[i].load(std::memory_order_relaxed);
    const std::uint32_t marks = book.ledger().marks(worker);
    text += (i == 0 ? " in worker " : ", ") + std::to_string(worker);
    if ((marks & kMarkDamaged) != 0) {
      const std::uint32_t ways = book.ledger().ways(worker);
      text += " (damaged by " + std::string(info(Way(ways & 0xffffu)).name);
      text += (ways >> 16u) == 0 ? ")" : " after " + std::string(info(Way(ways >> 16u)).name) + ")";
    }
    text += (marks & kMarkScribbled) != 0 ? " (scribbled)" : "";
    text += (marks & kMarkAttacked) != 0 ? " (attacked)" : "";
  }
  text += ", ended as " + std::string(kOutcomeNames[static_cast<std::size_t>(entry.outcome)]);
  const std::string message = book.message(sequence);
  return message.empty() ? text : text + ": " + message.substr(0, message.find('\n'));
}

Verdict judge(Book& book) {
  return Trial(book).judge();
}

}  // namespace tenon::chaos

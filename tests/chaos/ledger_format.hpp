/// The ledger is a file that the program and every worker map. A worker counts each start of a call
/// there before the task does anything else. So it is known what ran, whatever happens to the
/// worker and whatever tenon reports.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "ways.hpp"

namespace tenon::chaos {

// All numbers in the file are independent, and it is read after all workers are gone: relaxed
// accesses suffice.

struct LedgerHeader {
  std::uint64_t calls = 0;    ///< Records of calls after the header.
  std::uint64_t workers = 0;  ///< Records of workers after those.
  /// Sequence numbers that no call has: a task read them from overwritten memory.
  std::atomic<std::uint64_t> strange_calls;
  std::atomic<std::uint64_t> workers_beyond;  ///< Number of marks by workers that have no record.
};

struct CallRecord {
  static constexpr std::size_t kKeptWorkers = 6;
  std::atomic<std::uint32_t> begun;
  std::atomic<std::uint32_t> ended;
  /// The workers of the first six starts.
  std::array<std::atomic<std::uint32_t>, kKeptWorkers> workers;
};
static_assert(sizeof(CallRecord) == 32);

/// What happened to a worker, by its own calls or from outside. Each mark is set before the act.
enum WorkerMark : std::uint32_t {
  kMarkDamaged = 1,    ///< A call took resources from the worker, or a thread of the plugin will
                       ///< kill it later.
  kMarkScribbled = 2,  ///< A call overwrote memory that the worker shares with the host.
  kMarkAttacked = 4,   ///< It received a signal from outside.
};

struct WorkerRecord {
  std::atomic<std::uint32_t> marks;
  std::atomic<std::uint32_t> ways;  ///< The last two ways that damaged it, the later one in the low
                                    ///< 16 bits.
};

/// The ledger, mapped for reading and writing. [any-thread]
class LedgerMap {
 public:
  explicit LedgerMap(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat state {};
    if (file < 0 || ::fstat(file, &state) != 0) {
      throw std::runtime_error("cannot open the ledger " + path);
    }
    size_bytes_ = static_cast<std::size_t>(state.st_size);
    void* memory = ::mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) {
      throw std::runtime_error("cannot map the ledger " + path);
    }
    memory_ = static_cast<std::byte*>(memory);
  }
  LedgerMap(const LedgerMap&) = delete;
  LedgerMap& operator=(const LedgerMap&) = delete;
  ~LedgerMap() { ::munmap(memory_, size_bytes_); }

  [[nodiscard]] static std::size_t size_for(std::uint64_t calls, std::uint64_t workers) {
    return sizeof(LedgerHeader) + calls * sizeof(CallRecord) + workers * sizeof(WorkerRecord);
  }

  [[nodiscard]] LedgerHeader& header() const { return *reinterpret_cast<LedgerHeader*>(memory_); }
  /// Returns null, and counts it, if the sequence number has no record.
  [[nodiscard]] CallRecord* call(std::uint64_t sequence) const {
    if (sequence >= header().calls) {
      header().strange_calls.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
    return reinterpret_cast<CallRecord*>(memory_ + sizeof(LedgerHeader)) + sequence;
  }
  [[nodiscard]] WorkerRecord* worker(std::uint64_t id) const {
    if (id >= header().workers) {
      header().workers_beyond.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
    return reinterpret_cast<WorkerRecord*>(memory_ + sizeof(LedgerHeader) + header().calls * sizeof(CallRecord)) + id;
  }

  /// Counts a start. Returns how often the call had started before.
  std::uint32_t begin(std::uint64_t sequence, std::uint64_t worker_id) const {
    CallRecord* record = call(sequence);
    if (record == nullptr) {
      return 0;
    }
    const std::uint32_t before = record->begun.fetch_add(1, std::memory_order_relaxed);
    if (before < CallRecord::kKeptWorkers) {
      record->workers[before].store(static_cast<std::uint32_t>(worker_id), std::memory_order_relaxed);
    }
    return before;
  }
  void end(std::uint64_t sequence) const {
    if (CallRecord* record = call(sequence)) {
      record->ended.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void mark(std::uint64_t worker_id, std::uint32_t marks) const {
    if (WorkerRecord* record = worker(worker_id)) {
      record->marks.fetch_or(marks, std::memory_order_relaxed);
    }
  }
  /// Does the same for an act of one of the worker's own calls.
  void mark(std::uint64_t worker_id, std::uint32_t marks, Way way) const {
    if (WorkerRecord* record = worker(worker_id)) {
      record->ways.store((record->ways.load(std::memory_order_relaxed) << 16) | static_cast<std::uint32_t>(way),
                         std::memory_order_relaxed);
    }
    mark(worker_id, marks);
  }
  [[nodiscard]] std::uint32_t ways(std::uint64_t worker_id) const {
    const WorkerRecord* record = worker(worker_id);
    return record == nullptr ? 0 : record->ways.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t marks(std::uint64_t worker_id) const {
    const WorkerRecord* record = worker(worker_id);
    return record == nullptr ? 0 : record->marks.load(std::memory_order_relaxed);
  }

 private:
  std::byte* memory_ = nullptr;
  std::size_t size_bytes_ = 0;
};

}  // namespace tenon::chaos

/// host/effects.hpp: what the scheduler leaves to be done once its lock is released.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "host/bulk.hpp"
#include "host/call.hpp"
#include "host/file_restorer.hpp"
#include "host/log_line.hpp"
#include "host/storage.hpp"
#include "host/worker_link.hpp"

namespace tenon::internal {

/// The work to do once the lock is released.
struct Effects {
  struct BulkEnd {
    Shared<const BulkWork> work;
    Shared<BulkAnswers> answers;  ///< Becomes `ends.answers` when they are announced; null if there are none.
    BulkEnds ends;
  };
  std::vector<CallRef> finished;  ///< Calls that have ended; their ends are announced after the lock is released.
  std::vector<BulkEnd> bulk_ends;
  /// Arguments to free outside the lock, at once, even if the futures are kept for long.
  std::vector<StoredBytes> released;
  std::vector<LogLine> log;
  /// Links of dead workers; destroyed outside the lock.
  std::vector<std::shared_ptr<WorkerLink>> buried;
  std::vector<FileRestorer::Request> files;  ///< Requests of workers that wait for files.
  bool changed = false;  ///< There is room, a worker is ready, or the last one is gone: wakes waiting callers.
  bool again = false;    ///< The reactor must dispatch waiting calls once more.
  bool rearm = false;    ///< The reactor's next deadline has become earlier, or it has a worker to start.
  bool trouble = false;  ///< A call crashed, or a generation is gone: the swap thread must check the counts.

  [[nodiscard]] bool empty() const noexcept {
    return finished.empty() && bulk_ends.empty() && released.empty() && log.empty() && buried.empty() &&
           files.empty() && !changed && !again && !rearm && !trouble;
  }
};

/// The effects that the parts of the scheduler gather under its lock. Not thread-safe: guarded by that lock.
class EffectsBox {
 public:
  [[nodiscard]] Effects& operator*() noexcept { return *effects_; }
  [[nodiscard]] Effects* operator->() noexcept { return effects_.get(); }
  /// Returns the gathered effects and continues with `empty`.
  [[nodiscard]] std::unique_ptr<Effects> exchange(std::unique_ptr<Effects> empty) noexcept {
    return std::exchange(effects_, std::move(empty));
  }

 private:
  std::unique_ptr<Effects> effects_ = std::make_unique<Effects>();
};

/// Adds a warning about a worker to the log.
inline void warn(Effects& effects, const WorkerLink& link, std::string message) {
  effects.log.push_back({LogLevel::kWarning, std::move(message), {}, {}, link.id, 0});
}

}  // namespace tenon::internal

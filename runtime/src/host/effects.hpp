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

/// What is to be done once the lock is released.
struct Effects {
  struct BulkEnd {
    Shared<const BulkWork> work;
    Shared<BulkAnswers> answers;  ///< What becomes `ends.answers` when they are announced; null when there are none.
    BulkEnds ends;
  };
  std::vector<CallRef> finished;  ///< Their ends are to be announced.
  std::vector<BulkEnd> bulk_ends;
  /// Given back at once, however long the futures are kept; not under the lock.
  std::vector<StoredBytes> released;
  std::vector<LogLine> log;
  /// Links that ended: destroyed outside the lock.
  std::vector<std::shared_ptr<WorkerLink>> buried;
  std::vector<FileRestorer::Request> files;  ///< Workers wait for them.
  bool changed = false;  ///< A caller may wait for what has changed: room, a worker ready, the last one gone.
  bool again = false;    ///< The reactor is to give waiting calls to workers once more.
  bool rearm = false;    ///< The reactor's next deadline has come nearer, or there is something for it to start.
  bool trouble = false;  ///< A call crashed, or a generation is gone: the thread that swaps checks the tallies.

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
  /// Hands out what is to be done, for an empty one in its place.
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

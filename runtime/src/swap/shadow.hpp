/// swap/shadow.hpp: compares the results of two versions for the same calls.
#pragma once

#include <functional>
#include <memory>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/reply.hpp>

#include "base/guarded.hpp"
#include "swap/judge.hpp"

namespace tenon::internal {

/// Counts differences. Owned by a shared_ptr, because calls of a trial may end after the trial.
/// [any-thread]
class ShadowComparison {
 public:
  /// `trouble` is called for each difference.
  ShadowComparison(std::shared_ptr<const PluginInfo> old_version, std::shared_ptr<const PluginInfo> new_version,
                   std::function<void()> trouble)
      : old_version_(std::move(old_version)), new_version_(std::move(new_version)), trouble_(std::move(trouble)) {}

  /// Compares both outcomes of one call. Results are compared by value, errors by their code. If
  /// the old version's outcome says nothing about the task (cancelled, crashed, late), nothing is
  /// compared. A crash of the new version always counts.
  void compare(const TaskInfo& task, const Result<Reply>& old_end, const Result<Reply>& new_end);
  [[nodiscard]] ShadowCounts counts();

 private:
  const std::shared_ptr<const PluginInfo> old_version_;
  const std::shared_ptr<const PluginInfo> new_version_;
  const std::function<void()> trouble_;
  Guarded<ShadowCounts> counts_;
};

}  // namespace tenon::internal

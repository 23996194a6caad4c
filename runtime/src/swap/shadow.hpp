/// swap/shadow.hpp: compares what two versions answer to the same calls.
#pragma once

#include <functional>
#include <memory>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/reply.hpp>

#include "base/guarded.hpp"
#include "swap/judge.hpp"

namespace tenon::internal {

/// Counts differences. Kept by a shared_ptr, as calls of a trial may end after it. [any-thread]
class ShadowComparison {
 public:
  /// `trouble` is called at each difference.
  ShadowComparison(std::shared_ptr<const PluginInfo> old_version, std::shared_ptr<const PluginInfo> new_version,
                   std::function<void()> trouble)
      : old_version_(std::move(old_version)), new_version_(std::move(new_version)), trouble_(std::move(trouble)) {}

  /// Both ends of one call. Results are compared by value; errors are the same when their codes are. Where the old
  /// version's end says nothing of its code (cancelled, crashed, late), nothing is compared; a new version's crash
  /// counts by itself.
  void compare(const TaskInfo& task, const Result<Reply>& old_end, const Result<Reply>& new_end);
  [[nodiscard]] ShadowCounts counts();

 private:
  const std::shared_ptr<const PluginInfo> old_version_;
  const std::shared_ptr<const PluginInfo> new_version_;
  const std::function<void()> trouble_;
  Guarded<ShadowCounts> counts_;
};

}  // namespace tenon::internal

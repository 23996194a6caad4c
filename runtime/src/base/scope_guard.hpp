/// Runs an action at the end of a scope.
#pragma once

#include <utility>

namespace tenon::internal {

/// Calls `action` in its destructor unless dismissed. The action must not throw.
template <typename Action>
class ScopeGuard {
 public:
  explicit ScopeGuard(Action action) : action_(std::move(action)) {}
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;
  ~ScopeGuard() {
    if (active_) {
      action_();
    }
  }
  void dismiss() noexcept { active_ = false; }

 private:
  Action action_;
  bool active_ = true;
};

}  // namespace tenon::internal

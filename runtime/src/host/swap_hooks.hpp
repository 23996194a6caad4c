/// host/swap_hooks.hpp: what calls report to a swap in progress.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/guarded.hpp"
#include "swap/fleet.hpp"

namespace tenon::internal {

/// The receivers of shadow results, one for each generation, and the listener that is notified of crashes. [any-thread]
class SwapHooks {
 public:
  using ShadowSink = decltype(TrialOptions::shadow);

  void add_shadow_sink(std::uint64_t generation, ShadowSink sink) {
    shadow_sinks_.lock()->emplace(generation, std::make_shared<const ShadowSink>(std::move(sink)));
    shadowing_.fetch_add(1, std::memory_order_relaxed);
  }
  void remove_shadow_sink(std::uint64_t generation) {
    if (shadow_sinks_.lock()->erase(generation) != 0) {
      shadowing_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  /// Null if there is none.
  [[nodiscard]] std::shared_ptr<const ShadowSink> shadow_sink(std::uint64_t generation) {
    auto sinks = shadow_sinks_.lock();
    const auto found = sinks->find(generation);
    return found == sinks->end() ? nullptr : found->second;
  }
  /// Whether there may be a receiver; costs one relaxed load.
  [[nodiscard]] bool shadowing() const noexcept { return shadowing_.load(std::memory_order_relaxed) != 0; }

  /// Called at most once.
  void set_listener(std::function<void()> trouble) {
    trouble_storage_ = std::make_unique<const std::function<void()>>(std::move(trouble));
    trouble_.store(trouble_storage_.get(), std::memory_order_release);
  }
  /// A call crashed, or a generation is gone.
  void report_trouble() const {
    if (const auto* trouble = trouble_.load(std::memory_order_acquire)) {
      (*trouble)();
    }
  }

 private:
  Guarded<std::map<std::uint64_t, std::shared_ptr<const ShadowSink>>> shadow_sinks_;
  // Relaxed: a first check; a call that sees the change late gets no shadow.
  std::atomic<std::uint32_t> shadowing_{0};
  // Acquire and release, because the function is stored behind the pointer.
  std::atomic<const std::function<void()>*> trouble_{nullptr};
  std::unique_ptr<const std::function<void()>> trouble_storage_;
};

}  // namespace tenon::internal

/// Fake workers that only count, for tests of the coordinator.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "swap/fleet.hpp"

namespace tenon::test {

/// [any-thread]
class FakeFleet final : public internal::Fleet {
 public:
  explicit FakeFleet(const Catalog& catalog) {
    auto state = state_.lock();
    state->catalog = catalog;
    for (const auto& plugin : catalog.plugins()) {
      if (plugin->usable()) {
        state->current[plugin->name] =
            internal::make_shared_object<const internal::Generation>(++state->last_number, plugin, nullptr);
      }
    }
  }

  Catalog catalog() const override { return state_.lock()->catalog; }
  internal::GenerationRef current(std::string_view plugin) const override {
    auto state = state_.lock();
    const auto found = state->current.find(std::string(plugin));
    return found == state->current.end() ? internal::GenerationRef() : found->second;
  }
  internal::GenerationRef add(std::shared_ptr<const PluginInfo> plugin, internal::ServedFileRef file,
                              std::chrono::milliseconds load_limit) override {
    auto state = state_.lock();
    return internal::make_shared_object<const internal::Generation>(++state->last_number, std::move(plugin),
                                                                    std::move(file), load_limit);
  }
  Result<void> warm(const internal::GenerationRef& generation, std::chrono::milliseconds timeout) override {
    auto state = state_.lock();
    ++state->warming;
    changed_.notify_all();
    const bool over = state.wait_until(changed_, std::chrono::steady_clock::now() + timeout, [&] {
      return !state->hold_warm || state->retired.contains(generation->number);
    });
    --state->warming;
    if (!over) {
      return fail(ErrorCode::kDeadline, "it takes too long");
    }
    if (state->retired.contains(generation->number)) {
      return fail(ErrorCode::kCancelled, "it was retired");
    }
    if (state->warm_error) {
      return fail(*state->warm_error);
    }
    return {};
  }
  void start_trial(const internal::GenerationRef& generation, internal::TrialOptions options) override {
    auto state = state_.lock();
    state->trial = generation->number;
    state->trial_options = std::move(options);
    changed_.notify_all();
  }
  internal::GenerationRef switch_to(const internal::GenerationRef& generation, bool keeps_queued,
                                    std::chrono::milliseconds /*session_drain*/) override {
    auto state = state_.lock();
    state->keeps_queued.push_back(keeps_queued);
    state->catalog = state->catalog.with(generation->plugin);
    return std::exchange(state->current[generation->plugin->name], generation);
  }
  void retire(const internal::GenerationRef& generation) override {
    state_.lock()->retired.insert(generation->number);
    changed_.notify_all();
  }
  bool wait_drained(const internal::GenerationRef& generation, std::chrono::milliseconds /*timeout*/) override {
    return !state_.lock()->busy.contains(generation->number);
  }
  internal::GenerationTally tally(const internal::GenerationRef& generation) const override {
    return state_.lock()->tallies[generation->number];
  }
  void set_listener(std::function<void()> trouble) override { state_.lock()->trouble = std::move(trouble); }

  // -- controls for tests ---------------------------------------------------------------------

  struct State {
    Catalog catalog;
    std::map<std::string, internal::GenerationRef> current;
    std::map<std::uint64_t, internal::GenerationTally> tallies;
    std::set<std::uint64_t> busy;
    std::set<std::uint64_t> retired;
    std::vector<bool> keeps_queued;
    std::optional<Error> warm_error;
    bool hold_warm = false;
    int warming = 0;
    std::uint64_t trial = 0;
    internal::TrialOptions trial_options;
    std::uint64_t last_number = 0;
    std::function<void()> trouble;
  };
  /// Changes the state of the workers and makes the coordinator check it.
  void change(const std::function<void(State&)>& action) {
    std::function<void()> trouble;
    {
      auto state = state_.lock();
      action(*state);
      trouble = state->trouble;
    }
    changed_.notify_all();
    if (trouble) {
      trouble();
    }
  }
  /// Waits until a condition holds. Returns false after a minute.
  bool wait(const std::function<bool(const State&)>& holds) {
    auto state = state_.lock();
    return state.wait_until(changed_, std::chrono::steady_clock::now() + std::chrono::minutes(1),
                            [&] { return holds(*state); });
  }

 private:
  mutable internal::Guarded<State> state_;
  std::condition_variable changed_;
};

}  // namespace tenon::test

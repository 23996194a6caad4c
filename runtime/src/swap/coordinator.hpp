/// swap/coordinator.hpp: decides which change of a plugin is made, and when.
///
///   auto coordinator = SwapCoordinator::start(options, make_fleet(pool), candidates, std::move(staged), log);
///   auto report = (*coordinator)->swap("image@1.3.0", {});
///   (*coordinator)->stop();                       // before the pool is shut down
///
/// One thread owns all mutable state: a lane for each plugin, and the watch. See DESIGN.md,
/// "Threads".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/log.hpp>
#include <tenon/swap.hpp>

#include "swap/candidate.hpp"
#include "swap/fleet.hpp"
#include "swap/initial_catalog.hpp"

namespace tenon::internal {

/// Swaps plugins of one fleet. [any-thread]
class SwapCoordinator {
 public:
  /// Starts the thread, and the watch if the options ask for it. The fleet's current catalog was
  /// made from `initial`. Errors: kInvalidArgument for options out of range; kUnavailable if no
  /// thread or descriptor is left.
  [[nodiscard]] static Result<std::unique_ptr<SwapCoordinator>> start(const HotSwapOptions& options,
                                                                      std::shared_ptr<Fleet> fleet,
                                                                      Candidates candidates, StagedCatalog initial,
                                                                      LogSink log);
  /// Stops.
  ~SwapCoordinator();

  /// See Runtime.
  [[nodiscard]] Result<SwapReport> swap(std::string_view what, const SwapOptions& options);
  [[nodiscard]] Result<SwapReport> rollback(std::string_view plugin, std::string_view reason);
  [[nodiscard]] std::vector<GenerationInfo> generations() const;
  [[nodiscard]] std::vector<SwapEvent> events_since(std::uint64_t number) const;
  [[nodiscard]] EventSubscription on_event(std::function<void(const SwapEvent&)> listener);

  /// Ends changes that are under way as kCancelled and refuses later ones. The current versions
  /// stay current. Waits at most for a copy or for the start of a worker; does not wait if a
  /// listener calls it. May be called twice.
  void stop();
  /// The same without waiting, for use on the pool's reactor, for which the coordinator itself waits.
  void stop_soon();
  /// Makes the destructor not wait. The coordinator's thread then ends by itself.
  void let_go();

 private:
  class Loop;
  explicit SwapCoordinator(std::shared_ptr<Loop> loop) noexcept;
  std::shared_ptr<Loop> loop_;
};

/// Errors: kInvalidArgument with the option's name and its range. [any-thread]
[[nodiscard]] Result<void> check_swap_options(const SwapOptions& options);
[[nodiscard]] Result<void> check_hot_swap_options(const HotSwapOptions& options);

}  // namespace tenon::internal

/// swap/listeners.hpp: who is told of events.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include <tenon/swap.hpp>

#include "base/guarded.hpp"

namespace tenon::internal {

/// The functions that events are given to. Kept by a shared_ptr; subscriptions hold it weakly. [any-thread] but for
/// `tell`.
class SwapListeners : public std::enable_shared_from_this<SwapListeners> {
 public:
  using Function = std::function<void(const SwapEvent&)>;

  /// From the event on that comes after number `last`.
  [[nodiscard]] EventSubscription add(Function function, std::uint64_t last);
  /// Returns when the function does not run any more, unless the call comes from inside it. Unknown ids are fine.
  void remove(std::uint64_t id);
  /// Gives one event to all, in the order of their subscription. One thread at a time. Outside of every lock, as
  /// functions may subscribe and unsubscribe.
  void tell(const SwapEvent& event);

 private:
  struct Listener {
    std::shared_ptr<const Function> function;
    std::uint64_t last = 0;
  };
  struct State {
    std::map<std::uint64_t, Listener> listeners;  ///< By id, and thereby by age.
    std::uint64_t next_id = 1;
    std::uint64_t running = 0;  ///< Id of the one whose function runs; 0: none.
    std::thread::id teller;
  };
  Guarded<State> state_;
  std::condition_variable ended_;
};

}  // namespace tenon::internal

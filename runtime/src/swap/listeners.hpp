/// swap/listeners.hpp: the subscribers to events.
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

/// The functions that get events. Owned by a shared_ptr; subscriptions hold it weakly. [any-thread]
/// except `tell`.
class SwapListeners : public std::enable_shared_from_this<SwapListeners> {
 public:
  using Function = std::function<void(const SwapEvent&)>;

  /// The function gets the events after number `last`.
  [[nodiscard]] EventSubscription add(Function function, std::uint64_t last);
  /// Returns once the function is no longer running, unless it is called from inside that function.
  /// Unknown ids are ignored.
  void remove(std::uint64_t id);
  /// Passes one event to all functions, in the order of subscription. One thread at a time, outside
  /// every lock, because functions may subscribe and unsubscribe.
  void tell(const SwapEvent& event);

 private:
  struct Listener {
    std::shared_ptr<const Function> function;
    std::uint64_t last = 0;
  };
  struct State {
    std::map<std::uint64_t, Listener> listeners;  ///< By id, which is also by age.
    std::uint64_t next_id = 1;
    std::uint64_t running = 0;  ///< Id of the listener whose function is running; 0 if none is.
    std::thread::id teller;
  };
  Guarded<State> state_;
  std::condition_variable ended_;
};

}  // namespace tenon::internal

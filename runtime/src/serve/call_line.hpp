/// Whose calls run now, and whose wait for their turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

namespace tenon::internal {

/// Admits the calls of a bounded number of clients at once, and a bounded number of each. Further calls wait: clients
/// get a place in the order in which they came to wait, and one that keeps calling does not keep its place from
/// others. Not thread-safe.
class CallLine {
 public:
  using ClientId = std::uint64_t;

  /// A call that waits. `begin` starts it; it must report its end by `ended`.
  struct Entry {
    std::uint64_t number = 0;
    /// What it keeps in memory until it ends.
    std::size_t size_bytes = 0;
    std::function<void()> begin = {};
  };
  struct Limits {
    std::size_t max_clients = 64;
    std::size_t max_calls_per_client = 32;
  };

  explicit CallLine(Limits limits) : limits_(limits) {}

  /// Takes a call; it may have begun when this returns.
  void add(ClientId client, Entry entry);
  /// A call that had begun has ended; others may begin.
  void ended(ClientId client, std::uint64_t number);
  /// Takes a call out that has not begun. False: there is none of that number.
  bool cancel(ClientId client, std::uint64_t number);
  /// Forgets a client that is gone, with all of its calls.
  void remove(ClientId client);

  /// Calls of a client that have not begun, by their numbers.
  [[nodiscard]] std::vector<std::uint64_t> waiting(ClientId client) const;
  [[nodiscard]] std::size_t waiting_count(ClientId client) const;
  /// Calls of a client that wait or run.
  [[nodiscard]] std::size_t call_count(ClientId client) const;
  /// Bytes of all calls of a client that have not begun.
  [[nodiscard]] std::size_t waiting_bytes(ClientId client) const;
  [[nodiscard]] bool running(ClientId client) const;
  /// Bytes of all calls, waiting and running.
  [[nodiscard]] std::size_t total_bytes() const noexcept { return total_bytes_; }

 private:
  struct Client {
    std::map<std::uint64_t, std::size_t> running;  ///< Bytes by number.
    std::deque<Entry> waiting;
    std::size_t waiting_bytes = 0;
  };
  /// Begins what may begin.
  void pump();
  void forget_if_empty(ClientId client);

  const Limits limits_;
  std::map<ClientId, Client> clients_;
  std::deque<ClientId> line_;  ///< Those with calls that wait.
  std::size_t at_work_ = 0;    ///< Clients with calls that run.
  std::size_t total_bytes_ = 0;
  bool pumping_ = false;
  bool pump_again_ = false;
};

}  // namespace tenon::internal

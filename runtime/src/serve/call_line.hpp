/// Decides whose calls run now and whose calls wait for their turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

namespace tenon::internal {

/// Admits the calls of a bounded number of clients at once, and a bounded number of calls of each
/// client. Further calls wait. Clients get a slot in the order in which they started to wait, and a
/// client that keeps calling does not keep its slot from others. Not thread-safe.
class CallLine {
 public:
  using ClientId = std::uint64_t;

  /// A call that waits. `begin` starts it; the caller must report its end by `ended`.
  struct Entry {
    std::uint64_t number = 0;
    /// The memory that it uses until it ends.
    std::size_t size_bytes = 0;
    std::function<void()> begin = {};
    /// Called if it is cancelled before it starts; may be empty. Must not call the line.
    std::function<void()> abandon = {};
  };
  struct Limits {
    std::size_t max_clients = 64;
    std::size_t max_calls_per_client = 32;
  };

  explicit CallLine(Limits limits) : limits_(limits) {}

  /// Takes a call; it may have started when this returns.
  void add(ClientId client, Entry entry);
  /// Notes that a call that had started has ended; others may start.
  void ended(ClientId client, std::uint64_t number);
  /// Removes a call that has not started. Returns false if there is none with that number.
  bool cancel(ClientId client, std::uint64_t number);
  /// Removes a client that is gone, with all of its calls.
  void remove(ClientId client);

  /// Returns the numbers of a client's calls that have not started.
  [[nodiscard]] std::vector<std::uint64_t> waiting(ClientId client) const;
  [[nodiscard]] std::size_t waiting_count(ClientId client) const;
  /// Returns how many calls of a client wait or run.
  [[nodiscard]] std::size_t call_count(ClientId client) const;
  /// Returns the bytes of all calls of a client that have not started.
  [[nodiscard]] std::size_t waiting_bytes(ClientId client) const;
  [[nodiscard]] bool running(ClientId client) const;
  /// Returns the bytes of all calls, waiting and running.
  [[nodiscard]] std::size_t total_bytes() const noexcept { return total_bytes_; }

 private:
  struct Client {
    std::map<std::uint64_t, std::size_t> running;  ///< Bytes, indexed by number.
    std::deque<Entry> waiting;
    std::size_t waiting_bytes = 0;
  };
  /// Starts the calls that may start.
  void pump();
  void forget_if_empty(ClientId client);

  const Limits limits_;
  std::map<ClientId, Client> clients_;
  std::deque<ClientId> line_;  ///< Clients with calls that wait.
  std::size_t at_work_ = 0;    ///< How many clients have calls that run.
  std::size_t total_bytes_ = 0;
  bool pumping_ = false;
  bool pump_again_ = false;
};

}  // namespace tenon::internal

/// Decides which clients may send a large message now.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>

namespace tenon::internal {

/// A few slots for messages that use much memory while they arrive. Further clients wait unread, in
/// the order of arrival. Not thread-safe.
class FrameSlots {
 public:
  using ClientId = std::uint64_t;
  explicit FrameSlots(std::size_t places) : places_(places) {}

  /// Returns whether a client may continue with a large message. If not, it waits until `next`
  /// returns it. `room`: there is memory for a further message.
  [[nodiscard]] bool take(ClientId client, bool room) {
    if (holders_.contains(client)) {
      return true;
    }
    const bool first = line_.empty() || line_.front() == client;
    if (room && first && holders_.size() < places_) {
      std::erase(line_, client);
      holders_.insert(client);
      return true;
    }
    if (std::find(line_.begin(), line_.end(), client) == line_.end()) {
      line_.push_back(client);
    }
    return false;
  }
  /// The message of a client is complete, or the client is gone.
  void release(ClientId client) {
    holders_.erase(client);
    std::erase(line_, client);
  }
  /// Returns the client whose turn it is, if there is a slot and `room`.
  [[nodiscard]] std::optional<ClientId> next(bool room) const {
    return room && !line_.empty() && holders_.size() < places_ ? std::optional(line_.front()) : std::nullopt;
  }

 private:
  const std::size_t places_;
  std::set<ClientId> holders_;
  std::deque<ClientId> line_;
};

}  // namespace tenon::internal

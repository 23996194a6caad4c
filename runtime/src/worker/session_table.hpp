/// worker/session_table.hpp: the open sessions of a worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "worker/route_table.hpp"

namespace tenon::internal {

/// Decides whether a step of a session also takes a checkpoint: only while checkpoints are cheap
/// compared with steps.
class CheckpointPace {
 public:
  /// The time of a checkpoint may be at most this fraction of the steps since the last one,
  static constexpr std::int64_t kShare = 32;
  /// or this long, which is little compared with the round trip of a step.
  static constexpr std::int64_t kFreeNs = 3'000;

  /// Records the time of a step.
  void stepped(std::int64_t took_ns) noexcept { stepped_ns_ += took_ns; }
  [[nodiscard]] bool due() const noexcept { return supported_ && cost_ns_ <= std::max(kFreeNs, stepped_ns_ / kShare); }
  /// Records the time of a checkpoint.
  void taken(std::int64_t took_ns) noexcept {
    // A single long checkpoint usually had to wait for a core, so the estimate at most doubles.
    cost_ns_ = std::min(took_ns, std::max(kFreeNs, 2 * cost_ns_));
    stepped_ns_ = 0;
  }
  /// Records that the task has no checkpoints.
  void unsupported() noexcept { supported_ = false; }

 private:
  bool supported_ = true;
  std::int64_t cost_ns_ = 0;  // Estimate for the next one; 0 before the first.
  std::int64_t stepped_ns_ = 0;
};

/// One open session. The route is copied: the host may unbind its number while the session lives.
struct OpenSession {
  Route route;
  void* state = nullptr;
  bool ended = false;  ///< Returned TENON_END or an error; only close may follow.
  /// The error of a step whose results have been delivered. The next step returns it.
  std::optional<Error> failure = {};
  CheckpointPace pace = {};
};

/// The open sessions. Not thread-safe: owned by the task thread. The destructor closes the
/// remaining ones.
class SessionTable {
 public:
  SessionTable() = default;
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;
  ~SessionTable() { close_all(); }

  void add(std::uint64_t id, OpenSession session) { sessions_.insert_or_assign(id, std::move(session)); }
  [[nodiscard]] OpenSession* find(std::uint64_t id) noexcept {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : &found->second;
  }
  /// Closes and removes a session; does nothing if it does not exist.
  void close(std::uint64_t id) noexcept {
    if (OpenSession* session = find(id)) {
      close(*session);
      sessions_.erase(id);
    }
  }
  void close_all() noexcept {
    for (auto& [id, session] : sessions_) {
      close(session);
    }
    sessions_.clear();
  }

 private:
  static void close(OpenSession& session) noexcept {
    try {
      session.route.loaded->close(session.state);
    } catch (...) {
      // A plugin that throws across the ABI cannot report it here; its state is gone either way.
    }
  }
  std::unordered_map<std::uint64_t, OpenSession> sessions_;
};

}  // namespace tenon::internal

/// worker/session_table.hpp: the open sessions of a worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "worker/route_table.hpp"

namespace tenon::internal {

/// Whether a checkpoint goes along with a step of a session: only while checkpoints cost a small part of the steps.
class CheckpointPace {
 public:
  /// A checkpoint may take this part of the time that the steps since the last one took,
  static constexpr std::int64_t kShare = 32;
  /// or this long, which is little beside the way of a step there and back.
  static constexpr std::int64_t kFreeNs = 3'000;

  /// A step took this long.
  void stepped(std::int64_t took_ns) noexcept { stepped_ns_ += took_ns; }
  [[nodiscard]] bool due() const noexcept { return supported_ && cost_ns_ <= std::max(kFreeNs, stepped_ns_ / kShare); }
  /// A checkpoint has been taken.
  void taken(std::int64_t took_ns) noexcept {
    // A single long one had to wait for a core, as a rule: the estimate doubles at most.
    cost_ns_ = std::min(took_ns, std::max(kFreeNs, 2 * cost_ns_));
    stepped_ns_ = 0;
  }
  /// The task gives none.
  void unsupported() noexcept { supported_ = false; }

 private:
  bool supported_ = true;
  std::int64_t cost_ns_ = 0;  // Of the last one; 0 before the first.
  std::int64_t stepped_ns_ = 0;
};

/// One open session. The route is copied: the host may unbind its number while the session lives.
struct OpenSession {
  Route route;
  void* state = nullptr;
  bool ended = false;  ///< Gave TENON_END or an error; only close may follow.
  CheckpointPace pace = {};
};

/// Not thread-safe: the task thread has it. Closes what is left at its end.
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
  /// Closes and forgets; nothing happens when it is not there.
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
      // A plugin that throws across the border has nowhere to say so here; its state is gone either way.
    }
  }
  std::unordered_map<std::uint64_t, OpenSession> sessions_;
};

}  // namespace tenon::internal

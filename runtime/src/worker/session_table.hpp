/// worker/session_table.hpp: the open sessions of a worker.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "worker/route_table.hpp"

namespace tenon::internal {

/// One open session. The route is copied: the host may unbind its number while the session lives.
struct OpenSession {
  Route route;
  void* state = nullptr;
  bool ended = false;  ///< Gave TENON_END or an error; only close may follow.
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

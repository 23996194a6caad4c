/// host/session.hpp: the user's side of sessions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/future.hpp>
#include <tenon/options.hpp>
#include <tenon/session.hpp>

#include "base/guarded.hpp"
#include "host/call.hpp"
#include "host/pool.hpp"

namespace tenon::internal {

/// An open session; its destructor closes it in the worker. If a swap replaces its worker, the
/// session moves between two operations: it takes a checkpoint on the old version, opens on the
/// current one, and closes on the old one. A session that cannot move (no checkpoints, or the new
/// version rejects it) stays. [any-thread], one operation at a time.
class SessionHandle : public std::enable_shared_from_this<SessionHandle> {
 public:
  /// `argument` is the one it was opened with, kept for reopening.
  SessionHandle(std::shared_ptr<Pool> pool, std::shared_ptr<SessionRecord> record, StoredBytes argument)
      : pool_(std::move(pool)), argument_(std::move(argument)), state_(State{.record = std::move(record)}) {}
  SessionHandle(const SessionHandle&) = delete;
  SessionHandle& operator=(const SessionHandle&) = delete;
  ~SessionHandle();

  [[nodiscard]] Future<Session::Batch> next(std::uint32_t max_results, bool with_checkpoint);
  [[nodiscard]] Future<void> feed(const std::vector<Reply>& arguments);
  [[nodiscard]] Future<Reply> finish();
  [[nodiscard]] Future<Reply> checkpoint();

  /// Moves the session to the current version once no operation is running, if its worker is being
  /// replaced.
  void move_soon();

 private:
  using RecordRef = std::shared_ptr<SessionRecord>;
  enum class Move : std::uint8_t { kNone, kWanted, kUnderWay };
  struct State {
    RecordRef record;
    Shared<FutureState> last = nullptr;  ///< The latest operation.
    /// Operations that are being started and are not in `last` yet.
    std::uint32_t beginning = 0;
    Move move = Move::kNone;
    /// Operations to start after the move, in the order of their calls, on the resulting record.
    std::deque<std::function<void(const RecordRef&)>> waiting = {};
  };

  /// Starts an operation, after a move if one is running or due.
  template <typename T, typename Begin>
  [[nodiscard]] Future<T> operate(Begin begin);
  template <typename T, typename Begin>
  [[nodiscard]] Future<T> begin_now(const RecordRef& record, Begin begin);
  [[nodiscard]] Future<Session::Batch> begin_next(const RecordRef& record, std::uint32_t max_results,
                                                  bool with_checkpoint);
  [[nodiscard]] Future<void> begin_feed(const RecordRef& record, const std::vector<Reply>& arguments);
  [[nodiscard]] Result<void> check_kind(TaskKind kind, std::string_view operation);
  [[nodiscard]] Future<Reply> submit(CallRef call);
  [[nodiscard]] RecordRef record() { return state_.lock()->record; }

  void move_if_idle();
  void move_now();
  void open_elsewhere(const RecordRef& from, const Result<Reply>& checkpoint);
  void end_move(const RecordRef& to);

  const std::shared_ptr<Pool> pool_;
  const StoredBytes argument_;
  Guarded<State> state_;
};

[[nodiscard]] Future<std::shared_ptr<SessionHandle>> open_session(const std::shared_ptr<Pool>& pool,
                                                                  std::string_view task, const SessionOptions& options);

}  // namespace tenon::internal

namespace tenon {

class Session::Impl {
 public:
  explicit Impl(std::shared_ptr<internal::SessionHandle> session) : handle(std::move(session)) {}
  std::shared_ptr<internal::SessionHandle> handle;
};

}  // namespace tenon

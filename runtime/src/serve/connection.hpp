/// One client of the daemon, as the event loop sees it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/unix_socket.hpp"
#include "serve/frame.hpp"
#include "serve/served_system.hpp"

namespace tenon::internal {

/// Cancels a request that is under way. The loop and the thread that starts the request share it;
/// `cancel` and `set` may come in either order. [any-thread]
class Ticket {
 public:
  /// Cancels the request now, or as soon as `set` provides the function for it.
  void cancel() {
    std::function<void()> how;
    auto state = state_.lock();
    state->cancelled = true;
    how.swap(state->how);
    state.unlock();
    if (how) {
      how();
    }
  }
  [[nodiscard]] bool cancelled() { return state_.lock()->cancelled; }
  /// Provides the function that cancels the request. Runs it at once if `cancel` came before.
  void set(std::function<void()> how) {
    auto state = state_.lock();
    if (!state->cancelled) {
      state->how = std::move(how);
      return;
    }
    state.unlock();
    how();
  }

 private:
  struct State {
    bool cancelled = false;
    std::function<void()> how;
  };
  Guarded<State> state_;
};

/// The input and output of one socket, and the requests of its client that are under way. Only the
/// loop's thread uses it.
class Connection {
 public:
  enum class Stage {
    kHello,    ///< The client has not sent its hello.
    kOpen,     ///< Serves requests.
    kClosing,  ///< Sends the remaining output, then closes.
  };
  struct SessionSlot {
    std::shared_ptr<ServedSession> session;
    bool busy = false;
  };
  /// A client that reads byte by byte uses as much memory as a client that does not read at all.
  static constexpr std::size_t kLeastProgressBytes = std::size_t{64} << 10;
  /// The time limit of a request in `pending`.
  struct Limit {
    MonotonicNs deadline_ns = kNever;
    bool passed = false;
  };
  /// State of an `events --follow`.
  struct Follow {
    std::uint64_t last_event = 0;
  };

  Connection(FileDescriptor socket, PeerCredentials client_peer) noexcept
      : peer(client_peer), since_ns(monotonic_now_ns()), socket_(std::move(socket)) {}

  const PeerCredentials peer;
  const MonotonicNs since_ns;
  Stage stage = Stage::kHello;
  FrameReader reader{kMaxHelloBytes};
  std::map<std::uint64_t, std::shared_ptr<Ticket>> pending;
  /// The requests in `pending` that have a time limit.
  std::map<std::uint64_t, Limit> limits;
  std::map<std::uint64_t, SessionSlot> sessions;
  std::map<std::uint64_t, Follow> follows;

  [[nodiscard]] const FileDescriptor& socket() const noexcept { return socket_; }

  /// When the last request came or the last reply was sent.
  MonotonicNs active_ns = since_ns;
  /// The time from which the client may send the rest of a message that it has started; kNever if
  /// it is not inside a message or is not being read.
  MonotonicNs frame_since_ns = kNever;

  void append(Buffer frame) {
    active_ns = monotonic_now_ns();
    if (output_bytes_ == 0) {
      moved_ns_ = active_ns;
      moved_bytes_ = 0;
    }
    output_bytes_ += frame.size();
    output_.push_back(std::move(frame));
  }
  [[nodiscard]] std::size_t output_bytes() const noexcept { return output_bytes_; }
  /// Returns since when the client has not taken kLeastProgressBytes; kNever if no output waits.
  [[nodiscard]] MonotonicNs stalled_since_ns() const noexcept { return output_bytes_ > 0 ? moved_ns_ : kNever; }
  /// Sends as much as fits. Fails if the client is gone.
  [[nodiscard]] Result<void> flush();

  /// The events that the poller waits for now.
  bool waits_to_read = true;
  bool waits_to_write = false;

 private:
  FileDescriptor socket_;
  std::deque<Buffer> output_;
  std::size_t sent_of_first_ = 0;
  std::size_t output_bytes_ = 0;
  std::size_t moved_bytes_ = 0;  // Counted since moved_ns_.
  MonotonicNs moved_ns_ = 0;
};

}  // namespace tenon::internal

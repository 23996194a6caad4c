/// The daemon's event loop: clients on a Unix socket, signals, the service manager.
///
///   auto server = Server::create(std::move(*listener), &*signals, system, options);
///   (*server)->run();                        // until a client, a signal or `stop` ends it
///
/// One thread does all input and output and never waits for a client, a call or a swap. What blocks runs on few threads
/// behind bounded queues (Jobs) and comes back by the Mailbox. See DESIGN.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/log.hpp>

#include "base/clock.hpp"
#include "platform/bounded_drain.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/service_signals.hpp"
#include "platform/unix_socket.hpp"
#include "serve/call_line.hpp"
#include "serve/connection.hpp"
#include "serve/frame_slots.hpp"
#include "serve/jobs.hpp"
#include "serve/mailbox.hpp"
#include "serve/protocol.hpp"
#include "serve/served_system.hpp"

namespace tenon::internal {

struct ServerOptions {
  /// Of tenon, as in "0.1.0".
  std::string release = {};
  /// Clients whose calls run at once; the calls of further ones wait for their turn. Other requests never do.
  std::size_t max_clients = 64;
  /// Calls of one client that run at once; further ones wait. The same for its other requests, which are refused.
  std::size_t max_pending = 32;
  /// Connections at once, whatever they do; more than max_clients. The one that has done nothing for the longest time
  /// makes room for a new one.
  std::size_t max_connections = 1024;
  /// For how long a client has done nothing before it makes room.
  std::chrono::milliseconds least_idle{1000};
  /// Within which time a client says who it is.
  std::chrono::milliseconds hello_timeout{10'000};
  /// A client that takes next to nothing for so long, though something waits for it, is dropped; so is one that begins
  /// a message and does not send the rest, for which it has a second more for each MiB.
  std::chrono::milliseconds stall_timeout{30'000};
  /// Requests of a client that does not read its answers are left unread from so many bytes on; one that follows events
  /// is dropped.
  std::size_t max_output_bytes = std::size_t{1} << 20;
  /// How long pipelines and calls may take to finish once the daemon is to stop; they are then cancelled ...
  std::chrono::milliseconds drain_timeout{30'000};
  /// ... and given up after this time more.
  std::chrono::milliseconds cancel_timeout{5'000};
  /// What the daemon has to say; on the loop's thread. May be empty.
  std::function<void(LogLevel, const std::string&)> log = {};
};

/// Runs on one thread; `stop` is [any-thread].
class Server {
 public:
  /// `signals` may be null; it and `system` outlive the server. Errors: kUnavailable no descriptors left.
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(UnixListener listener, const ServiceSignals* signals,
                                                              ServedSystem& system, ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Removes the socket, then ends the connections. What blocks in the system must have been ended before.
  ~Server();

  /// Serves until it is stopped. Errors: kIo the loop cannot go on.
  [[nodiscard]] Result<void> run();
  /// Lets pipelines and calls finish, or with `now` cancels them, and ends `run`. A second time cancels too, a third
  /// ends `run` at once.
  void stop(bool now);

 private:
  using ClientId = std::uint64_t;

  Server(UnixListener listener, const ServiceSignals* signals, ServedSystem& system, ServerOptions options,
         Poller poller, std::shared_ptr<Mailbox> mailbox);

  // -- loop (server.cpp)
  [[nodiscard]] Result<void> watch();
  [[nodiscard]] MonotonicNs next_deadline() const;
  void handle(const PollEvent& event);
  void handle_signals();
  void sweep();
  /// Tells the service manager something, without waiting for it.
  void notify(std::function<void()> message);
  void read_from(ClientId id, Connection& client);
  void greet(ClientId id, Connection& client, BytesView content);
  /// Sends what fits, ends a client that is done, and tells the poller what to wait for. The client may be gone after
  /// it.
  void settle(ClientId id);
  void refuse(Connection& client, std::string reason);
  /// Says why in an answer to no request, then ends.
  void dismiss(ClientId id, Connection& client, Error reason);
  void drop(ClientId id, const std::string& reason);
  void begin_stop(bool now);
  void cancel_everything();
  [[nodiscard]] bool may_end();
  void log(LogLevel level, const std::string& line) const;
  [[nodiscard]] std::string status_line() const;

  // -- places (server_places.cpp)
  void accept_clients();
  /// The next connection, for which a client may have to go. An invalid descriptor when there is none or no room.
  [[nodiscard]] FileDescriptor accept_one();
  /// Ends the client that is missed least. False: every one is at work.
  bool make_room();
  void refill_spares();
  /// Looks later whether there is room.
  void pause_accepting(const std::string& why);
  /// Whether a client's further bytes are wanted now.
  [[nodiscard]] bool may_read(ClientId id, Connection& client);
  [[nodiscard]] bool has_frame_room() const noexcept;
  /// Lets clients with large messages go on when there is room for them.
  void admit_frames();
  /// A client has bytes of a message outstanding, or has no longer.
  void watch_frame(Connection& client, bool reads);

  // -- requests (server_requests.cpp)
  void serve_request(ClientId id, Connection& client, serve::RequestT request);
  void serve_call(ClientId id, Connection& client, std::uint64_t number, serve::CallT call);
  void serve_open(ClientId id, Connection& client, std::uint64_t number, serve::OpenT open);
  void serve_next(ClientId id, Connection& client, std::uint64_t number, const serve::NextT& next);
  void serve_feed(ClientId id, Connection& client, std::uint64_t number, serve::FeedT feed);
  void serve_finish(ClientId id, Connection& client, std::uint64_t number, std::uint64_t session);
  void serve_events(Connection& client, std::uint64_t number, const serve::GetEventsT& asked);
  void serve_cancel(ClientId id, Connection& client, std::uint64_t number);
  void serve_drain(ClientId id, Connection& client, std::uint64_t number, const std::string& pipeline);
  void serve_reload(ClientId id, std::uint64_t number);
  void answer_results(Connection& client, std::uint64_t number, Result<ServedSession::Batch> batch);
  void answer_reply(Connection& client, std::uint64_t number, Result<ServedReply> reply);
  void answer(Connection& client, const serve::AnswerT& answer);
  void answer_error(Connection& client, std::uint64_t number, const Error& error, std::string hint = {});
  template <typename Body>
  void answer_with(Connection& client, std::uint64_t number, Result<Body> body);
  /// The session of a request, marked busy; null when there is none or it is busy, which has been answered then.
  [[nodiscard]] Connection::SessionSlot* take_session(Connection& client, std::uint64_t number, std::uint64_t session);
  void release_session(Connection& client, std::uint64_t session);
  void tell_event(const serve::EventT& event);
  void log_event(const serve::EventT& event) const;

  /// Begins a call on a thread that may block, once it is its turn, and answers with what comes of it, unless the
  /// client is gone by then: it is then cancelled. `size_bytes`: what it keeps in memory.
  template <typename T>
  void begin(ClientId id, Connection& client, std::uint64_t number, std::size_t size_bytes,
             std::function<Future<T>()> start, std::function<void(Connection&, Result<T>)> done);
  /// What brings the result of a call to the loop.
  template <typename T>
  [[nodiscard]] std::function<void(Result<T>)> finisher(ClientId id, std::uint64_t number,
                                                        std::function<void(Connection&, Result<T>)> done);
  /// The same for what blocks until its end; it is not cancelled.
  template <typename T>
  void begin_blocking(Jobs& jobs, ClientId id, Connection& client, std::uint64_t number,
                      std::function<Result<T>()> work);
  /// Ends calls of a client that have not begun.
  void cancel_waiting(ClientId id, Connection& client);

  UnixListener listener_;
  const ServiceSignals* const signals_;
  ServedSystem& system_;
  const ServerOptions options_;
  Poller poller_;
  const std::shared_ptr<Mailbox> mailbox_;
  const MonotonicNs started_ns_ = monotonic_now_ns();

  std::map<ClientId, std::unique_ptr<Connection>> clients_;
  ClientId next_client_;
  std::uint64_t next_session_ = 1;
  CallLine line_;
  FrameSlots frame_slots_;
  /// Given up one by one when the process has no more descriptors, so that an operator gets in all the same.
  std::vector<FileDescriptor> spares_;
  bool listener_watched_ = false;
  MonotonicNs next_complaint_ns_ = 0;
  std::uint64_t logged_event_ = 0;  ///< The latest that was logged before `run`.

  bool stopping_ = false;
  bool cancelled_ = false;
  bool given_up_ = false;
  MonotonicNs stop_deadline_ns_ = kNever;
  int reloads_ = 0;                       // Under way.
  std::chrono::nanoseconds watchdog_{0};  // Half of what the manager wants; 0 for none.
  MonotonicNs next_alive_ns_ = kNever;

  // Last, so that their threads end before anything they use.
  Jobs calls_;
  Jobs changes_;
  Jobs rollbacks_;
  BoundedDrain<std::function<void()>> notices_;
};

}  // namespace tenon::internal

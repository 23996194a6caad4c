/// The daemon's event loop: clients on a Unix socket, signals, the service manager.
///
///   auto server = Server::create(std::move(*listener), &*signals, system, options);
///   (*server)->run();                        // until a client, a signal or `stop` ends it
///
/// One thread does all input and output; it never waits for a client, a call or a swap. Blocking
/// work runs on a few threads behind bounded queues (Jobs) and returns its results through the
/// Mailbox. See DESIGN.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
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
  /// The release of tenon, as in "0.1.0".
  std::string release = {};
  /// How many clients may have running calls at once. Calls of further clients wait for their turn;
  /// other requests never wait.
  std::size_t max_clients = 64;
  /// How many calls of one client run at once; further calls wait. The same limit applies to its
  /// other requests; further ones are refused.
  std::size_t max_pending = 32;
  /// How many connections are open at once, in any state; more than max_clients. The connection
  /// that has been idle for the longest time makes room for a new one.
  std::size_t max_connections = 1024;
  /// How long a client must have been idle before it makes room.
  std::chrono::milliseconds least_idle{1000};
  /// The time within which a client must send its hello.
  std::chrono::milliseconds hello_timeout{10'000};
  /// A client is dropped if it takes almost nothing for this long while output waits for it. A
  /// client that starts a message and does not send the rest is dropped too; it has one second more
  /// for each MiB.
  std::chrono::milliseconds stall_timeout{30'000};
  /// While a client has this many bytes of unread replies, its requests are not read; a client that
  /// follows events is disconnected.
  std::size_t max_output_bytes = std::size_t{1} << 20;
  /// How long pipelines and calls may take to finish after the daemon starts to stop. Then they are
  /// cancelled.
  std::chrono::milliseconds drain_timeout{30'000};
  /// How long cancelled pipelines and calls may take to end. Then they are abandoned.
  std::chrono::milliseconds cancel_timeout{5'000};
  /// Receives the daemon's log messages, on the loop's thread. May be empty.
  std::function<void(LogLevel, const std::string&)> log = {};
};

/// Runs on one thread; `stop` is [any-thread].
class Server {
 public:
  /// `signals` may be null; it and `system` must outlive the server. Errors: kUnavailable if no
  /// descriptors are left.
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(UnixListener listener, const ServiceSignals* signals,
                                                              ServedSystem& system, ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Removes the socket, then closes the connections. The caller must have ended all blocking work
  /// in the system before.
  ~Server();

  /// Serves until it is stopped. Errors: kIo if the loop cannot continue.
  [[nodiscard]] Result<void> run();
  /// Lets pipelines and calls finish, or cancels them if `now`, and ends `run`. A second call also
  /// cancels; a third ends `run` at once.
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
  /// Sends a message to the service manager, without waiting for it.
  void notify(std::function<void()> message);
  void read_from(ClientId id, Connection& client);
  void greet(ClientId id, Connection& client, BytesView content);
  /// Sends as much as fits, closes a client that is done, and updates the poller. The client may be
  /// gone afterwards.
  void settle(ClientId id);
  void refuse(Connection& client, std::string reason);
  /// Sends the reason in a reply to no request, then closes.
  void dismiss(ClientId id, Connection& client, Error reason);
  void drop(ClientId id, const std::string& reason);
  void begin_stop(bool now);
  void cancel_everything();
  [[nodiscard]] bool may_end();
  void log(LogLevel level, const std::string& line) const;
  [[nodiscard]] std::string status_line() const;

  // -- slots for clients (server_places.cpp)
  void accept_clients();
  /// Returns the next connection, for which a client may have to go; an invalid descriptor if there
  /// is none or no room.
  [[nodiscard]] FileDescriptor accept_one();
  /// Drops the client whose loss matters least. Returns false if all clients are busy.
  bool make_room();
  void refill_spares();
  /// Stops accepting for a while and checks later whether there is room.
  void pause_accepting(const std::string& why);
  /// Returns whether the client may be read now.
  [[nodiscard]] bool may_read(ClientId id, Connection& client);
  [[nodiscard]] bool has_frame_room() const noexcept;
  /// Lets clients with large messages continue when there is room.
  void admit_frames();
  /// Updates the time limit of a client that is, or is no longer, inside a message.
  void watch_frame(Connection& client, bool reads);

  // -- requests (server_requests.cpp)
  void serve_request(ClientId id, Connection& client, serve::RequestT request);
  void run_request(ClientId id, Connection& client, serve::RequestT request);
  /// Starts the time limit of a request that is under way.
  void limit_request(ClientId id, Connection& client, std::uint64_t number, std::uint64_t timeout_ms);
  /// Notes that a request has ended. Returns whether its time limit had passed.
  bool end_limit(ClientId id, Connection& client, std::uint64_t number);
  /// Ends the requests whose time limits have passed: at once if they wait for their turn, otherwise when they stop.
  void pass_limits();
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
  /// Returns the session of a request, marked busy. Returns null after replying with an error if
  /// there is none or it is busy.
  [[nodiscard]] Connection::SessionSlot* take_session(Connection& client, std::uint64_t number, std::uint64_t session);
  void release_session(Connection& client, std::uint64_t session);
  /// Returns a function that releases the session of a request that never begins.
  [[nodiscard]] std::function<void()> session_releaser(ClientId id, std::uint64_t session);
  void publish_event(const serve::EventT& event);
  void log_event(const serve::EventT& event) const;

  /// Starts a call on a thread that may block, once it is its turn, and sends its outcome. If the
  /// client goes away before that, the call is cancelled. `size_bytes`: the memory that the call
  /// uses. `abandon`: called if it ends before its turn while its client is still there.
  template <typename T>
  void begin(ClientId id, Connection& client, std::uint64_t number, std::size_t size_bytes,
             std::function<Future<T>()> start, std::function<void(Connection&, Result<T>)> done,
             std::function<void()> abandon = {});
  /// Returns a function that passes the result of a call to the loop.
  template <typename T>
  [[nodiscard]] std::function<void(Result<T>)> finisher(ClientId id, std::uint64_t number,
                                                        std::function<void(Connection&, Result<T>)> done);
  /// Like start_call, for work that blocks until its end; it cannot be cancelled.
  template <typename T>
  void begin_blocking(Jobs& jobs, ClientId id, Connection& client, std::uint64_t number,
                      std::function<Result<T>()> work);
  /// Cancels the calls of a client that have not started.
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
  /// The time limits that have not passed; `limits` of the connections has the same ones.
  std::set<std::tuple<MonotonicNs, ClientId, std::uint64_t>> limits_;
  FrameSlots frame_slots_;
  /// Spare descriptors. They are released one by one when the process has no more descriptors, so
  /// that an operator can still connect.
  std::vector<FileDescriptor> spares_;
  bool listener_watched_ = false;
  MonotonicNs next_complaint_ns_ = 0;
  std::uint64_t logged_event_ = 0;  ///< The number of the latest event that was logged before
                                    ///< `run`.

  bool stopping_ = false;
  bool cancelled_ = false;
  bool given_up_ = false;
  MonotonicNs stop_deadline_ns_ = kNever;
  int reloads_ = 0;                       // How many reloads are under way.
  std::chrono::nanoseconds watchdog_{0};  // Half of the manager's watchdog interval; 0 for none.
  MonotonicNs next_alive_ns_ = kNever;

  // Declared last, so that their threads end before anything they use.
  Jobs calls_;
  Jobs changes_;
  Jobs rollbacks_;
  BoundedDrain<std::function<void()>> notices_;
};

}  // namespace tenon::internal

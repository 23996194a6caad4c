#include "serve/server.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/service_manager.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint64_t kListenerToken = 0;
constexpr std::uint64_t kMailboxToken = 1;
constexpr std::uint64_t kSignalsToken = 2;
constexpr std::uint64_t kFirstClient = 16;

// The interval at which clients are checked while a time limit applies to one of them.
constexpr std::chrono::milliseconds kSweep(100);
// How many bytes of one client a turn of the loop reads.
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

// Starts calls; starting blocks only while the queue of calls is full.
constexpr unsigned kCallThreads = 1;
// Runs swaps and reloads; those of one plugin run one after another anyway.
constexpr unsigned kChangeThreads = 4;
constexpr std::size_t kMaxWaitingChanges = 64;
// Rollbacks have their own threads, so that they do not wait for swaps of other plugins.
constexpr unsigned kRollbackThreads = 2;
// How many messages to the service manager wait while it does not read.
constexpr std::size_t kMaxNotices = 64;
constexpr DrainPatience kNoticePatience{.idle = std::chrono::milliseconds(1000),
                                        .total = std::chrono::milliseconds(3000)};
// How many large messages may arrive at once.
constexpr std::size_t kLargeFrames = 8;
// Total size of unread replies. Above it, the client with the most unread replies is dropped.
constexpr std::size_t kMaxTotalOutputBytes = std::size_t{512} << 20;
constexpr std::int64_t kSecondNs = 1'000'000'000;

bool older_than(MonotonicNs since_ns, std::chrono::nanoseconds age) noexcept {
  return since_ns != kNever && monotonic_now_ns() - since_ns >= age.count();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(UnixListener listener, const ServiceSignals* signals,
                                               ServedSystem& system, ServerOptions options) {
  TENON_ASSIGN(auto poller, Poller::create());
  TENON_ASSIGN(auto mailbox, Mailbox::create());
  std::unique_ptr<Server> server(
      new Server(std::move(listener), signals, system, std::move(options), std::move(poller), std::move(mailbox)));
  TENON_TRY(server->watch());
  for (Jobs* jobs : {&server->calls_, &server->changes_, &server->rollbacks_}) {
    TENON_TRY(jobs->start());
  }
  return server;
}

Server::Server(UnixListener listener, const ServiceSignals* signals, ServedSystem& system, ServerOptions options,
               Poller poller, std::shared_ptr<Mailbox> mailbox)
    : listener_(std::move(listener)),
      signals_(signals),
      system_(system),
      options_(std::move(options)),
      poller_(std::move(poller)),
      mailbox_(std::move(mailbox)),
      next_client_(kFirstClient),
      line_({.max_clients = options_.max_clients, .max_calls_per_client = options_.max_pending}),
      frame_slots_(kLargeFrames),
      // The line bounds how many calls start; calls of clients that are gone may wait here a moment
      // longer.
      calls_("tenon-calls", kCallThreads, std::numeric_limits<std::size_t>::max()),
      changes_("tenon-changes", kChangeThreads, kMaxWaitingChanges),
      rollbacks_("tenon-rollbacks", kRollbackThreads, kMaxWaitingChanges),
      notices_(
          {.thread_name = "tenon-notices", .max_bytes = kMaxNotices, .take = [](const std::function<void()>& message) {
             message();
             return true;
           }}) {
  refill_spares();
}

void Server::notify(std::function<void()> message) {
  if (ServiceManager::present()) {
    notices_.push(std::move(message), 1);
  }
}

Server::~Server() {
  notices_.close(kNoticePatience);
  system_.set_listeners({});
  mailbox_->close();
  for (const auto& [id, client] : clients_) {
    for (const auto& [number, ticket] : client->pending) {
      ticket->cancel();
    }
  }
}

Result<void> Server::watch() {
  for (const auto& [descriptor, token] :
       {std::pair(&listener_.descriptor(), kListenerToken), std::pair(&mailbox_->descriptor(), kMailboxToken),
        std::pair(signals_ != nullptr ? &signals_->descriptor() : nullptr, kSignalsToken)}) {
    if (descriptor != nullptr) {
      TENON_TRY(poller_.add(*descriptor, token));
    }
  }
  listener_watched_ = true;
  system_.set_listeners(
      {.event = [this, mailbox = mailbox_](
                    const serve::EventT& event) { mailbox->post([this, event] { publish_event(event); }); },
       .pipeline_ended =
           [this, mailbox = mailbox_](const serve::PipelineT& pipeline) {
             mailbox->post([this, pipeline] {
               const bool well = pipeline.state == "done";
               log(well ? LogLevel::kInfo : LogLevel::kWarning,
                   "pipeline '" + pipeline.name + "' has ended: " + pipeline.state +
                       (pipeline.error ? ": " + pipeline.error->message : std::string()));
               notify([line = status_line()] { ServiceManager::status(line); });
             });
           }});
  // Logs the events of the start, such as a plugin that is served although its file holds another
  // version.
  for (const auto& event : system_.events_since(0).events) {
    log_event(*event);
    logged_event_ = event->number;
  }
  return {};
}

void Server::log(LogLevel level, const std::string& line) const {
  if (options_.log) {
    options_.log(level, line);
  }
}

std::string Server::status_line() const {
  serve::StatusT status;
  system_.fill_status(status);
  std::size_t running = 0;
  for (const auto& pipeline : status.pipelines) {
    const bool ended = pipeline->state == "done" || pipeline->state == "interrupted" || pipeline->state == "failed";
    running += ended ? 0 : 1;
  }
  return "serving; " + std::to_string(running) + " of " + count_of(status.pipelines.size(), "pipeline", "pipelines") +
         " running";
}

Result<void> Server::run() {
  if (const auto interval = ServiceManager::watchdog_interval()) {
    watchdog_ = *interval / 2;
    next_alive_ns_ = monotonic_now_ns();
  }
  notify([line = status_line()] { ServiceManager::ready(line); });
  while (!may_end()) {
    TENON_ASSIGN(const auto events, poller_.wait(next_deadline()));
    for (const PollEvent& event : events) {
      handle(event);
    }
    pass_limits();
    sweep();
    // Only the loop sends this, so a loop that hangs anywhere misses its deadline.
    if (watchdog_.count() > 0 && monotonic_now_ns() >= next_alive_ns_) {
      notify([] { ServiceManager::alive(); });
      next_alive_ns_ = deadline_after(watchdog_);
    }
  }
  // A pipeline counts as ended once its end has been posted, which may just have happened.
  mailbox_->run();
  // Clients that follow events or requested the stop get the output so far; they see the end when
  // the socket closes.
  for (const auto& [id, client] : clients_) {
    static_cast<void>(client->flush());
  }
  return {};
}

void Server::stop(bool now) {
  mailbox_->post([this, now] { begin_stop(now); });
}

MonotonicNs Server::next_deadline() const {
  bool sweeps = stopping_ || !listener_watched_;
  for (const auto& [id, client] : clients_) {
    sweeps = sweeps || client->stage != Connection::Stage::kOpen || client->output_bytes() > 0 ||
             client->frame_since_ns != kNever;
  }
  const MonotonicNs next_limit_ns = limits_.empty() ? kNever : std::get<0>(*limits_.begin());
  return std::min({next_alive_ns_, next_limit_ns, sweeps ? deadline_after(kSweep) : kNever});
}

void Server::handle(const PollEvent& event) {
  switch (event.token) {
    case kListenerToken:
      accept_clients();
      return;
    case kMailboxToken:
      mailbox_->run();
      return;
    case kSignalsToken:
      handle_signals();
      return;
    default:
      break;
  }
  const auto found = clients_.find(event.token);
  if (found == clients_.end()) {
    return;  // It was dropped in this turn.
  }
  Connection& client = *found->second;
  if (event.readable && client.waits_to_read) {
    read_from(event.token, client);
  } else if (event.hang_up) {
    // The client reads no more, so its waiting output is useless.
    drop(event.token, {});
    return;
  }
  settle(event.token);
}

void Server::handle_signals() {
  const ServiceSignals::Seen seen = signals_->take();
  if (seen.reload) {
    log(LogLevel::kInfo, "reloading because of SIGHUP");
    serve_reload(0, 0);
  }
  for (int i = 0; i < seen.stops; ++i) {
    begin_stop(false);
  }
}

void Server::sweep() {
  std::vector<std::pair<ClientId, std::string>> late;
  for (const auto& [id, client] : clients_) {
    if (client->stage == Connection::Stage::kHello && older_than(client->since_ns, options_.hello_timeout)) {
      late.emplace_back(id, "it did not send its hello in time");
    } else if (older_than(client->stalled_since_ns(), options_.stall_timeout)) {
      late.emplace_back(id, "it does not read its replies");
    } else if (const std::chrono::nanoseconds for_size(static_cast<std::int64_t>(client->reader.frame_bytes() >> 20) *
                                                       kSecondNs);
               older_than(client->frame_since_ns, options_.stall_timeout + for_size)) {
      late.emplace_back(id, "it does not send the rest of its message");
    }
  }
  std::size_t waits = 0;
  const auto most = std::max_element(clients_.begin(), clients_.end(), [](const auto& one, const auto& other) {
    return one.second->output_bytes() < other.second->output_bytes();
  });
  for (const auto& [id, client] : clients_) {
    waits += client->output_bytes();
  }
  if (waits > kMaxTotalOutputBytes) {
    late.emplace_back(most->first,
                      "it does not read its replies, of which " + format_size(most->second->output_bytes()) + " wait");
  }
  for (const auto& [id, reason] : late) {
    drop(id, reason);
  }
  refill_spares();
  if (!listener_watched_) {
    listener_watched_ = poller_.add(listener_.descriptor(), kListenerToken).has_value();
  }
}

void Server::refuse(Connection& client, std::string reason) {
  if (auto frame = pack(make_hello(options_.release, std::move(reason)))) {
    client.append(std::move(*frame));
  }
  client.stage = Connection::Stage::kClosing;
}

void Server::dismiss(ClientId id, Connection& client, Error reason) {
  log(LogLevel::kWarning, "client " + std::to_string(id) + " (process " + std::to_string(client.peer.process_id) +
                              ") is disconnected: " + reason.message);
  if (client.stage == Connection::Stage::kHello) {
    refuse(client, reason.message);
    return;
  }
  answer_error(client, 0, reason);
  client.stage = Connection::Stage::kClosing;
}

void Server::drop(ClientId id, const std::string& reason) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) {
    return;
  }
  // The client leaves the table first, because the operations that end here may look it up.
  std::unique_ptr<Connection> client = std::move(found->second);
  clients_.erase(found);
  poller_.remove(client->socket());
  if (!reason.empty()) {
    log(LogLevel::kWarning, "client " + std::to_string(id) + " (process " + std::to_string(client->peer.process_id) +
                                ") is dropped: " + reason);
  }
  for (const auto& [number, ticket] : client->pending) {
    ticket->cancel();
  }
  for (const auto& [number, limit] : client->limits) {
    limits_.erase({limit.deadline_ns, id, number});
  }
  line_.remove(id);
  frame_slots_.release(id);
  client.reset();  // The connection frees its descriptor, which may be needed.
  admit_frames();
}

void Server::read_from(ClientId id, Connection& client) {
  std::array<std::uint8_t, kReadBytes> buffer;
  const auto received = receive_some(client.socket(), buffer);
  if (!received || received->ended) {
    drop(id, {});
    return;
  }
  BytesView input(buffer.data(), received->size_bytes);
  while (client.stage != Connection::Stage::kClosing && !input.empty()) {
    auto frame = client.reader.next(input);
    if (!frame) {
      dismiss(id, client, std::move(frame.error()));
      return;
    }
    if (!*frame) {
      return;
    }
    if (client.stage == Connection::Stage::kHello) {
      greet(id, client, **frame);
      continue;
    }
    frame_slots_.release(id);
    client.active_ns = monotonic_now_ns();
    client.frame_since_ns = kNever;
    auto request = read_request(**frame);
    if (!request) {
      dismiss(id, client, std::move(request.error()));
      return;
    }
    serve_request(id, client, std::move(*request));
  }
}

void Server::greet(ClientId id, Connection& client, BytesView content) {
  const auto hello = read_hello(content);
  if (!hello) {
    dismiss(id, client, hello.error());
    return;
  }
  serve::HelloT own = make_hello(options_.release);
  if (std::string refusal = refusal_of(*hello, own); !refusal.empty()) {
    log(LogLevel::kWarning, "process " + std::to_string(client.peer.process_id) + " was refused: " + refusal);
    refuse(client, std::move(refusal));
    return;
  }
  if (auto frame = pack(own)) {
    client.append(std::move(*frame));
  }
  client.reader.set_max_bytes(kMaxFrameBytes);
  client.stage = Connection::Stage::kOpen;
}

void Server::settle(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) {
    return;
  }
  Connection& client = *found->second;
  if (!client.flush() || (client.stage == Connection::Stage::kClosing && client.output_bytes() == 0)) {
    drop(id, {});
    return;
  }
  const bool reads = may_read(id, client);
  watch_frame(client, reads);
  const bool writes = client.output_bytes() > 0;
  if (reads != client.waits_to_read || writes != client.waits_to_write) {
    client.waits_to_read = reads;
    client.waits_to_write = writes;
    if (auto changed = poller_.modify(client.socket(), id, {.readable = reads, .writable = writes}); !changed) {
      drop(id, changed.error().message);
    }
  }
}

void Server::begin_stop(bool now) {
  if (!stopping_) {
    stopping_ = true;
    stop_deadline_ns_ = deadline_after(options_.drain_timeout);
    notify([now] { ServiceManager::stopping(now ? "stopping at once" : "finishing work under way"); });
    log(LogLevel::kInfo, now ? "stopping at once" : "stopping: work under way may finish");
    if (!now) {
      system_.stop_pipelines(false);
      return;
    }
  }
  if (!cancelled_) {
    cancel_everything();
  } else {
    given_up_ = true;
  }
}

void Server::cancel_everything() {
  log(LogLevel::kWarning, "stopping: cancelling work under way");
  cancelled_ = true;
  stop_deadline_ns_ = deadline_after(options_.cancel_timeout);
  system_.stop_pipelines(true);
  std::vector<ClientId> ids;
  for (const auto& [id, client] : clients_) {
    cancel_waiting(id, *client);
    for (const auto& [number, ticket] : client->pending) {
      ticket->cancel();
    }
    ids.push_back(id);
  }
  for (const ClientId id : ids) {
    settle(id);
  }
}

bool Server::may_end() {
  if (!stopping_) {
    return false;
  }
  if (given_up_) {
    return true;
  }
  const bool calls =
      std::any_of(clients_.begin(), clients_.end(), [](const auto& client) { return !client.second->pending.empty(); });
  if (!calls && system_.pipelines_ended()) {
    return true;
  }
  if (monotonic_now_ns() < stop_deadline_ns_) {
    return false;
  }
  if (!cancelled_) {
    cancel_everything();
    return false;
  }
  log(LogLevel::kWarning, "stopping: some work does not end and is left behind");
  return true;
}

}  // namespace tenon::internal

// Handles each kind of request.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "platform/process.hpp"
#include "platform/service_manager.hpp"
#include "serve/plugin_labels.hpp"
#include "serve/server.hpp"

namespace tenon::internal {
namespace {

// How many results a step of a source may request, whatever the client wants.
constexpr std::uint32_t kMaxResultsPerStep = 256;
constexpr std::size_t kMaxSessionsPerClient = 16;
// A longer time limit counts as this one, a hundred years.
constexpr std::uint64_t kLongestTimeoutMs = std::uint64_t{100} * 365 * 24 * 3'600'000;

/// Returns whether a request runs a task, and so waits for its turn.
bool is_call(serve::RequestBody type) noexcept {
  switch (type) {
    case serve::RequestBody::Call:
    case serve::RequestBody::Open:
    case serve::RequestBody::Next:
    case serve::RequestBody::Feed:
    case serve::RequestBody::GetResult:
      return true;
    default:
      return false;
  }
}

bool changes_something(serve::RequestBody type) noexcept {
  switch (type) {
    case serve::RequestBody::Call:
    case serve::RequestBody::Open:
    case serve::RequestBody::Swap:
    case serve::RequestBody::Rollback:
    case serve::RequestBody::Reload:
      return true;
    default:
      return false;
  }
}

std::string who(const Connection& client) {
  return "process " + std::to_string(client.peer.process_id);
}

std::string in_quotes(const std::string& text) {
  return "'" + printable(text) + "'";
}

}  // namespace

void Server::answer(Connection& client, const serve::AnswerT& answer) {
  auto frame = pack(answer);
  if (!frame) {
    frame = pack(make_answer(answer.number, to_failure(frame.error())));
  }
  if (frame) {
    client.append(std::move(*frame));
  }
}

void Server::answer_error(Connection& client, std::uint64_t number, const Error& error, std::string hint) {
  answer(client, make_answer(number, to_failure(error, std::move(hint))));
}

template <typename Body>
void Server::answer_with(Connection& client, std::uint64_t number, Result<Body> body) {
  if (body) {
    answer(client, make_answer(number, std::move(*body)));
  } else {
    answer_error(client, number, body.error());
  }
}

template <typename T>
std::function<void(Result<T>)> Server::finisher(ClientId id, std::uint64_t number,
                                                std::function<void(Connection&, Result<T>)> done) {
  return [this, mailbox = mailbox_, id, number, done = std::move(done)](Result<T> result) {
    // The mailbox copies its functions, but the result may be move-only.
    auto shared = std::make_shared<Result<T>>(std::move(result));
    mailbox->post([this, id, number, done, shared] {
      const auto found = clients_.find(id);
      if (found != clients_.end() && found->second->pending.erase(number) > 0) {
        // Another error, such as a crash, says more than the limit.
        if (end_limit(id, *found->second, number) && !*shared && shared->error().code == ErrorCode::kCancelled) {
          *shared = fail(ErrorCode::kDeadline, "the call did not finish within its time limit");
        }
        done(*found->second, std::move(*shared));
        line_.ended(id, number);
        settle(id);
        admit_frames();
      }
    });
  };
}

template <typename T>
void Server::begin(ClientId id, Connection& client, std::uint64_t number, std::size_t size_bytes,
                   std::function<Future<T>()> start, std::function<void(Connection&, Result<T>)> done,
                   std::function<void()> abandon) {
  auto ticket = std::make_shared<Ticket>();
  client.pending[number] = ticket;
  auto run = [ticket, finish = finisher<T>(id, number, std::move(done)), start = std::move(start)] {
    if (ticket->cancelled()) {
      finish(fail(ErrorCode::kCancelled, "the call was cancelled before it began"));
      return;
    }
    auto future = start();
    ticket->set([future]() mutable { static_cast<void>(future.cancel()); });
    static_cast<void>(future.then(finish));
  };
  line_.add(id, {.number = number,
                 .size_bytes = size_bytes,
                 .begin = [this, run = std::move(run)] { static_cast<void>(calls_.run(run)); },
                 .abandon = std::move(abandon)});
}

template <typename T>
void Server::begin_blocking(Jobs& jobs, ClientId id, Connection& client, std::uint64_t number,
                            std::function<Result<T>()> work) {
  client.pending[number] = std::make_shared<Ticket>();
  const bool taken = jobs.run([this, mailbox = mailbox_, id, number, work = std::move(work)] {
    auto shared = std::make_shared<Result<T>>(work());
    mailbox->post([this, id, number, shared] {
      const auto found = clients_.find(id);
      if (found != clients_.end() && found->second->pending.erase(number) > 0) {
        answer_with(*found->second, number, std::move(*shared));
        settle(id);
      }
    });
  });
  if (!taken) {
    client.pending.erase(number);
    answer_error(client, number,
                 {ErrorCode::kRejected, "too many changes are queued in the daemon; try again later", {}});
  }
}

void Server::cancel_waiting(ClientId id, Connection& client) {
  for (const std::uint64_t number : line_.waiting(id)) {
    if (line_.cancel(id, number) && client.pending.erase(number) > 0) {
      end_limit(id, client, number);
      answer_error(client, number, {ErrorCode::kCancelled, "the call was cancelled before it began", {}});
    }
  }
}

void Server::serve_request(ClientId id, Connection& client, serve::RequestT request) {
  using serve::RequestBody;
  const std::uint64_t number = request.number;
  if (request.body.type != RequestBody::Cancel &&
      (client.pending.contains(number) || client.follows.contains(number))) {
    dismiss(id, client,
            {ErrorCode::kInvalidArgument,
             "request " + std::to_string(number) + " reuses the number of a request that is still under way",
             {}});
    return;
  }
  // Calls have their own limits, beyond which they wait. Other requests are answered at once, with
  // few exceptions.
  const bool control = !is_call(request.body.type) && request.body.type != RequestBody::Cancel;
  if (control && client.pending.size() - line_.call_count(id) + client.follows.size() >= options_.max_pending) {
    answer_error(client, number,
                 {ErrorCode::kRejected,
                  "this client has " + count_of(options_.max_pending, "request", "requests") +
                      " under way, which is the limit; wait for one of them",
                  {}});
    return;
  }
  if (stopping_ && changes_something(request.body.type)) {
    answer_error(client, number, {ErrorCode::kRejected, "the daemon is stopping and accepts no new work", {}});
    return;
  }
  const bool limited = is_call(request.body.type) && request.timeout_ms > 0;
  const std::uint64_t timeout_ms = request.timeout_ms;
  run_request(id, client, std::move(request));
  if (limited && client.pending.contains(number)) {
    limit_request(id, client, number, timeout_ms);
  }
}

void Server::limit_request(ClientId id, Connection& client, std::uint64_t number, std::uint64_t timeout_ms) {
  const auto timeout = std::chrono::milliseconds(std::min<std::uint64_t>(timeout_ms, kLongestTimeoutMs));
  const MonotonicNs deadline_ns = deadline_after(timeout);
  client.limits[number] = {.deadline_ns = deadline_ns};
  limits_.emplace(deadline_ns, id, number);
}

bool Server::end_limit(ClientId id, Connection& client, std::uint64_t number) {
  const auto found = client.limits.find(number);
  if (found == client.limits.end()) {
    return false;
  }
  const Connection::Limit limit = found->second;
  client.limits.erase(found);
  limits_.erase({limit.deadline_ns, id, number});
  return limit.passed;
}

void Server::pass_limits() {
  const MonotonicNs now_ns = monotonic_now_ns();
  while (!limits_.empty() && std::get<0>(*limits_.begin()) <= now_ns) {
    const auto [deadline_ns, id, number] = *limits_.begin();
    limits_.erase(limits_.begin());
    Connection& client = *clients_.at(id);
    if (line_.cancel(id, number)) {
      client.pending.erase(number);
      end_limit(id, client, number);
      answer_error(client, number,
                   {ErrorCode::kDeadline,
                    "the call did not begin within its time limit: it waited for its turn behind other calls",
                    {}},
                   "give it more time, or start the daemon with a larger --max-clients");
      settle(id);
      admit_frames();
      continue;
    }
    client.limits.at(number).passed = true;
    client.pending.at(number)->cancel();  // Its outcome arrives when it has stopped.
  }
}

void Server::run_request(ClientId id, Connection& client, serve::RequestT request) {
  using serve::RequestBody;
  const std::uint64_t number = request.number;
  switch (request.body.type) {
    case RequestBody::GetStatus: {
      serve::StatusT status;
      status.release = options_.release;
      status.process_id = current_process_id();
      status.uptime_seconds = static_cast<double>(monotonic_now_ns() - started_ns_) / 1e9;
      status.state = stopping_ ? "stopping" : "serving";
      status.clients = static_cast<std::uint32_t>(clients_.size());
      system_.fill_status(status);
      answer(client, make_answer(number, std::move(status)));
      return;
    }
    case RequestBody::GetTask:
      answer_with(client, number, system_.task_schema(request.body.AsGetTask()->task));
      return;
    case RequestBody::Call:
      serve_call(id, client, number, std::move(*request.body.AsCall()));
      return;
    case RequestBody::Open:
      serve_open(id, client, number, std::move(*request.body.AsOpen()));
      return;
    case RequestBody::Next:
      serve_next(id, client, number, *request.body.AsNext());
      return;
    case RequestBody::Feed:
      serve_feed(id, client, number, std::move(*request.body.AsFeed()));
      return;
    case RequestBody::GetResult:
      serve_finish(id, client, number, request.body.AsGetResult()->session);
      return;
    case RequestBody::Close:
      if (take_session(client, number, request.body.AsClose()->session) != nullptr) {
        client.sessions.erase(request.body.AsClose()->session);
        answer(client, make_answer(number, serve::DoneT()));
      }
      return;
    case RequestBody::Cancel:
      serve_cancel(id, client, request.body.AsCancel()->request);
      return;
    case RequestBody::Swap:
      log(LogLevel::kInfo, who(client) + " asks to swap " + in_quotes(request.body.AsSwap()->what));
      begin_blocking<serve::SwappedT>(changes_, id, client, number,
                                      [this, asked = *request.body.AsSwap()] { return system_.swap(asked); });
      return;
    case RequestBody::Rollback:
      log(LogLevel::kInfo, who(client) + " asks to roll " + in_quotes(request.body.AsRollback()->plugin) + " back");
      begin_blocking<serve::SwappedT>(rollbacks_, id, client, number,
                                      [this, asked = *request.body.AsRollback()] { return system_.rollback(asked); });
      return;
    case RequestBody::GetGenerations:
      answer_with(client, number, system_.generations());
      return;
    case RequestBody::GetEvents:
      serve_events(client, number, *request.body.AsGetEvents());
      return;
    case RequestBody::Pause:
      log(LogLevel::kInfo, who(client) + " asks to pause " + in_quotes(request.body.AsPause()->pipeline));
      answer_with(client, number, system_.pause(request.body.AsPause()->pipeline));
      return;
    case RequestBody::Resume:
      log(LogLevel::kInfo, who(client) + " asks to resume " + in_quotes(request.body.AsResume()->pipeline));
      answer_with(client, number, system_.resume(request.body.AsResume()->pipeline));
      return;
    case RequestBody::Drain:
      log(LogLevel::kInfo, who(client) + " asks to drain " + in_quotes(request.body.AsDrain()->pipeline));
      serve_drain(id, client, number, request.body.AsDrain()->pipeline);
      return;
    case RequestBody::Reload:
      log(LogLevel::kInfo, who(client) + " asks to reload");
      client.pending[number] = std::make_shared<Ticket>();
      serve_reload(id, number);
      return;
    case RequestBody::Stop:
      log(LogLevel::kInfo, who(client) + " asks to stop");
      answer(client, make_answer(number, serve::DoneT()));
      begin_stop(request.body.AsStop()->now);
      return;
    case RequestBody::NONE:
      break;
  }
  answer_error(client, number,
               {ErrorCode::kUnsupported,
                "the daemon (tenon " + options_.release + ", " + protocols_text(make_hello(options_.release)) +
                    ") does not know this request; restart it with the client's release",
                {}});
}

void Server::serve_call(ClientId id, Connection& client, std::uint64_t number, serve::CallT call) {
  const std::size_t size_bytes = call.params.size() + call.argument.size();
  begin<ServedReply>(
      id, client, number, size_bytes,
      [this, asked = ServedCall{std::move(call.task), std::move(call.sha256), std::move(call.params),
                                std::move(call.argument)}] { return system_.call(asked); },
      [this, number](Connection& caller, Result<ServedReply> reply) {
        answer_reply(caller, number, std::move(reply));
      });
}

void Server::answer_reply(Connection& client, std::uint64_t number, Result<ServedReply> reply) {
  if (!reply) {
    answer_error(client, number, reply.error());
    return;
  }
  // The bytes are copied below and never interpreted here.
  const BytesView bytes = reply->reply.bytes_in_place();
  if (bytes.size() > kMaxPayloadBytes) {
    answer_error(client, number,
                 {ErrorCode::kTooLarge,
                  "the result of " + format_size(bytes.size()) + " is too large for the socket, whose limit is " +
                      format_size(kMaxPayloadBytes) + "; have the task write it to a file",
                  {}});
    return;
  }
  serve::CallResultT result;
  result.result.assign(bytes.begin(), bytes.end());
  result.version = std::move(reply->version);
  result.sha256 = std::move(reply->sha256);
  answer(client, make_answer(number, std::move(result)));
}

void Server::serve_open(ClientId id, Connection& client, std::uint64_t number, serve::OpenT open) {
  if (client.sessions.size() >= kMaxSessionsPerClient) {
    answer_error(client, number,
                 {ErrorCode::kRejected,
                  "this client has " + std::to_string(kMaxSessionsPerClient) +
                      " sessions open, which is the limit; end one of them",
                  {}});
    return;
  }
  const std::size_t size_bytes = open.params.size() + open.argument.size();
  begin<std::shared_ptr<ServedSession>>(
      id, client, number, size_bytes,
      [this, asked = ServedCall{std::move(open.task), std::move(open.sha256), std::move(open.params),
                                std::move(open.argument)}] { return system_.open(asked); },
      [this, number](Connection& opener, Result<std::shared_ptr<ServedSession>> session) {
        if (!session) {
          answer_error(opener, number, session.error());
          return;
        }
        serve::OpenedT opened;
        opened.session = next_session_++;
        opener.sessions[opened.session] = {.session = std::move(*session)};
        answer(opener, make_answer(number, std::move(opened)));
      });
}

Connection::SessionSlot* Server::take_session(Connection& client, std::uint64_t number, std::uint64_t session) {
  const auto found = client.sessions.find(session);
  if (found == client.sessions.end()) {
    answer_error(client, number, {ErrorCode::kNotFound, "there is no session " + std::to_string(session), {}});
    return nullptr;
  }
  if (found->second.busy) {
    answer_error(client, number,
                 {ErrorCode::kInvalidArgument,
                  "session " + std::to_string(session) + " is busy; it runs one operation at a time",
                  {}});
    return nullptr;
  }
  found->second.busy = true;
  return &found->second;
}

void Server::release_session(Connection& client, std::uint64_t session) {
  if (const auto found = client.sessions.find(session); found != client.sessions.end()) {
    found->second.busy = false;
  }
}

std::function<void()> Server::session_releaser(ClientId id, std::uint64_t session) {
  return [this, id, session] {
    if (const auto found = clients_.find(id); found != clients_.end()) {
      release_session(*found->second, session);
    }
  };
}

void Server::serve_next(ClientId id, Connection& client, std::uint64_t number, const serve::NextT& next) {
  const Connection::SessionSlot* const slot = take_session(client, number, next.session);
  if (slot == nullptr) {
    return;
  }
  const std::uint32_t wanted = std::clamp<std::uint32_t>(next.max_results, 1, kMaxResultsPerStep);
  begin<ServedSession::Batch>(
      id, client, number, 0, [session = slot->session, wanted] { return session->next(wanted); },
      [this, number, session = next.session, keep = slot->session](Connection& reader,
                                                                   Result<ServedSession::Batch> batch) {
        release_session(reader, session);
        answer_results(reader, number, std::move(batch));
      },
      session_releaser(id, next.session));
}

void Server::answer_results(Connection& client, std::uint64_t number, Result<ServedSession::Batch> batch) {
  if (!batch) {
    answer_error(client, number, batch.error());
    return;
  }
  serve::ResultsT results;
  results.version = batch->version;
  results.sha256 = batch->sha256;
  std::size_t size_bytes = 0;
  for (const Reply& reply : batch->results) {
    // The bytes are copied below and never interpreted here.
    const BytesView bytes = reply.bytes_in_place();
    if (bytes.size() > kMaxPayloadBytes) {
      answer_error(client, number,
                   {ErrorCode::kTooLarge,
                    "a result of " + format_size(bytes.size()) + " is too large for the socket, whose limit is " +
                        format_size(kMaxPayloadBytes),
                    {}});
      return;
    }
    if (size_bytes + bytes.size() > kMaxPayloadBytes) {
      answer(client, make_answer(number, std::exchange(results, {})));
      results.version = batch->version;
      results.sha256 = batch->sha256;
      size_bytes = 0;
    }
    size_bytes += bytes.size();
    auto one = std::make_unique<serve::BytesT>();
    one->data.assign(bytes.begin(), bytes.end());
    results.results.push_back(std::move(one));
  }
  results.last = true;
  results.ended = batch->ended;
  answer(client, make_answer(number, std::move(results)));
}

void Server::serve_feed(ClientId id, Connection& client, std::uint64_t number, serve::FeedT feed) {
  const Connection::SessionSlot* const slot = take_session(client, number, feed.session);
  if (slot == nullptr) {
    return;
  }
  std::vector<Buffer> arguments;
  arguments.reserve(feed.arguments.size());
  std::size_t size_bytes = 0;
  for (auto& argument : feed.arguments) {
    size_bytes += argument != nullptr ? argument->data.size() : 0;
    arguments.push_back(argument != nullptr ? std::move(argument->data) : Buffer());
  }
  begin<void>(
      id, client, number, size_bytes,
      [session = slot->session, arguments = std::move(arguments)] { return session->feed(arguments); },
      [this, number, session = feed.session, keep = slot->session](Connection& feeder, Result<void> fed) {
        release_session(feeder, session);
        if (fed) {
          answer(feeder, make_answer(number, serve::DoneT()));
        } else {
          answer_error(feeder, number, fed.error());
        }
      },
      session_releaser(id, feed.session));
}

void Server::serve_finish(ClientId id, Connection& client, std::uint64_t number, std::uint64_t session) {
  const Connection::SessionSlot* const slot = take_session(client, number, session);
  if (slot == nullptr) {
    return;
  }
  begin<ServedReply>(
      id, client, number, 0, [open = slot->session] { return open->finish(); },
      [this, number, session, keep = slot->session](Connection& finisher, Result<ServedReply> reply) {
        finisher.sessions.erase(session);
        answer_reply(finisher, number, std::move(reply));
      },
      session_releaser(id, session));
}

void Server::serve_events(Connection& client, std::uint64_t number, const serve::GetEventsT& asked) {
  serve::EventsT events = system_.events_since(asked.after);
  if (asked.follow) {
    client.follows[number] = {.last_event = events.events.empty() ? asked.after : events.events.back()->number};
  }
  answer(client, make_answer(number, std::move(events)));
}

void Server::log_event(const serve::EventT& event) const {
  const bool bad = event.kind == "refused" || event.kind == "forced" || event.kind == "rolled_back" ||
                   event.kind == "quarantined" || event.kind == "restored";
  // The label is empty for an event without a plugin.
  const std::string label = plugin_label(event.plugin, event.version, event.sha256);
  log(bad ? LogLevel::kWarning : LogLevel::kInfo,
      label + (label.empty() ? "" : " ") + event.kind + (event.message.empty() ? std::string() : ": " + event.message));
}

void Server::publish_event(const serve::EventT& event) {
  if (event.number > logged_event_) {
    log_event(event);
  }
  std::vector<ClientId> followers;
  for (const auto& [id, client] : clients_) {
    for (auto& [number, follow] : client->follows) {
      if (event.number <= follow.last_event || client->stage != Connection::Stage::kOpen) {
        continue;
      }
      followers.push_back(id);
      if (client->output_bytes() >= options_.max_output_bytes) {
        dismiss(id, *client, {ErrorCode::kRejected, "it does not read the events that it follows", {}});
        break;
      }
      follow.last_event = event.number;
      serve::EventsT events;
      events.events.push_back(std::make_unique<serve::EventT>(event));
      answer(*client, make_answer(number, std::move(events)));
    }
  }
  for (const ClientId id : followers) {
    settle(id);
  }
}

void Server::serve_cancel(ClientId id, Connection& client, std::uint64_t number) {
  if (line_.cancel(id, number)) {
    client.pending.erase(number);
    end_limit(id, client, number);
    answer_error(client, number, {ErrorCode::kCancelled, "the call was cancelled before it began", {}});
  } else if (const auto found = client.pending.find(number); found != client.pending.end()) {
    found->second->cancel();
  } else if (client.follows.erase(number) > 0) {
    answer(client, make_answer(number, serve::DoneT()));
  }
}

void Server::serve_drain(ClientId id, Connection& client, std::uint64_t number, const std::string& pipeline) {
  client.pending[number] = std::make_shared<Ticket>();
  // Draining does not block, and it must not wait behind calls that do.
  static_cast<void>(system_.drain(pipeline).then(
      finisher<serve::PipelinesT>(id, number, [this, number](Connection& asker, Result<serve::PipelinesT> drained) {
        answer_with(asker, number, std::move(drained));
      })));
}

void Server::serve_reload(ClientId id, std::uint64_t number) {
  const bool taken = changes_.run([this, mailbox = mailbox_, id, number] {
    auto shared = std::make_shared<Result<serve::ReloadedT>>(system_.reload());
    mailbox->post([this, id, number, shared] {
      if (*shared) {
        for (const std::string& line : (*shared)->lines) {
          log(LogLevel::kInfo, "reload: " + line);
        }
      } else {
        log(LogLevel::kError, "reload: " + shared->error().message);
      }
      if (--reloads_ == 0 && !stopping_) {
        notify([line = status_line()] { ServiceManager::ready(line); });
      }
      const auto found = clients_.find(id);
      if (found != clients_.end() && found->second->pending.erase(number) > 0) {
        answer_with(*found->second, number, std::move(*shared));
        settle(id);
      }
    });
  });
  if (taken) {
    if (++reloads_ == 1) {
      notify([] { ServiceManager::reloading(); });
    }
    return;
  }
  const Error error{ErrorCode::kRejected, "too many changes are queued in the daemon; reload again later", {}};
  log(LogLevel::kError, error.message);
  if (const auto found = clients_.find(id); found != clients_.end() && found->second->pending.erase(number) > 0) {
    answer_error(*found->second, number, error);
  }
}

}  // namespace tenon::internal

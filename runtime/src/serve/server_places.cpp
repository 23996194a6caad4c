// Slots for clients: room for new connections and for their messages.
#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "platform/user.hpp"
#include "serve/server.hpp"

namespace tenon::internal {
namespace {

constexpr int kAcceptsPerTurn = 16;
constexpr std::size_t kSpareDescriptors = 4;
constexpr std::chrono::seconds kBetweenComplaints(10);

// A message of more bytes needs a slot.
constexpr std::size_t kLargeFrameBytes = std::size_t{256} << 10;
// Total size of the arguments of all calls that wait or run. Above it, no further large message is
// read.
constexpr std::size_t kMaxCallBytes = std::size_t{512} << 20;
// Total size of the waiting calls of one client. Above it, the client is not read.
constexpr std::size_t kMaxWaitingBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxWaitingCalls = 256;

}  // namespace

void Server::refill_spares() {
  while (spares_.size() < kSpareDescriptors) {
    auto spare = mailbox_->descriptor().duplicate();
    if (!spare) {
      return;
    }
    spares_.push_back(std::move(*spare));
  }
}

void Server::pause_accepting(const std::string& why) {
  // A connection that waits would wake the loop repeatedly.
  poller_.remove(listener_.descriptor());
  listener_watched_ = false;
  if (const MonotonicNs now_ns = monotonic_now_ns(); now_ns >= next_complaint_ns_) {
    next_complaint_ns_ = deadline_after(kBetweenComplaints);
    log(LogLevel::kError, why);
  }
}

bool Server::make_room() {
  // The order in which clients go: first idle clients, the longest idle one first; then clients
  // that only follow events or keep sessions open; then clients whose calls all wait for their
  // turn, the latest one first.
  enum : int { kIdle, kListens, kWaits };
  const MonotonicNs now_ns = monotonic_now_ns();
  std::optional<std::tuple<int, MonotonicNs, ClientId>> least;
  for (const auto& [id, client] : clients_) {
    const bool recent = now_ns - client->active_ns < std::chrono::nanoseconds(options_.least_idle).count();
    int order = kIdle;
    MonotonicNs since_ns = client->active_ns;
    if (!client->pending.empty()) {
      if (line_.running(id) || client->pending.size() > line_.call_count(id)) {
        continue;
      }
      order = kWaits;
      since_ns = -client->since_ns;
    } else if (recent) {
      continue;
    } else if (!client->follows.empty() || !client->sessions.empty()) {
      order = kListens;
    }
    if (const std::tuple candidate(order, since_ns, id); !least || candidate < *least) {
      least = candidate;
    }
  }
  if (!least) {
    return false;
  }
  const ClientId id = std::get<ClientId>(*least);
  Connection& client = *clients_.at(id);
  if (client.stage == Connection::Stage::kOpen) {
    answer_error(client, 0,
                 {ErrorCode::kRejected,
                  "the daemon closed this connection to make room for another client: it serves " +
                      count_of(options_.max_connections, "connection", "connections") + " at once; try again later",
                  {}});
    static_cast<void>(client.flush());
  }
  drop(id, "its slot is needed for another client");
  return true;
}

FileDescriptor Server::accept_one() {
  for (;;) {
    // Without descriptors, accepting fails even if no connection waits. Checking first keeps a
    // client from being dropped for nothing.
    if (!wait_readable(listener_.descriptor(), 0)) {
      return {};
    }
    if (clients_.size() >= options_.max_connections && !make_room()) {
      pause_accepting("all client slots are busy; new clients wait");
      return {};
    }
    auto socket = listener_.accept();
    if (socket) {
      return std::move(*socket);
    }
    // No descriptors are left. Dropping another client frees one, and so does a spare.
    if (make_room()) {
      continue;
    }
    if (spares_.empty()) {
      pause_accepting(socket.error().message);
      return {};
    }
    spares_.pop_back();
  }
}

void Server::accept_clients() {
  for (int i = 0; i < kAcceptsPerTurn && listener_watched_; ++i) {
    FileDescriptor socket = accept_one();
    if (!socket.valid()) {
      return;
    }
    const auto peer = peer_credentials(socket);
    if (!peer) {
      log(LogLevel::kWarning, peer.error().message);
      continue;
    }
    const ClientId id = next_client_++;
    auto client = std::make_unique<Connection>(std::move(socket), *peer);
    if (auto added = poller_.add(client->socket(), id); !added) {
      log(LogLevel::kError, added.error().message);
      continue;
    }
    Connection& added = *(clients_[id] = std::move(client));
    const std::uint32_t owner = current_user_id();
    if (peer->user_id != owner && peer->user_id != 0) {
      log(LogLevel::kWarning, "process " + std::to_string(peer->process_id) + " of user " +
                                  std::to_string(peer->user_id) + " was refused: it is not the owner of the daemon");
      refuse(added, "it serves only user " + std::to_string(owner) + ", not user " + std::to_string(peer->user_id) +
                        "; run the command as that user");
    }
    settle(id);
  }
}

bool Server::has_frame_room() const noexcept {
  return line_.total_bytes() < kMaxCallBytes;
}

bool Server::may_read(ClientId id, Connection& client) {
  if (client.stage == Connection::Stage::kClosing || client.output_bytes() >= options_.max_output_bytes ||
      line_.waiting_count(id) >= kMaxWaitingCalls || line_.waiting_bytes(id) >= kMaxWaitingBytes) {
    return false;
  }
  return client.reader.frame_bytes() <= kLargeFrameBytes || frame_slots_.take(id, has_frame_room());
}

void Server::admit_frames() {
  while (const auto next = frame_slots_.next(has_frame_room())) {
    const auto found = clients_.find(*next);
    if (found == clients_.end() || !may_read(*next, *found->second)) {
      frame_slots_.release(*next);  // The client takes the slot again when it may be read.
    } else {
      settle(*next);
    }
  }
}

void Server::watch_frame(Connection& client, bool reads) {
  if (!reads || !client.reader.inside()) {
    client.frame_since_ns = kNever;
  } else if (client.frame_since_ns == kNever) {
    client.frame_since_ns = monotonic_now_ns();
  }
}

}  // namespace tenon::internal

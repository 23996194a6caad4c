#include "serve/call_line.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {

void CallLine::add(ClientId client, Entry entry) {
  Client& state = clients_[client];
  if (state.waiting.empty()) {
    line_.push_back(client);
  }
  state.waiting_bytes += entry.size_bytes;
  total_bytes_ += entry.size_bytes;
  state.waiting.push_back(std::move(entry));
  pump();
}

void CallLine::pump() {
  // A call may complete while it starts, which calls `pump` again.
  if (std::exchange(pumping_, true)) {
    pump_again_ = true;
    return;
  }
  do {
    pump_again_ = false;
    std::vector<std::function<void()>> begins;
    for (auto at = line_.begin(); at != line_.end();) {
      Client& client = clients_[*at];
      if (client.running.empty() && at_work_ >= limits_.max_clients) {
        // Later clients do not pass this one, so that a free slot goes to the client that has
        // waited longest.
        break;
      }
      while (!client.waiting.empty() && client.running.size() < limits_.max_calls_per_client) {
        Entry entry = std::move(client.waiting.front());
        client.waiting.pop_front();
        client.waiting_bytes -= entry.size_bytes;
        at_work_ += client.running.empty() ? 1 : 0;
        client.running.emplace(entry.number, entry.size_bytes);
        begins.push_back(std::move(entry.begin));
      }
      at = client.waiting.empty() ? line_.erase(at) : at + 1;
    }
    for (const auto& begin : begins) {
      begin();
    }
  } while (pump_again_);
  pumping_ = false;
}

void CallLine::ended(ClientId client, std::uint64_t number) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) {
    return;
  }
  const auto call = found->second.running.find(number);
  if (call == found->second.running.end()) {
    return;
  }
  total_bytes_ -= call->second;
  found->second.running.erase(call);
  at_work_ -= found->second.running.empty() ? 1 : 0;
  forget_if_empty(client);
  pump();
}

bool CallLine::cancel(ClientId client, std::uint64_t number) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) {
    return false;
  }
  Client& state = found->second;
  const auto entry = std::find_if(state.waiting.begin(), state.waiting.end(),
                                  [number](const Entry& each) { return each.number == number; });
  if (entry == state.waiting.end()) {
    return false;
  }
  state.waiting_bytes -= entry->size_bytes;
  total_bytes_ -= entry->size_bytes;
  const std::function<void()> abandon = std::move(entry->abandon);
  state.waiting.erase(entry);
  if (state.waiting.empty()) {
    std::erase(line_, client);
    forget_if_empty(client);
  }
  if (abandon) {
    abandon();
  }
  pump();
  return true;
}

void CallLine::remove(ClientId client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) {
    return;
  }
  total_bytes_ -= found->second.waiting_bytes;
  for (const auto& [number, size_bytes] : found->second.running) {
    total_bytes_ -= size_bytes;
  }
  at_work_ -= found->second.running.empty() ? 0 : 1;
  std::erase(line_, client);
  clients_.erase(found);
  pump();
}

std::vector<std::uint64_t> CallLine::waiting(ClientId client) const {
  std::vector<std::uint64_t> numbers;
  if (const auto found = clients_.find(client); found != clients_.end()) {
    for (const Entry& entry : found->second.waiting) {
      numbers.push_back(entry.number);
    }
  }
  return numbers;
}

std::size_t CallLine::waiting_count(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.waiting.size();
}

std::size_t CallLine::call_count(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.waiting.size() + found->second.running.size();
}

std::size_t CallLine::waiting_bytes(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.waiting_bytes;
}

bool CallLine::running(ClientId client) const {
  const auto found = clients_.find(client);
  return found != clients_.end() && !found->second.running.empty();
}

void CallLine::forget_if_empty(ClientId client) {
  const auto found = clients_.find(client);
  if (found != clients_.end() && found->second.running.empty() && found->second.waiting.empty()) {
    clients_.erase(found);
  }
}

}  // namespace tenon::internal

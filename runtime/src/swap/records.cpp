#include "swap/records.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tenon::internal {
namespace {

bool is_over(GenerationState state) {
  return state == GenerationState::kRetired || state == GenerationState::kRefused;
}

}  // namespace

GenerationRecords::Id GenerationRecords::add(GenerationInfo info, const std::filesystem::path& stored) {
  info.since = std::chrono::system_clock::now();
  auto state = state_.lock();
  const Id id = state->next++;
  const std::string plugin = info.plugin;
  state->records.emplace(id, Record{std::move(info), stored, nullptr, {}});
  trim(state->records, plugin);
  return id;
}

void GenerationRecords::trim(Records& records, const std::string& plugin) {
  std::size_t over = 0;
  for (auto it = records.rbegin(); it != records.rend();) {
    // A version that is kept for a roll-back still has its generation.
    const bool counts = it->second.info.plugin == plugin && is_over(it->second.info.state) && !it->second.generation;
    if (counts && ++over > kKept) {
      it = std::make_reverse_iterator(records.erase(std::next(it).base()));
    } else {
      ++it;
    }
  }
}

void GenerationRecords::attach(Id id, const GenerationRef& generation) {
  auto state = state_.lock();
  if (const auto found = state->records.find(id); found != state->records.end()) {
    found->second.info.number = generation->number;
    found->second.generation = generation;
  }
}

void GenerationRecords::set_version(Id id, const std::string& version) {
  auto state = state_.lock();
  if (const auto found = state->records.find(id); found != state->records.end()) {
    found->second.info.version = version;
  }
}

void GenerationRecords::set_state(Id id, GenerationState new_state, const std::string& reason) {
  auto state = state_.lock();
  const auto found = state->records.find(id);
  if (found == state->records.end()) {
    return;
  }
  GenerationInfo& info = found->second.info;
  info.state = new_state;
  info.since = std::chrono::system_clock::now();
  if (!reason.empty()) {
    info.reason = reason;
  }
  const std::string plugin = info.plugin;
  trim(state->records, plugin);
}

void GenerationRecords::set_note(Id id, std::function<std::string()> note) {
  auto state = state_.lock();
  if (const auto found = state->records.find(id); found != state->records.end()) {
    found->second.note = std::move(note);
  }
}

void GenerationRecords::detach(Id id) {
  // Released outside the lock: it may be the last owner of the file.
  GenerationRef generation;
  auto state = state_.lock();
  if (const auto found = state->records.find(id); found != state->records.end()) {
    found->second.info = with_tally(found->second);
    found->second.info.workers = 0;
    generation = std::move(found->second.generation);
  }
  state.unlock();
}

GenerationInfo GenerationRecords::with_tally(const Record& record) const {
  GenerationInfo info = record.info;
  if (record.generation) {
    const GenerationTally tally = fleet_->tally(record.generation);
    info.workers = tally.workers;
    info.calls = tally.calls;
    info.failed = tally.failed;
    info.crashed = tally.crashed;
    info.p99 = std::chrono::nanoseconds(tally.p99_ns);
  }
  return info;
}

GenerationInfo GenerationRecords::info(Id id) {
  GenerationInfo info;
  std::function<std::string()> note;
  {
    auto state = state_.lock();
    if (const auto found = state->records.find(id); found != state->records.end()) {
      info = with_tally(found->second);
      note = found->second.note;
    }
  }
  if (note) {
    info.note = note();
  }
  return info;
}

std::vector<GenerationInfo> GenerationRecords::all() {
  std::vector<GenerationInfo> infos;
  std::vector<std::function<std::string()>> notes;
  {
    auto state = state_.lock();
    for (auto it = state->records.rbegin(); it != state->records.rend(); ++it) {
      infos.push_back(with_tally(it->second));
      notes.push_back(it->second.note);
    }
  }
  // Notes read files, so no lock is held.
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (notes[i]) {
      infos[i].note = notes[i]();
    }
  }
  return infos;
}

std::vector<StoredVersion> GenerationRecords::stored(const std::string& plugin) {
  std::vector<StoredVersion> versions;
  auto state = state_.lock();
  for (auto it = state->records.rbegin(); it != state->records.rend(); ++it) {
    const GenerationInfo& info = it->second.info;
    const bool known = std::any_of(versions.begin(), versions.end(),
                                   [&](const StoredVersion& other) { return other.sha256 == info.sha256; });
    if (info.plugin == plugin && !it->second.stored.empty() && !known) {
      versions.push_back({info.version, info.sha256, it->second.stored, info.source});
    }
  }
  return versions;
}

}  // namespace tenon::internal

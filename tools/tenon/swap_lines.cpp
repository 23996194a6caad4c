#include "tools/tenon/swap_lines.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/short_hash.hpp"
#include "base/text.hpp"

namespace tenon::cli {
namespace {

constexpr std::array kReported = {SwapEvent::Kind::kSwitched,   SwapEvent::Kind::kRefused,     SwapEvent::Kind::kForced,
                                  SwapEvent::Kind::kRolledBack, SwapEvent::Kind::kQuarantined, SwapEvent::Kind::kWatch};
constexpr std::size_t kMaxMessage = 4096;

std::string_view verb(SwapEvent::Kind kind) noexcept {
  return kind == SwapEvent::Kind::kRolledBack ? "rolled back" : swap_event_name(kind);
}

/// Returns advice for the user; empty if there is nothing to do.
std::string_view advice(SwapEvent::Kind kind) noexcept {
  switch (kind) {
    case SwapEvent::Kind::kRefused:
      return "the file is tried again when it changes";
    case SwapEvent::Kind::kQuarantined:
      return "only a file with another content is tried";
    default:
      return {};
  }
}

/// Makes one line of a message, which may come from a plugin: it must not move the cursor and may
/// have several lines.
std::string one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    line += c == '\n' ? "; " : std::string(1, c);
  }
  return internal::printable(line, kMaxMessage);
}

}  // namespace

bool is_reported(SwapEvent::Kind kind) noexcept {
  return std::find(kReported.begin(), kReported.end(), kind) != kReported.end();
}

std::string swap_line(const SwapEvent& event, const std::string& before) {
  const bool changes = event.kind == SwapEvent::Kind::kSwitched || event.kind == SwapEvent::Kind::kRolledBack;
  std::string text = "tenon: ";
  if (!event.plugin.empty()) {
    text += internal::printable(event.plugin);
    if (changes && !before.empty()) {
      text += ' ' + internal::printable(before) + " ->";
    }
    if (!event.version.empty()) {
      text += ' ' + internal::printable(event.version);
    }
    if (!event.sha256.empty()) {
      text += " (sha256 " + internal::short_hash(event.sha256) + ')';
    }
    text += ": ";
  }
  text += verb(event.kind);
  // The message of a switch says what it replaces, which this line already shows.
  if (!event.message.empty() && (event.kind != SwapEvent::Kind::kSwitched || before.empty())) {
    text += ": " + one_line(event.message);
  }
  if (const std::string_view next = advice(event.kind); !next.empty()) {
    text.append("; ").append(next);
  }
  return text + '\n';
}

LogSink without_swap_lines(LogSink sink) {
  return [sink = std::move(sink)](const LogRecord& record) {
    constexpr std::string_view kBegin = "swap: ";
    // Tasks may log the same text, but only the runtime's own lines have no worker.
    if (record.worker_id == 0 && record.message.starts_with(kBegin)) {
      const std::string_view rest = record.message.substr(kBegin.size());
      if (std::any_of(kReported.begin(), kReported.end(),
                      [rest](SwapEvent::Kind kind) { return rest.starts_with(swap_event_name(kind)); })) {
        return;
      }
    }
    sink(record);
  };
}

SwapLines::SwapLines(Runtime& runtime, const Catalog& initial, StatusLine& status, bool quiet)
    : runtime_(runtime), status_(status), quiet_(quiet) {
  // The lock makes the listener wait, so that events keep their order.
  const auto seen = seen_.lock();
  for (const auto& plugin : initial.plugins()) {
    if (plugin->usable()) {
      // The first plugin of a name is the one that receives calls.
      seen->versions.emplace(plugin->name, plugin->version);
    }
  }
  subscription_ = runtime.on_event([this](const SwapEvent& event) {
    const auto locked = seen_.lock();
    take(*locked, event);
  });
  for (const SwapEvent& event : runtime.events_since(0)) {
    take(*seen, event);
  }
}

std::vector<SwapEvent> SwapLines::end() {
  // Waits for a running listener, which takes the lock.
  subscription_ = EventSubscription();
  const auto seen = seen_.lock();
  for (const SwapEvent& event : runtime_.events_since(seen->last)) {
    take(*seen, event);
  }
  return std::move(seen->reported);
}

void SwapLines::take(Seen& seen, const SwapEvent& event) const {
  if (event.number <= seen.last) {
    return;
  }
  seen.last = event.number;
  if (!is_reported(event.kind)) {
    return;
  }
  std::string before;
  if (const auto known = seen.versions.find(event.plugin); known != seen.versions.end()) {
    before = known->second;
  }
  if (event.kind == SwapEvent::Kind::kSwitched || event.kind == SwapEvent::Kind::kRolledBack) {
    seen.versions[event.plugin] = event.version;
  }
  if (!quiet_ || event.kind != SwapEvent::Kind::kSwitched) {
    status_.print(swap_line(event, before));
  }
  seen.reported.push_back(event);
}

}  // namespace tenon::cli

#include "host/worker_output.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kTailBytes = 4096;
constexpr std::size_t kMaxLineBytes = 8192;

}  // namespace

void WorkerOutput::add(std::string_view text, std::uint64_t worker_id, LogBudget& budget, std::vector<LogLine>& log) {
  const Lines lines{worker_id, budget, monotonic_now_ns(), log};
  tail_.append(text);
  if (tail_.size() > 2 * kTailBytes) {
    tail_.erase(0, tail_.size() - kTailBytes);
  }
  while (!text.empty()) {
    const std::size_t room = kMaxLineBytes - line_.size();
    const std::size_t end = std::min({text.find('\n'), text.size(), room});
    const bool whole = end < text.size() && (text[end] == '\n' || end == room);
    if (!whole) {
      line_.append(text);
      break;
    }
    if (line_.empty()) {
      finish_line(text.substr(0, end), lines);
    } else {
      line_.append(text.substr(0, end));
      finish_line(std::exchange(line_, {}), lines);
    }
    text.remove_prefix(end + (text[end] == '\n' ? 1 : 0));
  }
}

void WorkerOutput::end(std::uint64_t worker_id, LogBudget& budget, std::vector<LogLine>& log) {
  if (!line_.empty()) {
    finish_line(std::exchange(line_, {}), {worker_id, budget, monotonic_now_ns(), log});
  }
}

void WorkerOutput::finish_line(std::string_view line, const Lines& lines) const {
  if (!lines.budget.take(line.size(), lines.now_ns)) {
    return;
  }
  lines.log.push_back({.level = LogLevel::kInfo,
                       .message = printable(line, kMaxLineBytes),
                       .plugin = {},
                       .task = {},
                       .worker_id = lines.worker_id,
                       .call_id = 0,
                       .source = source_});
}

std::string WorkerOutput::tail() const {
  const std::size_t begin = tail_.size() > kTailBytes ? tail_.size() - kTailBytes : 0;
  std::string_view rest = std::string_view(tail_).substr(begin);
  while (!rest.empty() && rest.back() == '\n') {
    rest.remove_suffix(1);
  }
  // It may be printed on a terminal, so control characters are removed line by line.
  std::string tail;
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    tail += printable(rest.substr(0, length), kMaxLineBytes);
    rest.remove_prefix(length);
    if (!rest.empty()) {
      tail += '\n';
      rest.remove_prefix(1);
    }
  }
  return tail;
}

}  // namespace tenon::internal

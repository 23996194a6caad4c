#include "pipeline/failure_notices.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace tenon::internal {

void FailureNotices::add(const std::string& stage, const std::string& item, const Error& error, TimePoint now) {
  if (!notify_) {
    return;
  }
  const auto [found, is_new] = kinds_.try_emplace({stage, error.code});
  Gathered& gathered = found->second;
  FailureNotice& notice = gathered.notice;
  ++notice.count;
  ++notice.total;
  notice.item = item;
  notice.error = error;
  if (is_new) {
    notice.stage = stage;
    notice.code = error.code;
  }
  if (is_new || now >= gathered.next) {
    report(gathered, now);
  }
}

void FailureNotices::report(Gathered& gathered, TimePoint now) {
  notify_(gathered.notice);
  gathered.notice.count = 0;
  gathered.next = now + kInterval;
}

void FailureNotices::notify_due(TimePoint now) {
  for (auto& [kind, gathered] : kinds_) {
    if (gathered.notice.count > 0 && now >= gathered.next) {
      report(gathered, now);
    }
  }
}

void FailureNotices::finish() {
  for (auto& [kind, gathered] : kinds_) {
    if (gathered.notice.count > 0) {
      report(gathered, {});
    }
  }
}

std::optional<FailureNotices::TimePoint> FailureNotices::next_time() const {
  std::optional<TimePoint> next;
  for (const auto& [kind, gathered] : kinds_) {
    if (gathered.notice.count > 0) {
      next = std::min(next.value_or(TimePoint::max()), gathered.next);
    }
  }
  return next;
}

std::string to_text(const FailureNotice& notice) {
  constexpr std::size_t kMaxItemBytes = 1000;
  constexpr std::size_t kMaxMessageBytes = 2000;
  std::string text = "stage '" + printable(notice.stage) + "': ";
  if (notice.total > 1) {
    text += std::to_string(notice.count) + " more " + (notice.count == 1 ? "item has" : "items have") + " failed (" +
            std::string(error_code_name(notice.code)) + "), " + std::to_string(notice.total) +
            " so far; the latest is ";
  }
  return text + "item '" + printable(notice.item, kMaxItemBytes) +
         "': " + printable(notice.error.message, kMaxMessageBytes);
}

}  // namespace tenon::internal

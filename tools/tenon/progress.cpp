#include "tools/tenon/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text.hpp"
#include "base/utf8.hpp"

namespace tenon::cli {

std::string group_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::clamp(std::ceil(seconds), 0.0, 3.6e9));
  char text[48];
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%llu s", static_cast<unsigned long long>(whole));
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%llu min %02llu s", static_cast<unsigned long long>(whole / 60),
                  static_cast<unsigned long long>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%llu h %02llu min", static_cast<unsigned long long>(whole / 3600),
                  static_cast<unsigned long long>(whole / 60 % 60));
  }
  return text;
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (internal::continues_utf8(text[i])) {
      continue;
    }
    if (used == columns) {
      return std::string(text.substr(0, i));
    }
    ++used;
  }
  return std::string(text);
}

RunState run_state(const RunReport& report) {
  RunState state;
  std::uint64_t pending = 0;
  std::uint64_t expected = 0;
  std::int64_t expanded = 0;
  bool all_known = false;
  bool any_unknown = false;
  for (const StageReport& stage : report.stages) {
    pending += stage.in_flight + stage.queued;
    if (stage.kind == "expand") {
      // Its results replace its items, and their number is not known in advance.
      expanded += static_cast<std::int64_t>(stage.items_out) - static_cast<std::int64_t>(stage.grouped);
      any_unknown = true;
    }
    if (stage.kind != "source") {
      continue;
    }
    pending -= stage.in_flight + stage.queued;
    state.given += stage.items_out;
    if (stage.ended || stage.expected_items >= std::max<std::uint64_t>(stage.items_out, 1)) {
      expected += stage.ended ? stage.items_out : stage.expected_items;
      all_known = true;
    } else {
      any_unknown = true;
    }
  }
  state.given -= std::min<std::uint64_t>(state.given, expanded < 0 ? static_cast<std::uint64_t>(-expanded) : 0);
  state.given += expanded > 0 ? static_cast<std::uint64_t>(expanded) : 0;
  state.in_flight = pending;
  state.done = state.given - std::min(state.given, pending);
  state.failed = report.failure_count;
  if (all_known && !any_unknown) {
    state.expected = expected;
  }
  return state;
}

std::string interrupted_line(const RunReport& report) {
  const std::uint64_t in_flight = run_state(report).in_flight;
  return "interrupted: finishing " + group_digits(in_flight) + (in_flight == 1 ? " item" : " items") +
         " in flight; Ctrl-C again stops at once";
}

std::string ProgressMeter::line(const RunReport& report, double seconds) {
  constexpr double kWindowSeconds = 5;
  const RunState state = run_state(report);
  moments_.push_back({seconds, state.done});
  while (moments_.size() > 2 && moments_[1].seconds <= seconds - kWindowSeconds) {
    moments_.pop_front();
  }
  const Moment& first = moments_.front();
  double rate = 0;
  if (seconds > first.seconds && state.done > first.done) {
    rate = static_cast<double>(state.done - first.done) / (seconds - first.seconds);
  }
  std::string text = internal::printable(name_, 60) + ": ";
  if (state.expected) {
    text += group_digits(state.done) + " of " + group_digits(*state.expected) + " items";
  } else {
    text += group_digits(state.done) + (state.done == 1 ? " item" : " items");
  }
  if (rate >= 10) {
    text += ", " + group_digits(static_cast<std::uint64_t>(rate)) + "/s";
  } else if (rate > 0) {
    char number[32];
    std::snprintf(number, sizeof number, ", %.1f/s", rate);
    text += number;
  }
  if (state.failed > 0) {
    text += ", " + group_digits(state.failed) + " failed";
  }
  text += ", " + format_duration(seconds);
  if (state.expected && rate > 0 && *state.expected > state.done) {
    text += ", " + format_duration(static_cast<double>(*state.expected - state.done) / rate) + " left";
  }
  return text;
}

void StatusLine::update(std::string_view line) {
  if (!enabled_) {
    return;
  }
  const unsigned width = std::max(world_.error_width(), 2U);
  // One column stays free: a full line would wrap and could not be overwritten.
  std::string next = cut_to_columns(line, width - 1);
  const auto shown = shown_.lock();
  if (next == *shown) {
    return;
  }
  world_.log("\r" + next + "\x1b[K");
  *shown = std::move(next);
}

void StatusLine::clear() {
  const auto shown = shown_.lock();
  if (!shown->empty()) {
    world_.log("\r\x1b[K");
    shown->clear();
  }
}

void StatusLine::print(std::string_view text) {
  const auto shown = shown_.lock();
  std::string all;
  if (!shown->empty()) {
    all = "\r\x1b[K";
  }
  all += text;
  all += *shown;
  world_.log(all);
}

void RunProgress::show(const RunReport& report, double seconds) {
  const bool interrupted = world_.interrupts->load(std::memory_order_relaxed) > 0;
  if (status_.enabled()) {
    status_.update(interrupted ? interrupted_line(report) : meter_.line(report, seconds));
  } else if (interrupted && !interrupt_said_) {
    world_.log("tenon: " + interrupted_line(report) + '\n');
  }
  interrupt_said_ = interrupted;
}

}  // namespace tenon::cli

#include "tools/tenon/error_stream.hpp"

#include <utility>

#include "base/guarded.hpp"
#include "base/text.hpp"

namespace tenon::cli {
namespace {

constexpr std::chrono::hours kForEver{24 * 365};
constexpr std::chrono::milliseconds kSettleTime{200};
/// The time limit after an interrupt has ended a wait.
constexpr std::chrono::seconds kInterruptedPatience{1};

}  // namespace

/// Used by the drain's thread; it may outlive the stream.
struct ErrorStream::Shared {
  std::function<Result<void>(std::string_view)> write;
  std::string prefix;
  internal::Guarded<std::string> problem;  ///< The problem of the last failed write since the last
                                           ///< report.

  bool take(const std::string& text) {
    auto written = write(text);
    if (!written) {
      problem.set(std::move(written.error().message));
    }
    return written.has_value();
  }
  std::string report(std::uint64_t count) {
    const std::string failed = problem.get();
    return prefix + internal::count_of(count, "log line was", "log lines were") + " dropped because " +
           (failed.empty() ? "standard error was not read" : "standard error could not be written: " + failed) + '\n';
  }
};

ErrorStream::ErrorStream(Options options)
    : options_(std::move(options)),
      shared_(new Shared{.write = options_.write, .prefix = options_.prefix, .problem = {}}),
      drain_({.thread_name = "tenon-stderr",
              .max_bytes = options_.max_bytes,
              .take = [shared = shared_](const std::string& text) { return shared->take(text); },
              .report = [shared = shared_](std::uint64_t, std::uint64_t count) { return shared->report(count); }}) {}

internal::DrainPatience ErrorStream::patience() const {
  if (interrupted_.load(std::memory_order_relaxed)) {
    return {.idle = kInterruptedPatience, .total = kForEver};
  }
  const bool bounded = logged_.load(std::memory_order_relaxed) && !options_.is_terminal;
  return {.idle = bounded ? options_.patience : kForEver, .total = kForEver};
}

bool ErrorStream::wait(internal::DrainPatience patience) {
  if (given_up_.load(std::memory_order_relaxed)) {
    return false;
  }
  const int before = options_.interrupts->load(std::memory_order_relaxed);
  const auto interrupted = [&] { return options_.interrupts->load(std::memory_order_relaxed) != before; };
  const bool written = drain_.flush(patience, interrupted);
  if (!written && interrupted()) {
    interrupted_.store(true, std::memory_order_relaxed);
  } else if (!written) {
    given_up_.store(true, std::memory_order_relaxed);
  }
  return written;
}

void ErrorStream::write(std::string_view text) {
  if (text.empty()) {
    return;
  }
  static_cast<void>(wait(patience()));  // An empty queue accepts a text of any size.
  drain_.push(std::string(text), text.size());
  static_cast<void>(wait(patience()));
}

void ErrorStream::log(std::string_view text) {
  if (text.empty()) {
    return;
  }
  logged_.store(true, std::memory_order_relaxed);
  drain_.push(std::string(text), text.size());
}

bool ErrorStream::flush(std::chrono::milliseconds patience) {
  return wait({.idle = patience, .total = kForEver});
}

void ErrorStream::settle() {
  const auto idle = unsettled_.load(std::memory_order_relaxed) ? std::chrono::milliseconds(0) : kSettleTime;
  unsettled_.store(!drain_.flush({.idle = idle, .total = kForEver}), std::memory_order_relaxed);
}

bool ErrorStream::finish() {
  if (wait(patience())) {
    return drain_.close({});
  }
  return drain_.close({.idle = std::chrono::milliseconds(0), .total = std::chrono::milliseconds(0)});
}

}  // namespace tenon::cli

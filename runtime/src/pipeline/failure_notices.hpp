/// pipeline/failure_notices.hpp: reports failing items during a run, without a line for each.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// Collects the failures of a run by stage and error code. Only one thread may use it at a time.
class FailureNotices {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// The interval between two notices of one stage and code.
  static constexpr std::chrono::seconds kInterval{5};

  /// Nothing is collected if `notify` is empty.
  explicit FailureNotices(std::function<void(const FailureNotice&)> notify) : notify_(std::move(notify)) {}

  /// Adds a failed item. The first failure of a stage and code is reported at once.
  void add(const std::string& stage, const std::string& item, const Error& error, TimePoint now);
  /// Reports the notices that are due.
  void notify_due(TimePoint now);
  /// Reports everything that has not been reported.
  void finish();
  /// Returns when `notify_due` has something to report next; nullopt if never.
  [[nodiscard]] std::optional<TimePoint> next_time() const;

 private:
  struct Gathered {
    FailureNotice notice;  ///< `count` is the number of failures not yet reported.
    TimePoint next{};
  };
  void report(Gathered& gathered, TimePoint now);

  const std::function<void(const FailureNotice&)> notify_;
  std::map<std::pair<std::string, ErrorCode>, Gathered> kinds_;
};

/// Returns a text for people: "stage 'counts': 12 more items have failed (kFailed), 1200 so far;
/// the latest is item 'a.txt': cannot be read". [any-thread]
[[nodiscard]] std::string to_text(const FailureNotice& notice);

}  // namespace tenon::internal

/// pipeline/failure_news.hpp: reports failing items during a run, without a line for each.
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

/// Gathers the failures of a run by stage and error code. One thread at a time.
class FailureNews {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Between two notices of one stage and code.
  static constexpr std::chrono::seconds kInterval{5};

  /// `tell` may be empty: then nothing is gathered.
  explicit FailureNews(std::function<void(const FailureNotice&)> tell) : tell_(std::move(tell)) {}

  /// An item has failed. Tells of the first of a stage and code at once.
  void add(const std::string& stage, const std::string& item, const Error& error, TimePoint now);
  /// Tells what is due.
  void tell_due(TimePoint now);
  /// Tells all that has not been told.
  void finish();
  /// When `tell_due` has something to do; nullopt: never.
  [[nodiscard]] std::optional<TimePoint> next_time() const;

 private:
  struct Gathered {
    FailureNotice notice;  ///< `count` is of those not told yet.
    TimePoint next{};
  };
  void tell(Gathered& gathered, TimePoint now);

  const std::function<void(const FailureNotice&)> tell_;
  std::map<std::pair<std::string, ErrorCode>, Gathered> kinds_;
};

/// "stage 'counts': 1,200 items have failed (kFailed), of late 'a.txt': cannot be read", for people. [any-thread]
[[nodiscard]] std::string to_text(const FailureNotice& notice);

}  // namespace tenon::internal

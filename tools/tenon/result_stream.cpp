#include "tools/tenon/result_stream.hpp"

#include <utility>

#include "base/guarded.hpp"
#include "base/text.hpp"

namespace tenon::cli {

/// Used by the drain's thread; it may outlive the stream.
struct ResultStream::Shared {
  std::function<Result<void>(std::string_view)> write;
  internal::Guarded<std::optional<Error>> problem;
};

ResultStream::ResultStream(const World& world, std::size_t max_bytes)
    : shared_(new Shared{.write = world.write_output, .problem = {}}),
      drain_(
          {.thread_name = "tenon-stdout", .max_bytes = max_bytes, .take = [shared = shared_](const std::string& text) {
             if (shared->problem.lock()->has_value()) {
               return false;
             }
             auto written = shared->write(text);
             if (!written) {
               shared->problem.set(std::move(written.error()));
             }
             return written.has_value();
           }}) {}

Result<void> ResultStream::write(std::string text) {
  if (text.empty()) {
    return {};
  }
  if (const std::optional<Error> problem = shared_->problem.get()) {
    return fail(*problem);
  }
  const std::size_t size_bytes = text.size();
  if (!drain_.push(std::move(text), size_bytes)) {
    return fail(ErrorCode::kRejected, "results of " + internal::format_size(size_bytes) +
                                          " are dropped: standard output is not read, and its queue is full");
  }
  return {};
}

Result<void> ResultStream::close(std::chrono::milliseconds patience) {
  const bool written = drain_.close({.idle = patience, .total = std::chrono::hours(24)});
  if (const std::optional<Error> problem = shared_->problem.get()) {
    return fail(*problem);
  }
  if (!written) {
    return fail(ErrorCode::kDeadline, "results were not written: standard output is not read");
  }
  return {};
}

}  // namespace tenon::cli

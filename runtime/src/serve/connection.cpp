#include "serve/connection.hpp"

#include "base/try.hpp"

namespace tenon::internal {

Result<void> Connection::flush() {
  while (!output_.empty()) {
    const BytesView left = BytesView(output_.front()).subspan(sent_of_first_);
    TENON_ASSIGN(const auto sent, send_some(socket_, left));
    if (sent == 0) {
      return {};
    }
    moved_bytes_ += sent;
    if (moved_bytes_ >= kLeastProgressBytes) {
      moved_ns_ = monotonic_now_ns();
      moved_bytes_ = 0;
    }
    output_bytes_ -= sent;
    sent_of_first_ += sent;
    if (sent == left.size()) {
      output_.pop_front();
      sent_of_first_ = 0;
    }
  }
  return {};
}

}  // namespace tenon::internal

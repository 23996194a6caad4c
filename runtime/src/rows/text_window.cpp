#include "rows/text_window.hpp"

#include <algorithm>
#include <cstring>

namespace tenon::rows {
namespace {

constexpr std::size_t kFirstBytes = 256u << 10;

/// Consumes the rest of a line that does not fit into the window.
void skip_line(TextWindow& window, const Poll& poll) {
  for (;;) {
    const auto text = window.text();
    if (const void* found = std::memchr(text.data(), '\n', text.size()); found != nullptr) {
      window.consume(static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1);
      return;
    }
    window.consume(text.size());
    if (window.more(poll) == TextWindow::More::kEnd) {
      return;
    }
  }
}

}  // namespace

TextWindow::TextWindow(ByteSource& source, std::size_t max_bytes, Reading reading)
    : source_(source),
      max_bytes_(std::max<std::size_t>(max_bytes, 1)),
      reading_(reading),
      buffer_(std::min(kFirstBytes, max_bytes_)) {}

TextWindow::More TextWindow::more(const Poll& poll) {
  poll();
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (end_ == max_bytes_) {
      return More::kFull;
    }
    buffer_.resize(std::min(2 * buffer_.size(), max_bytes_));
  }
  // Usually reads until the window is full: a packed file returns little at once, and the caller examines the whole
  // text again.
  const std::size_t before = end_;
  while (end_ < buffer_.size()) {
    const std::size_t count =
        source_.read({reinterpret_cast<std::uint8_t*>(buffer_.data()) + end_, buffer_.size() - end_});
    if (count == 0) {
      break;
    }
    end_ += count;
    if (reading_ == Reading::kAvailable) {
      break;
    }
  }
  return end_ == before ? More::kEnd : More::kRead;
}

bool next_line(TextWindow& window, ScannedLine& line, const Poll& poll) {
  line.too_long = false;
  for (std::size_t examined = 0;;) {
    const auto text = window.text();
    const void* found =
        text.size() == examined ? nullptr : std::memchr(text.data() + examined, '\n', text.size() - examined);
    if (found != nullptr) {
      auto size = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
      window.consume(size + 1);
      size -= size != 0 && text[size - 1] == '\r' ? 1 : 0;
      line.text = {text.data(), size};
      return true;
    }
    examined = text.size();
    switch (window.more(poll)) {
      case TextWindow::More::kRead:
        break;
      case TextWindow::More::kEnd:
        line.text = {window.text().data(), examined};
        window.consume(examined);
        return examined != 0;
      case TextWindow::More::kFull:
        line.too_long = true;
        line.text = {};
        skip_line(window, poll);
        return true;
    }
  }
}

}  // namespace tenon::rows

#include "text/lines.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace text {
namespace {

constexpr std::size_t kBufferBytes = 256u << 10;

}  // namespace

LineSplitter::LineSplitter(tenon::plugins::TextReader& reader, std::string path, std::uint32_t max_line_bytes,
                           LongLines long_lines, std::uint64_t offset_bytes)
    : reader_(reader),
      path_(std::move(path)),
      max_line_bytes_(max_line_bytes),
      long_lines_(long_lines),
      offset_bytes_(offset_bytes),
      buffer_(kBufferBytes) {}

bool LineSplitter::next(const tenon::plugins::Poll& poll) {
  // Keeps one byte more than the limit: it may be the CR of the line ending.
  const std::size_t kept = std::size_t{max_line_bytes_} + 1;
  line_.clear();
  std::uint64_t length = 0;
  bool ended = false;
  bool any = false;
  while (!ended) {
    if (begin_ == end_) {
      poll();
      begin_ = 0;
      end_ = reader_.read(buffer_);
      if (end_ == 0) {
        break;
      }
    }
    any = true;
    const auto* from = buffer_.data() + begin_;
    const auto* found = static_cast<const std::uint8_t*>(std::memchr(from, '\n', end_ - begin_));
    ended = found != nullptr;
    const std::size_t count = ended ? static_cast<std::size_t>(found - from) : end_ - begin_;
    line_.append(reinterpret_cast<const char*>(from), std::min(count, kept - line_.size()));
    length += count;
    begin_ += count + (ended ? 1 : 0);
  }
  if (!any) {
    return false;
  }
  offset_bytes_ += length + (ended ? 1 : 0);
  if (ended && length == line_.size() && !line_.empty() && line_.back() == '\r') {
    line_.pop_back();
    --length;
  }
  if (length > max_line_bytes_) {
    if (long_lines_ == LongLines::fail) {
      throw tenon::TaskError(TENON_TOO_LARGE, tenon::plugins::quote(path_) + ": has a line of " +
                                                  std::to_string(length) + " bytes; the limit is " +
                                                  std::to_string(max_line_bytes_) +
                                                  "; raise `max_line_bytes`, or set `long_lines` to cut");
    }
    line_.resize(max_line_bytes_);
  }
  return true;
}

}  // namespace text

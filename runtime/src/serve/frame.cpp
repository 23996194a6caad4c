#include "serve/frame.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {
namespace {

constexpr std::array<std::uint8_t, 4> kMark = {'T', 'N', 'S', 1};

}  // namespace

std::array<std::uint8_t, kFrameHeaderBytes> frame_header(std::size_t size_bytes) noexcept {
  std::array<std::uint8_t, kFrameHeaderBytes> header{};
  std::copy(kMark.begin(), kMark.end(), header.begin());
  for (std::size_t i = 0; i < 4; ++i) {
    header[4 + i] = static_cast<std::uint8_t>(size_bytes >> (8 * i));
  }
  return header;
}

Result<void> FrameReader::read_header() {
  if (!std::equal(kMark.begin(), kMark.end(), header_.begin())) {
    return fail(ErrorCode::kCorrupt, "malformed frame: not the tenon protocol");
  }
  content_size_ = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    content_size_ |= std::size_t{header_[4 + i]} << (8 * i);
  }
  if (content_size_ == 0) {
    return fail(ErrorCode::kCorrupt, "a message on the socket is empty");
  }
  if (content_size_ > max_bytes_) {
    return fail(ErrorCode::kTooLarge,
                "a message of " + format_size(content_size_) + " exceeds the limit of " + format_size(max_bytes_));
  }
  return {};
}

Result<std::optional<Buffer>> FrameReader::next(BytesView& input) {
  if (header_size_ < kFrameHeaderBytes) {
    const std::size_t count = std::min(kFrameHeaderBytes - header_size_, input.size());
    std::copy_n(input.begin(), count, header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
    header_size_ += count;
    input = input.subspan(count);
    // Invalid data is detected by its first bytes, because its sender may not send all eight bytes
    // of a header.
    const std::size_t marked = std::min(header_size_, kMark.size());
    if (!std::equal(kMark.begin(), kMark.begin() + static_cast<std::ptrdiff_t>(marked), header_.begin())) {
      return fail(ErrorCode::kCorrupt, "malformed frame: not the tenon protocol");
    }
    if (header_size_ < kFrameHeaderBytes) {
      return std::optional<Buffer>();
    }
    TENON_TRY(read_header());
  }
  const std::size_t count = std::min(content_size_ - content_.size(), input.size());
  content_.insert(content_.end(), input.begin(), input.begin() + static_cast<std::ptrdiff_t>(count));
  input = input.subspan(count);
  if (content_.size() < content_size_) {
    return std::optional<Buffer>();
  }
  header_size_ = 0;
  return std::optional(std::exchange(content_, Buffer()));
}

}  // namespace tenon::internal

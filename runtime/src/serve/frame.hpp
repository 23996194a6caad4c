/// Splits a stream of bytes into messages.
///
/// WIRE: a frame is the four bytes "TNS\1", the size of the content (32 bits, little-endian) and
/// the content. This never changes, so that each side can report why the release of the other does
/// not fit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

inline constexpr std::size_t kFrameHeaderBytes = 8;
/// The largest content of a frame. A larger argument or result cannot be sent through the socket.
inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} << 20;
/// The largest content of the first frame of each side, which comes from a peer that is not yet
/// trusted.
inline constexpr std::size_t kMaxHelloBytes = 4096;

/// The largest total size of arguments and results in one message; the rest of a frame is for the
/// other fields.
inline constexpr std::size_t kMaxPayloadBytes = kMaxFrameBytes - (std::size_t{64} << 10);

/// Returns the header of a frame with `size_bytes` of content, at most kMaxFrameBytes. [any-thread]
[[nodiscard]] std::array<std::uint8_t, kFrameHeaderBytes> frame_header(std::size_t size_bytes) noexcept;

/// Extracts frames from bytes as they arrive. Its memory grows with the bytes that have arrived,
/// whatever size a header claims. Not thread-safe.
class FrameReader {
 public:
  /// Frames above `max_bytes` are an error.
  explicit FrameReader(std::size_t max_bytes) noexcept : max_bytes_(max_bytes) {}
  /// Takes effect from the next frame.
  void set_max_bytes(std::size_t max_bytes) noexcept { max_bytes_ = max_bytes; }

  /// Takes bytes from the start of `input` until a frame is complete; returns nullopt if all bytes
  /// were taken first. The frame has the alignment of memory from `new`. Errors: kCorrupt if these
  /// are not frames; kTooLarge. After an error the stream can no longer be used.
  [[nodiscard]] Result<std::optional<Buffer>> next(BytesView& input);
  /// Returns whether part of a frame has arrived.
  [[nodiscard]] bool inside() const noexcept { return header_size_ > 0; }
  /// Returns the size of the current frame; 0 if it is not known yet.
  [[nodiscard]] std::size_t frame_bytes() const noexcept {
    return header_size_ == kFrameHeaderBytes ? content_size_ : 0;
  }

 private:
  Result<void> read_header();

  std::size_t max_bytes_;
  std::array<std::uint8_t, kFrameHeaderBytes> header_{};
  std::size_t header_size_ = 0;
  std::size_t content_size_ = 0;
  Buffer content_;
};

}  // namespace tenon::internal

/// Messages on a stream of bytes: where one ends and the next begins.
///
/// WIRE: a frame is the four bytes "TNS\1", the size of what follows (32 bits, little-endian) and so many bytes. This
/// never changes, so that an end of any release can say why another does not fit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

inline constexpr std::size_t kFrameHeaderBytes = 8;
/// Largest content of a frame. An argument or result beyond it does not go through the socket.
inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} << 20;
/// The same for the first frame of each end, which comes from whoever connects.
inline constexpr std::size_t kMaxHelloBytes = 4096;

/// Arguments and results of one message, at most: the rest of a frame is for what stands around them.
inline constexpr std::size_t kMaxPayloadBytes = kMaxFrameBytes - (std::size_t{64} << 10);

/// The header of a frame with so many bytes, at most kMaxFrameBytes. [any-thread]
[[nodiscard]] std::array<std::uint8_t, kFrameHeaderBytes> frame_header(std::size_t size_bytes) noexcept;

/// Takes frames out of bytes as they come. What it holds grows with what has come, whatever a header claims. Not
/// thread-safe.
class FrameReader {
 public:
  /// Frames above `max_bytes` are an error.
  explicit FrameReader(std::size_t max_bytes) noexcept : max_bytes_(max_bytes) {}
  /// Holds from the next frame on.
  void set_max_bytes(std::size_t max_bytes) noexcept { max_bytes_ = max_bytes; }

  /// Takes bytes from the begin of `input` until a frame is whole; nullopt when all were taken before. The frame is
  /// aligned as memory of `new` is. Errors: kCorrupt these are no frames; kTooLarge. After one, the stream is of no
  /// use any more.
  [[nodiscard]] Result<std::optional<Buffer>> next(BytesView& input);
  /// Whether the stream stands inside a frame.
  [[nodiscard]] bool inside() const noexcept { return header_size_ > 0; }
  /// Size of the frame that it stands inside of; 0 when that is not known yet.
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

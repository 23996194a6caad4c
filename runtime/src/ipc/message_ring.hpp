/// ipc/message_ring.hpp: messages of a worker to its host, through shared memory.
///
/// No kernel object lies between the two: nothing that a worker does to a socket or pipe can block
/// its host, and a worker cannot send its host a descriptor. The control channel carries the other
/// direction.
#pragma once

#include <atomic>
#include <cstdint>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// Size of the ring in bytes; a power of two. Pages are allocated when they are first touched.
inline constexpr std::uint64_t kMessageRingBytes = std::uint64_t{256} << 10;
/// Largest message of a worker.
inline constexpr std::uint64_t kMaxWorkerMessageBytes = std::uint64_t{16} << 10;

/// The worker's end. One thread at a time.
class MessageWriter {
 public:
  MessageWriter() noexcept = default;
  /// `tail` and the kMessageRingBytes at `bytes` are written by this object, `head` by the host.
  /// They must outlive it.
  MessageWriter(std::atomic<std::uint64_t>& tail, std::uint8_t* bytes, const std::atomic<std::uint64_t>& head) noexcept
      : tail_(&tail), bytes_(bytes), head_(&head) {}
  /// Writes one message; false if there is no room. Errors: kTooLarge; kInvalidArgument: empty.
  [[nodiscard]] Result<bool> write(BytesView message) noexcept;

 private:
  void copy_in(std::uint64_t at, BytesView bytes) noexcept;

  std::atomic<std::uint64_t>* tail_ = nullptr;
  std::uint8_t* bytes_ = nullptr;
  const std::atomic<std::uint64_t>* head_ = nullptr;
  std::uint64_t written_ = 0;
};

/// The host's end. One thread at a time.
class MessageReader {
 public:
  MessageReader() noexcept = default;
  /// The counterpart of MessageWriter's constructor.
  MessageReader(const std::atomic<std::uint64_t>& tail, const std::uint8_t* bytes,
                std::atomic<std::uint64_t>& head) noexcept
      : tail_(&tail), bytes_(bytes), head_(&head) {}
  /// Copies the next message out; false if there is none. Errors: kCorrupt: the worker is broken
  /// and must be killed.
  [[nodiscard]] Result<bool> read(Buffer& message);

 private:
  void copy_out(std::uint64_t at, MutableBytesView bytes) const noexcept;

  const std::atomic<std::uint64_t>* tail_ = nullptr;
  const std::uint8_t* bytes_ = nullptr;
  std::atomic<std::uint64_t>* head_ = nullptr;
  std::uint64_t taken_ = 0;
};

}  // namespace tenon::internal

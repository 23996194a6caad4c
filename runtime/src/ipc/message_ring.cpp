#include "ipc/message_ring.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace tenon::internal {

namespace {

// WIRE: a record is the message's size, the message, and padding to the next multiple of
// sizeof(RecordSize).
using RecordSize = std::uint64_t;

constexpr std::uint64_t record_bytes(std::uint64_t message_bytes) noexcept {
  return sizeof(RecordSize) + (message_bytes + sizeof(RecordSize) - 1) / sizeof(RecordSize) * sizeof(RecordSize);
}

}  // namespace

Result<bool> MessageWriter::write(BytesView message) noexcept {
  if (message.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a message to the host needs at least one byte");
  }
  if (message.size() > kMaxWorkerMessageBytes) {
    return fail(ErrorCode::kTooLarge, "a message of " + std::to_string(message.size()) +
                                          " bytes to the host is over the limit of " +
                                          std::to_string(kMaxWorkerMessageBytes));
  }
  const std::uint64_t needed_bytes = record_bytes(message.size());
  // Acquire, with the reader's release: it has copied the bytes below.
  if (written_ - head_->load(std::memory_order_acquire) + needed_bytes > kMessageRingBytes) {
    return false;
  }
  const RecordSize size = message.size();
  copy_in(written_, BytesView(reinterpret_cast<const std::uint8_t*>(&size), sizeof size));
  copy_in(written_ + sizeof size, message);
  written_ += needed_bytes;
  // Release: the record is written.
  tail_->store(written_, std::memory_order_release);
  return true;
}

void MessageWriter::copy_in(std::uint64_t at, BytesView bytes) noexcept {
  const std::uint64_t offset = at % kMessageRingBytes;
  const std::uint64_t first_bytes = std::min<std::uint64_t>(bytes.size(), kMessageRingBytes - offset);
  std::memcpy(bytes_ + offset, bytes.data(), first_bytes);
  std::memcpy(bytes_, bytes.data() + first_bytes, bytes.size() - first_bytes);
}

Result<bool> MessageReader::read(Buffer& message) {
  // Acquire, with the writer's release: the records below the tail are written.
  const std::uint64_t waiting_bytes = tail_->load(std::memory_order_acquire) - taken_;
  if (waiting_bytes == 0) {
    return false;
  }
  if (waiting_bytes > kMessageRingBytes || waiting_bytes < sizeof(RecordSize)) {
    return fail(ErrorCode::kCorrupt, "the tail of a worker's message ring is out of range");
  }
  // SUBTLE: the size and the message are copied first and checked afterwards: the worker can write
  // at any time.
  RecordSize size = 0;
  copy_out(taken_, MutableBytesView(reinterpret_cast<std::uint8_t*>(&size), sizeof size));
  if (size == 0 || size > kMaxWorkerMessageBytes || record_bytes(size) > waiting_bytes) {
    return fail(ErrorCode::kCorrupt, "a message of a worker has an invalid size");
  }
  message.resize(size);
  copy_out(taken_ + sizeof size, message);
  taken_ += record_bytes(size);
  // Release, with the writer's acquire: the record may be overwritten.
  head_->store(taken_, std::memory_order_release);
  return true;
}

void MessageReader::copy_out(std::uint64_t at, MutableBytesView bytes) const noexcept {
  const std::uint64_t offset = at % kMessageRingBytes;
  const std::uint64_t first_bytes = std::min<std::uint64_t>(bytes.size(), kMessageRingBytes - offset);
  std::memcpy(bytes.data(), bytes_ + offset, first_bytes);
  std::memcpy(bytes.data() + first_bytes, bytes_, bytes.size() - first_bytes);
}

}  // namespace tenon::internal

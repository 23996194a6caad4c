/// The messages of the stress test: words that follow from a sequence number, and their checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tenon/bytes.hpp>

#include "ipc/layout.hpp"

namespace tenon::bench {

/// Scatters the bits of a number (the finaliser of splitmix64, by Sebastiano Vigna).
[[nodiscard]] constexpr std::uint64_t scatter(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// The words of a message: sequence number, checksum, contents. Each direction has different
/// contents.
class MessageForm {
 public:
  static constexpr std::size_t kLargestBytes = std::size_t{64} << 10;
  static constexpr MessageForm argument() { return MessageForm(1, internal::kSubmissionInlineBytes); }
  static constexpr MessageForm result() { return MessageForm(2, internal::kCompletionInlineBytes); }

  /// Most messages fit into a slot; one in 32 needs an arena.
  [[nodiscard]] constexpr std::size_t size_bytes(std::uint64_t sequence) const noexcept {
    const std::uint64_t random = scatter(sequence * 4 + direction_);
    std::size_t limit = inline_bytes_;
    if (random % 32 == 0) {
      limit = random % 1024 == 0 ? kLargestBytes : 2048;
    }
    return 16 + (random >> 20) % (limit - 15) / 8 * 8;
  }
  [[nodiscard]] constexpr bool is_inline(std::uint64_t sequence) const noexcept {
    return size_bytes(sequence) <= inline_bytes_;
  }

  /// Writes message `sequence` to `to`, which has room for size_bytes(sequence).
  void write(std::uint64_t sequence, std::uint8_t* to) const noexcept {
    const std::size_t words = size_bytes(sequence) / 8;
    std::uint64_t word = scatter(sequence + direction_);
    std::uint64_t sum = words;
    for (std::size_t i = 2; i < words; ++i) {
      word = word * 0x2545f4914f6cdd1du + sequence;
      sum = sum * 31 + word;
      std::memcpy(to + 8 * i, &word, 8);
    }
    sum = scatter(sum + sequence + direction_);
    std::memcpy(to, &sequence, 8);
    std::memcpy(to + 8, &sum, 8);
  }
  /// Returns whether the bytes are the complete message `sequence` with its size.
  [[nodiscard]] bool check(std::uint64_t sequence, BytesView bytes) const noexcept {
    const std::size_t words = bytes.size() / 8;
    if (bytes.size() != size_bytes(sequence) || word_at(bytes, 0) != sequence) {
      return false;
    }
    std::uint64_t sum = words;
    for (std::size_t i = 2; i < words; ++i) {
      sum = sum * 31 + word_at(bytes, i);
    }
    return word_at(bytes, 1) == scatter(sum + sequence + direction_);
  }

 private:
  constexpr MessageForm(std::uint64_t direction, std::size_t inline_bytes)
      : direction_(direction), inline_bytes_(inline_bytes) {}
  static std::uint64_t word_at(BytesView bytes, std::size_t index) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + 8 * index, 8);
    return word;
  }
  std::uint64_t direction_;
  std::size_t inline_bytes_;
};

/// The call that stops the worker. It has no argument; its result is how many calls the worker has
/// run.
inline constexpr std::uint64_t kLastCall = ~std::uint64_t{0};

/// Pauses now and then, so that the other side goes to sleep and must be woken.
inline constexpr std::uint64_t kMessagesPerPause = 40'000;
[[nodiscard]] constexpr std::uint64_t pause_us(std::uint64_t random) noexcept {
  return random % 800;
}

}  // namespace tenon::bench

/// Examines 64 bytes at a time, without a branch for each byte.
///
/// Written with the vector types of GCC and Clang, so that it compiles for any processor; only the
/// collection of one bit per byte uses an instruction of x86 where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tenon::plugins {

namespace internal {

using Bytes16 = std::uint8_t __attribute__((vector_size(16)));

inline Bytes16 load16(const void* from) noexcept {
  Bytes16 bytes;
  std::memcpy(&bytes, from, sizeof(bytes));
  return bytes;
}

/// Bit i is the highest bit of byte i.
inline std::uint64_t high_bits(Bytes16 bytes) noexcept {
#if defined(__SSE2__)
  using Chars16 = char __attribute__((vector_size(16)));
  return static_cast<std::uint64_t>(
      static_cast<unsigned>(__builtin_ia32_pmovmskb128(reinterpret_cast<Chars16>(bytes))));
#else
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 16; ++i) {
    bits |= static_cast<std::uint64_t>(bytes[i] >> 7) << i;
  }
  return bits;
#endif
}

}  // namespace internal

/// 64 bytes. Each function returns a mask: bit i belongs to byte i.
class ByteBlock {
 public:
  static constexpr std::size_t kSize = 64;

  /// Copies 64 bytes.
  explicit ByteBlock(const void* from) noexcept {
    for (std::size_t i = 0; i < kSize / 16; ++i) {
      parts_[i] = internal::load16(static_cast<const std::uint8_t*>(from) + 16 * i);
    }
  }

  [[nodiscard]] std::uint64_t equal(std::uint8_t byte) const noexcept {
    return mask([byte](internal::Bytes16 part) { return part == byte; });
  }
  /// Bytes from `first` to `last`, both included.
  [[nodiscard]] std::uint64_t between(std::uint8_t first, std::uint8_t last) const noexcept {
    const auto width = static_cast<std::uint8_t>(last - first);
    return mask([first, width](internal::Bytes16 part) { return part - first <= width; });
  }
  /// Bytes that are not ASCII.
  [[nodiscard]] std::uint64_t not_ascii() const noexcept {
    return mask([](internal::Bytes16 part) { return part; });
  }
  /// ASCII letters of either case.
  [[nodiscard]] std::uint64_t letters() const noexcept {
    return mask(
        [](internal::Bytes16 part) { return (part | std::uint8_t{0x20}) - std::uint8_t{'a'} <= std::uint8_t{25}; });
  }

  /// Writes the 64 bytes with ASCII capital letters converted to lower case.
  void copy_lower(void* to) const noexcept {
    for (std::size_t i = 0; i < kSize / 16; ++i) {
      const internal::Bytes16 part = parts_[i];
      const auto capital = reinterpret_cast<internal::Bytes16>(part - std::uint8_t{'A'} <= std::uint8_t{25});
      const internal::Bytes16 lower = part | (capital & std::uint8_t{0x20});
      std::memcpy(static_cast<std::uint8_t*>(to) + 16 * i, &lower, sizeof(lower));
    }
  }

 private:
  template <typename Test>
  [[nodiscard]] std::uint64_t mask(Test test) const noexcept {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < kSize / 16; ++i) {
      bits |= internal::high_bits(reinterpret_cast<internal::Bytes16>(test(parts_[i]))) << (16 * i);
    }
    return bits;
  }

  internal::Bytes16 parts_[kSize / 16];
};

/// The number of bytes equal to `byte`.
inline std::size_t count_bytes(const std::uint8_t* from, const std::uint8_t* end, std::uint8_t byte) noexcept {
  std::size_t count = 0;
  while (end - from >= 16) {
    // A comparison yields -1, so that subtracting counts; a byte counts to 255.
    internal::Bytes16 counts{};
    for (unsigned i = 0; i < 255 && end - from >= 16; ++i, from += 16) {
      counts -= reinterpret_cast<internal::Bytes16>(internal::load16(from) == byte);
    }
    for (unsigned i = 0; i < 16; ++i) {
      count += counts[i];
    }
  }
  for (; from != end; ++from) {
    count += *from == byte ? 1u : 0u;
  }
  return count;
}

}  // namespace tenon::plugins

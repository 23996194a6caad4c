/// Overflow-checked arithmetic on sizes that may come from outside.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

namespace tenon::internal {

/// a + b; nullopt on overflow. [any-thread]
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) noexcept {
  if (b > std::numeric_limits<T>::max() - a) {
    return std::nullopt;
  }
  return static_cast<T>(a + b);
}

/// a * b; nullopt on overflow. [any-thread]
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_multiply(T a, T b) noexcept {
  if (a != 0 && b > std::numeric_limits<T>::max() / a) {
    return std::nullopt;
  }
  return static_cast<T>(a * b);
}

/// `value` rounded up to a multiple of `alignment`, a power of two; nullopt on overflow.
/// [any-thread]
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_align_up(T value, T alignment) noexcept {
  const auto sum = checked_add<T>(value, static_cast<T>(alignment - 1));
  if (!sum) {
    return std::nullopt;
  }
  return static_cast<T>(*sum & ~static_cast<T>(alignment - 1));
}

/// Whether [offset, offset + size) lies inside [0, limit), without overflow. [any-thread]
[[nodiscard]] constexpr bool range_fits(std::uint64_t offset, std::uint64_t size, std::uint64_t limit) noexcept {
  return offset <= limit && size <= limit - offset;
}

/// Whether `value` is a multiple of `alignment`, a power of two. [any-thread]
[[nodiscard]] constexpr bool is_aligned(std::uint64_t value, std::uint64_t alignment) noexcept {
  return (value & (alignment - 1)) == 0;
}

/// Converts between integer types; nullopt if the value does not fit. [any-thread]
template <std::integral To, std::integral From>
[[nodiscard]] constexpr std::optional<To> checked_cast(From value) noexcept {
  const To converted = static_cast<To>(value);
  if (static_cast<From>(converted) != value || ((converted < To{}) != (value < From{}))) {
    return std::nullopt;
  }
  return converted;
}

}  // namespace tenon::internal

/// Bytes that a C library writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace image {

/// Grows without throwing, because what writes to it is C.
class Output {
 public:
  /// False when there is no memory left.
  [[nodiscard]] bool append(const std::uint8_t* data, std::size_t size_bytes) noexcept {
    try {
      bytes_.insert(bytes_.end(), data, data + size_bytes);
      return true;
    } catch (...) {
      return false;
    }
  }
  [[nodiscard]] std::vector<std::uint8_t> take() noexcept { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace image

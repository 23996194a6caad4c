/// Collects the output of a C library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace image {

/// Grows without throwing, because C code writes to it.
class Output {
 public:
  /// Returns false if there is no memory left.
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

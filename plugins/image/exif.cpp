#include "image/exif.hpp"

#include <cstddef>
#include <optional>

namespace image {
namespace {

constexpr std::uint8_t kUpright = 1;
constexpr std::uint32_t kTiffMagic = 42;
constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShortType = 3;
constexpr std::uint32_t kLongType = 4;
constexpr std::size_t kEntryBytes = 12;

/// Reads numbers from a TIFF block at checked offsets.
class TiffBytes {
 public:
  TiffBytes(std::span<const std::uint8_t> bytes, bool little_endian) : bytes_(bytes), little_endian_(little_endian) {}

  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t offset, std::size_t size_bytes) const noexcept {
    if (offset > bytes_.size() || bytes_.size() - offset < size_bytes) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size_bytes; ++i) {
      value = (value << 8) | bytes_[offset + (little_endian_ ? size_bytes - 1 - i : i)];
    }
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool little_endian_;
};

}  // namespace

std::uint8_t exif_orientation(std::span<const std::uint8_t> tiff) noexcept {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) {
    return kUpright;
  }
  const TiffBytes bytes(tiff, tiff[0] == 'I');
  const auto directory = bytes.number(4, 4);
  if (bytes.number(2, 2) != kTiffMagic || !directory) {
    return kUpright;
  }
  const auto entries = bytes.number(*directory, 2);
  for (std::size_t i = 0; entries && i < *entries; ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + i * kEntryBytes;
    const auto tag = bytes.number(entry, 2);
    if (!tag) {
      break;
    }
    if (*tag == kOrientationTag) {
      const auto type = bytes.number(entry + 2, 2);
      const auto value = type == kShortType  ? bytes.number(entry + 8, 2)
                         : type == kLongType ? bytes.number(entry + 8, 4)
                                             : std::nullopt;
      return value && *value >= 1 && *value <= 8 ? static_cast<std::uint8_t>(*value) : kUpright;
    }
  }
  return kUpright;
}

}  // namespace image

#include "image.hpp"

#include <cstring>

#include <tenon/plugin.hpp>

namespace py {
namespace {

// WIRE: runtime/python/tenon/pack.py reads the ABI tag here, moves the section to the end of the
// file, and writes the distance.
__attribute__((section(TENON_MANIFEST_SECTION), used, aligned(16)))
const tenon_manifest_t kTag = {{'T', 'E', 'N', 'O', 'N', '\r', '\n', 0x1a},
                               sizeof(tenon_manifest_t),
                               TENON_ABI_MAJOR,
                               TENON_ABI_MINOR,
                               TENON_ABI_POINTER_BITS,
                               TENON_ABI_ENDIANNESS,
                               TENON_ABI_SANITIZER,
                               0,
                               0,
                               0,
                               {},
                               {}};

/// Distance in bytes from this variable to the image. Volatile, because the value in the file
/// differs from the one that the compiler sees.
__attribute__((section(".tenon_at"), used, aligned(8))) const volatile std::int64_t kDistance = 0;

constexpr std::size_t kAlignment = 16;

template <typename T>
T take(std::span<const std::uint8_t>& rest) {
  T value{};
  if (rest.size() < sizeof value) {
    throw tenon::TaskError(TENON_CORRUPT, "the plugin's files are truncated; pack it again");
  }
  std::memcpy(&value, rest.data(), sizeof value);
  rest = rest.subspan(sizeof value);
  return value;
}

std::span<const std::uint8_t> take_bytes(std::span<const std::uint8_t>& rest, std::size_t size) {
  if (rest.size() < size) {
    throw tenon::TaskError(TENON_CORRUPT, "the plugin's files are truncated; pack it again");
  }
  const auto taken = rest.first(size);
  rest = rest.subspan(size);
  return taken;
}

}  // namespace

const tenon_manifest_t* packed_manifest() noexcept {
  const std::int64_t distance = kDistance;
  if (distance == 0) {
    return nullptr;
  }
  const auto* const here = reinterpret_cast<const std::uint8_t*>(const_cast<const std::int64_t*>(&kDistance));
  return reinterpret_cast<const tenon_manifest_t*>(here + distance);
}

const reflection::Schema& packed_schema(const tenon_manifest_t& manifest) noexcept {
  return *reflection::GetSchema(reinterpret_cast<const std::uint8_t*>(&manifest) + manifest.schema_offset_bytes);
}

std::vector<PackedFile> packed_files(const tenon_manifest_t& manifest) {
  const std::size_t end = std::size_t{manifest.schema_offset_bytes} + manifest.schema_size_bytes;
  const auto* at = reinterpret_cast<const std::uint8_t*>(&manifest) + (end + kAlignment - 1) / kAlignment * kAlignment;
  std::span<const std::uint8_t> head(at, sizeof(std::uint64_t));
  const auto size = take<std::uint64_t>(head);
  std::span<const std::uint8_t> rest(at + sizeof(std::uint64_t), size);
  std::vector<PackedFile> files(take<std::uint32_t>(rest));
  for (PackedFile& file : files) {
    const auto name_size = take<std::uint32_t>(rest);
    const auto content_size = take<std::uint32_t>(rest);
    const auto name = take_bytes(rest, name_size);
    file.name = {reinterpret_cast<const char*>(name.data()), name.size()};
    file.content = take_bytes(rest, content_size);
  }
  return files;
}

}  // namespace py

/// A number inside a plugin file that can be changed without a build, so that each of many swaps
/// has a different content, and each result identifies it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#define TENON_TEST_STAMP_MAGIC "the stamp of a probe:\x1a"

namespace tenon::test {

struct Stamp {
  char magic[24];
  std::uint64_t value;
};

/// Writes a stamp into the bytes of a plugin file. Returns false if it has no stamp, or more than
/// one.
inline bool write_stamp(std::string& file_bytes, std::uint64_t value) {
  const std::string magic(TENON_TEST_STAMP_MAGIC, sizeof(Stamp::magic) - 1);
  const auto at = file_bytes.find(magic);
  if (at == std::string::npos || file_bytes.find(magic, at + 1) != std::string::npos) {
    return false;
  }
  std::memcpy(file_bytes.data() + at + offsetof(Stamp, value), &value, sizeof value);
  return true;
}

}  // namespace tenon::test

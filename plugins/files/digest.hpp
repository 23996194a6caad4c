/// Digests of content.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/content.hpp"
#include "common/poll.hpp"
#include "files_generated.h"

namespace files {

/// Hashes bytes piece by piece. SHA-256 has 32 bytes, BLAKE2b 64, as printed by sha256sum and
/// b2sum.
class Hasher {
 public:
  /// Throws TaskError TENON_INVALID_ARGUMENT for an algorithm that does not exist.
  explicit Hasher(Algorithm algorithm);
  Hasher(Hasher&&) noexcept;
  ~Hasher();

  void update(std::span<const std::uint8_t> bytes);
  /// Returns the digest. The hasher accepts nothing afterwards.
  [[nodiscard]] std::vector<std::uint8_t> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The result of digest_content.
struct ContentDigest {
  std::vector<std::uint8_t> value;
  std::uint64_t size_bytes = 0;
};

/// Reads all of `content`, using 1 MiB of memory. Throws TaskError: TENON_IO; TENON_FAILED if the
/// file changed meanwhile and `detect_changes` is set; exceptions of `poll`.
ContentDigest digest_content(tenon::plugins::Content& content, Algorithm algorithm, bool detect_changes,
                             const tenon::plugins::Poll& poll);

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace files

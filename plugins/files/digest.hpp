/// Digests of content.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/content.hpp"
#include "common/poll.hpp"
#include "files_generated.h"

namespace files {

/// The bytes of a digest: SHA-256 has 32, BLAKE2b 64.
class DigestValue {
 public:
  static constexpr std::size_t kMaxBytes = 64;

  DigestValue() = default;
  explicit DigestValue(std::size_t size_bytes) noexcept : size_bytes_(size_bytes) {}
  [[nodiscard]] std::span<std::uint8_t> bytes() noexcept { return {bytes_.data(), size_bytes_}; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), size_bytes_}; }

 private:
  std::array<std::uint8_t, kMaxBytes> bytes_{};
  std::size_t size_bytes_ = 0;
};

/// The result of Digester::digest.
struct ContentDigest {
  DigestValue value;
  std::uint64_t size_bytes = 0;
};

/// Digests contents as sha256sum and b2sum do, one after another. Keeps its buffer and the state of
/// the libraries from one content to the next, so that a small file costs no allocation. Memory:
/// 256 KiB after the first use. Not thread-safe.
class Digester {
 public:
  Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  ~Digester();

  /// Reads all of `content`. Throws TaskError: TENON_IO; TENON_INVALID_ARGUMENT for an algorithm
  /// that does not exist; TENON_UNAVAILABLE if OpenSSL does not offer it; TENON_FAILED if the file
  /// changed meanwhile and `detect_changes` is set; exceptions of `poll`, which is called once for
  /// each 256 KiB.
  ContentDigest digest(tenon::plugins::Content& content, Algorithm algorithm, bool detect_changes,
                       const tenon::plugins::Poll& poll);

 private:
  class Hash;
  std::unique_ptr<Hash> hash_;
  std::unique_ptr<std::uint8_t[]> buffer_;
};

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace files

/// platform/byte_source.hpp: random access to bytes that may be a file or memory, every read bounded.
#pragma once

#include <cstdint>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// Where a container reader reads from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Size of the whole in bytes.
  [[nodiscard]] virtual std::uint64_t size_bytes() const noexcept = 0;
  /// Reads exactly `size_bytes` bytes at `offset`; the caller has checked that they are there. Errors: those of the
  /// operating system; kCorrupt when the file has shrunk meanwhile.
  [[nodiscard]] virtual Result<Buffer> read(std::uint64_t offset, std::uint64_t size_bytes) const = 0;
};

/// Borrowed memory.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(BytesView bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return bytes_.size(); }
  [[nodiscard]] Result<Buffer> read(std::uint64_t offset, std::uint64_t size_bytes) const override {
    const BytesView part = bytes_.subspan(offset, size_bytes);
    return Buffer(part.begin(), part.end());
  }

 private:
  BytesView bytes_;
};

}  // namespace tenon::internal

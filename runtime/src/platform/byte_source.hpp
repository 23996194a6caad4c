/// platform/byte_source.hpp: bounded random access to bytes of a file or of memory.
#pragma once

#include <cstdint>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// The source of a container reader.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Total size in bytes.
  [[nodiscard]] virtual std::uint64_t size_bytes() const noexcept = 0;
  /// Reads exactly `size_bytes` bytes at `offset`; the caller has checked that they exist. Errors:
  /// those of the operating system; kCorrupt if the file has shrunk meanwhile.
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

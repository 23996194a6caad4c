/// platform/file_source.hpp: a file as a ByteSource.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include <tenon/error.hpp>

#include "platform/byte_source.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// An open regular file, of which only the requested bytes are read.
class FileSource final : public ByteSource {
 public:
  /// Errors: kNotFound; kInvalidArgument: not a regular file; kIo.
  [[nodiscard]] static Result<FileSource> open(const std::filesystem::path& file);
  /// Uses an open file, which stays the caller's. Errors: kIo.
  [[nodiscard]] static Result<FileSource> over(const FileDescriptor& file);

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return size_bytes_; }
  [[nodiscard]] Result<Buffer> read(std::uint64_t offset, std::uint64_t size_bytes) const override;

 private:
  FileSource(FileDescriptor descriptor, std::uint64_t size_bytes) noexcept
      : descriptor_(std::move(descriptor)), size_bytes_(size_bytes) {}
  FileDescriptor descriptor_;
  std::uint64_t size_bytes_;
};

}  // namespace tenon::internal

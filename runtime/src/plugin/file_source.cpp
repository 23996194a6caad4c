#include "plugin/file_source.hpp"

#include <string>
#include <utility>

#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

Result<FileSource> FileSource::open(const std::filesystem::path& file) {
  // Opened once by the platform first: it never waits for a fifo, and its errors name the system's reason.
  auto opened = open_for_reading(file);
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  auto identity = file_identity(*opened);
  if (!identity) {
    return fail(std::move(identity.error()));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail(ErrorCode::kIo, file.string() + ": cannot be opened");
  }
  return FileSource(std::move(stream), identity->size_bytes);
}

Result<Buffer> FileSource::read(std::uint64_t offset, std::uint64_t size_bytes) const {
  Buffer bytes(size_bytes);
  stream_.clear();
  stream_.seekg(static_cast<std::streamoff>(offset));
  stream_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size_bytes));
  if (!stream_ || static_cast<std::uint64_t>(stream_.gcount()) != size_bytes) {
    return fail(ErrorCode::kCorrupt, "the file became shorter while it was read");
  }
  return bytes;
}

}  // namespace tenon::internal

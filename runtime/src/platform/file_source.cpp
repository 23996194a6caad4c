#include "platform/file_source.hpp"

#include <span>
#include <utility>

#include "platform/file.hpp"

namespace tenon::internal {

Result<FileSource> FileSource::open(const std::filesystem::path& file) {
  auto opened = open_for_reading(file);
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  auto identity = file_identity(*opened);
  if (!identity) {
    return fail(std::move(identity.error()));
  }
  return FileSource(std::move(*opened), identity->size_bytes);
}

Result<FileSource> FileSource::over(const FileDescriptor& file) {
  auto opened = file.duplicate();
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  auto identity = file_identity(*opened);
  if (!identity) {
    return fail(std::move(identity.error()));
  }
  return FileSource(std::move(*opened), identity->size_bytes);
}

Result<Buffer> FileSource::read(std::uint64_t offset, std::uint64_t size_bytes) const {
  Buffer bytes(size_bytes);
  for (std::size_t done = 0; done < bytes.size();) {
    auto count = read_some_at(descriptor_, offset + done, std::span(bytes).subspan(done));
    if (!count) {
      return fail(std::move(count.error()));
    }
    if (*count == 0) {
      return fail(ErrorCode::kCorrupt, "the file became shorter while it was read");
    }
    done += *count;
  }
  return bytes;
}

}  // namespace tenon::internal

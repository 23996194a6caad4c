#include "platform/file_source.hpp"

#include <span>
#include <utility>

#include "base/try.hpp"
#include "platform/file.hpp"

namespace tenon::internal {

Result<FileSource> FileSource::open(const std::filesystem::path& file) {
  TENON_ASSIGN(auto opened, open_for_reading(file));
  TENON_ASSIGN(auto identity, file_identity(opened));
  return FileSource(std::move(opened), identity.size_bytes);
}

Result<FileSource> FileSource::over(const FileDescriptor& file) {
  TENON_ASSIGN(auto opened, file.duplicate());
  TENON_ASSIGN(auto identity, file_identity(opened));
  return FileSource(std::move(opened), identity.size_bytes);
}

Result<Buffer> FileSource::read(std::uint64_t offset, std::uint64_t size_bytes) const {
  Buffer bytes(size_bytes);
  for (std::size_t done = 0; done < bytes.size();) {
    TENON_ASSIGN(const auto count, read_some_at(descriptor_, offset + done, std::span(bytes).subspan(done)));
    if (count == 0) {
      return fail(ErrorCode::kCorrupt, "the file became shorter while it was read");
    }
    done += count;
  }
  return bytes;
}

}  // namespace tenon::internal

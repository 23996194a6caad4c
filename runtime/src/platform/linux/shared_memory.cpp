#include "platform/shared_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/private_file.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

/// From linux/memfd.h and fcntl.h; older headers lack them.
constexpr unsigned kMfdNoExecSeal = 0x0008U;
constexpr int kSealFutureWrite = 0x0010;
constexpr long kTmpfsMagic = 0x01021994;
constexpr long kHugetlbfsMagic = 0x958458f6;

/// Which limits may have made mmap fail.
std::string mapping_limits(std::uint64_t size_bytes) {
  std::string text;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    text += "; the address space of this process is limited to " + format_size(limit.rlim_cur) +
            " (RLIMIT_AS, 'ulimit -v')";
  }
  if (::getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    text += "; its private memory is limited to " + format_size(limit.rlim_cur) + " (RLIMIT_DATA, 'ulimit -d')";
  }
  if (text.empty()) {
    text =
        "; the system has no address space of this size, or this process has too many mappings (vm.max_map_count); use "
        "smaller arenas "
        "or fewer workers";
  } else {
    text += "; raise the limit or use smaller arenas (" + format_size(size_bytes) + " requested)";
  }
  return text;
}

Result<Mapping> too_large_to_map(std::uint64_t size_bytes) {
  return fail(ErrorCode::kTooLarge, "cannot map " + format_size(size_bytes) + ": larger than the address space");
}

int to_flags(const Seals& seals) noexcept {
  return (seals.shrink ? F_SEAL_SHRINK : 0) | (seals.grow ? F_SEAL_GROW : 0) |
         (seals.future_write ? kSealFutureWrite : 0) | (seals.write ? F_SEAL_WRITE : 0) |
         (seals.seal ? F_SEAL_SEAL : 0);
}

Seals from_flags(int flags) noexcept {
  return {.shrink = (flags & F_SEAL_SHRINK) != 0,
          .grow = (flags & F_SEAL_GROW) != 0,
          .future_write = (flags & (kSealFutureWrite | F_SEAL_WRITE)) != 0,
          .write = (flags & F_SEAL_WRITE) != 0,
          .seal = (flags & F_SEAL_SEAL) != 0};
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)),
      access_(other.access_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(access_, other.access_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) {
    ::munmap(data_, size_bytes_);
  }
}

Result<Mapping> Mapping::anonymous(std::uint64_t size_bytes) {
  if (size_bytes == 0) {
    return fail(ErrorCode::kInvalidArgument, "a mapping needs at least one byte");
  }
  if (size_bytes > static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    return too_large_to_map(size_bytes);
  }
  void* data = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    Error error = os_error(errno, "cannot reserve " + format_size(size_bytes) + " of memory");
    error.message += mapping_limits(size_bytes);
    return fail(std::move(error));
  }
  return Mapping(static_cast<std::uint8_t*>(data), size_bytes, Access::kReadWrite);
}

void Mapping::discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) noexcept {
  const std::uint64_t page = page_size_bytes();
  if (offset_bytes > size_bytes_ || size_bytes > size_bytes_ - offset_bytes) {
    return;
  }
  const std::uint64_t begin = (offset_bytes + page - 1) / page * page;
  const std::uint64_t end = (offset_bytes + size_bytes) / page * page;
  if (begin < end) {
    ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
  }
}

Result<SharedMemory> SharedMemory::create(std::string_view name, std::uint64_t size_bytes) {
  if (size_bytes == 0) {
    return fail(ErrorCode::kInvalidArgument, "shared memory needs at least one byte");
  }
  if (size_bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    return fail(ErrorCode::kTooLarge,
                "cannot create shared memory of " + format_size(size_bytes) + ": larger than a file can be");
  }
  const std::string label = "tenon " + printable(name, 200);
  int number = ::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdNoExecSeal);
  if (number < 0 && errno == EINVAL) {
    // Linux before 6.3 does not have this flag.
    number = ::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  if (number < 0) {
    return fail(limit_error(errno, "cannot create shared memory '" + label + "'"));
  }
  FileDescriptor descriptor(number);
  const FileSizeErrors no_signal;
  int code = 0;
  do {
    code = ::ftruncate(number, static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
  } while (code == EINTR);
  if (code != 0) {
    Error error = limit_error(code, "cannot create shared memory '" + label + "' of " + format_size(size_bytes));
    if (code == EFBIG || code == EINVAL) {
      error.code = ErrorCode::kTooLarge;
      error.message += file_size_limit() ? ", or use smaller arenas (RuntimeOptions::argument_arena_bytes, "
                                           "result_arena_bytes)"
                                         : "; larger than the system allows";
    } else if (code == ENOSPC) {
      error.code = ErrorCode::kOutOfMemory;
    }
    return fail(std::move(error));
  }
  return SharedMemory(std::move(descriptor), size_bytes);
}

namespace {

/// Fills new memory with `write` and seals it.
template <typename Write>
Result<SharedMemory> sealed_copy(std::string_view name, std::uint64_t size_bytes, Write write) {
  auto memory = SharedMemory::create(name, std::max<std::uint64_t>(size_bytes, 1));
  if (!memory) {
    return memory;
  }
  // Uses write() instead of a mapping: out of memory is then an error here instead of SIGBUS.
  if (Result<void> written = write(memory->descriptor()); !written) {
    if (written.error().context.os_code == ENOSPC) {
      written.error().code = ErrorCode::kOutOfMemory;
    }
    return fail(std::move(written.error()));
  }
  TENON_TRY(memory->seal({.shrink = true, .grow = true, .future_write = false, .write = true, .seal = true}));
  return memory;
}

}  // namespace

Result<SharedMemory> SharedMemory::copy_of(std::string_view name, BytesView bytes) {
  return sealed_copy(name, bytes.size(), [bytes](const FileDescriptor& to) { return write_all(to, bytes); });
}

Result<SharedMemory> SharedMemory::copy_of(std::string_view name, const FileDescriptor& file, std::uint64_t size_bytes,
                                           BytesView suffix) {
  return sealed_copy(name, size_bytes + suffix.size(), [&](const FileDescriptor& to) -> Result<void> {
    TENON_ASSIGN(const auto copied, copy_content(file, to, size_bytes));
    if (copied != size_bytes) {
      return fail(ErrorCode::kCorrupt, "the file became shorter while it was copied");
    }
    return write_at(to, size_bytes, suffix);
  });
}

Result<SharedMemory> SharedMemory::adopt(FileDescriptor descriptor, const Seals& required) {
  struct statfs system {};
  struct stat status {};
  if (!descriptor.valid() || ::fstat(descriptor.get(), &status) != 0 || ::fstatfs(descriptor.get(), &system) != 0) {
    return fail(ErrorCode::kCorrupt, "the descriptor for shared memory is not open");
  }
  const int flags = ::fcntl(descriptor.get(), F_GET_SEALS);
  const bool memory_file = S_ISREG(status.st_mode) && (static_cast<long>(system.f_type) == kTmpfsMagic ||
                                                       static_cast<long>(system.f_type) == kHugetlbfsMagic);
  if (flags < 0 || !memory_file) {
    return fail(ErrorCode::kCorrupt, "the descriptor for shared memory names another kind of file");
  }
  if (status.st_size <= 0) {
    return fail(ErrorCode::kCorrupt, "shared memory from another process is empty");
  }
  TENON_TRY(check_seals(descriptor, required));
  return SharedMemory(std::move(descriptor), static_cast<std::uint64_t>(status.st_size));
}

Result<Mapping> SharedMemory::map(Access access) const {
  if (size_bytes_ > static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    return too_large_to_map(size_bytes_);
  }
  const int protection = access == Access::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  void* data = ::mmap(nullptr, size_bytes_, protection, MAP_SHARED | MAP_NORESERVE, descriptor_.get(), 0);
  if (data == MAP_FAILED) {
    const int code = errno;
    Error error = os_error(code, "cannot map " + format_size(size_bytes_) + " of shared memory");
    if (code == ENOMEM) {
      error.message += mapping_limits(size_bytes_);
    } else if (code == EPERM) {
      error.message += "; a seal forbids this kind of mapping";
    }
    return fail(std::move(error));
  }
  // Otherwise core dumps of workers and hosts would contain all arenas, gigabytes of them. A kernel
  // without this flag keeps them.
  ::madvise(data, size_bytes_, MADV_DONTDUMP);
  return Mapping(static_cast<std::uint8_t*>(data), size_bytes_, access);
}

Result<void> SharedMemory::seal(const Seals& seals) const {
  if (::fcntl(descriptor_.get(), F_ADD_SEALS, to_flags(seals)) != 0) {
    return fail(os_error(errno, "cannot seal shared memory"));
  }
  return {};
}

Result<Seals> SharedMemory::seals() const {
  const int flags = ::fcntl(descriptor_.get(), F_GET_SEALS);
  if (flags < 0) {
    return fail(os_error(errno, "cannot read the seals of shared memory"));
  }
  return from_flags(flags);
}

Result<void> SharedMemory::commit_all() const {
  int code = 0;
  do {
    code = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size_bytes_));
  } while (code == EINTR);
  if (code != 0) {
    Error error = os_error(code, "cannot allocate " + format_size(size_bytes_) + " of memory");
    if (code == ENOSPC) {
      error.code = ErrorCode::kOutOfMemory;
    }
    return fail(std::move(error));
  }
  return {};
}

Result<void> SharedMemory::write(std::uint64_t offset_bytes, BytesView bytes) const {
  const FileSizeErrors no_signal;
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      Error error =
          limit_error(count == 0 ? ENOSPC : errno, "cannot write " + format_size(bytes.size()) + " into shared memory");
      if (error.context.os_code == ENOSPC) {
        error.code = ErrorCode::kOutOfMemory;
      }
      return fail(std::move(error));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset_bytes += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> check_seals(const FileDescriptor& descriptor, const Seals& required) {
  const int flags = ::fcntl(descriptor.get(), F_GET_SEALS);
  // A write seal includes the seal of future writes.
  const int held = flags >= 0 && (flags & F_SEAL_WRITE) != 0 ? flags | kSealFutureWrite : flags;
  if (flags < 0 || (to_flags(required) & ~held) != 0) {
    return fail(ErrorCode::kCorrupt,
                "shared memory from another process lacks seals: it could change under its reader");
  }
  return {};
}

std::uint64_t physical_memory_bytes() noexcept {
  return static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L)) * page_size_bytes();
}

std::uint64_t page_size_bytes() noexcept {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace tenon::internal

#include "platform/private_pages.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

namespace tenon::internal {

Result<void*> map_private_pages(std::size_t size_bytes) {
  // The system aligns only to its page size: the excess on both sides is unmapped.
  void* mapped =
      ::mmap(nullptr, 2 * size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    ErrorContext context;
    context.os_code = errno;
    return fail(ErrorCode::kOutOfMemory,
                "the system cannot provide " + std::to_string(size_bytes) +
                    " bytes of memory: " + std::generic_category().message(context.os_code),
                std::move(context));
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped);
  const std::uintptr_t aligned = (begin + size_bytes - 1) & ~(std::uintptr_t{size_bytes} - 1);
  if (aligned != begin) {
    ::munmap(mapped, aligned - begin);
  }
  if (const std::uintptr_t rest = begin + size_bytes - aligned; rest != 0) {
    ::munmap(reinterpret_cast<void*>(aligned + size_bytes), rest);
  }
  auto* pages = reinterpret_cast<void*>(aligned);
  return pages;
}

void unmap_private_pages(void* pages, std::size_t size_bytes) noexcept {
  ::munmap(pages, size_bytes);
}

}  // namespace tenon::internal

/// platform/private_pages.hpp: private memory of this process, in pages from the system.
#pragma once

#include <cstddef>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Maps `size_bytes` of zeroed pages, aligned to `size_bytes`, a power of two of at least one page.
/// Errors: kOutOfMemory. [any-thread]
[[nodiscard]] Result<void*> map_private_pages(std::size_t size_bytes);
/// Unmaps the pages.
void unmap_private_pages(void* pages, std::size_t size_bytes) noexcept;

}  // namespace tenon::internal

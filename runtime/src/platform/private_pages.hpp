/// platform/private_pages.hpp: memory of this process alone, page by page from the system.
#pragma once

#include <cstddef>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Pages that read as zero, `size_bytes` at a multiple of it; a power of two of at least a page. Errors: kOutOfMemory.
/// [any-thread]
[[nodiscard]] Result<void*> map_private_pages(std::size_t size_bytes);
/// Gives them back.
void unmap_private_pages(void* pages, std::size_t size_bytes) noexcept;

}  // namespace tenon::internal

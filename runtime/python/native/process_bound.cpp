#include "python/native/process_bound.hpp"

#include <atomic>

namespace tenon::python {
namespace {

// Relaxed: written in a child process while its only thread is inside fork().
std::atomic<std::uint32_t> g_generation{0};

}  // namespace

std::uint32_t process_generation() noexcept {
  return g_generation.load(std::memory_order_relaxed);
}

void enter_child() noexcept {
  g_generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace tenon::python

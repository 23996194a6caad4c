#include "python/native/wait.hpp"

#include <atomic>

namespace tenon::python {
namespace {

// Relaxed: written with the GIL, which orders it.
std::atomic<unsigned long> g_main_thread{0};
std::atomic<unsigned long> g_callback_thread{0};

}  // namespace

bool on_main_thread() noexcept {
  return PyThread_get_thread_ident() == g_main_thread.load(std::memory_order_relaxed);
}

bool on_callback_thread() noexcept {
  return PyThread_get_thread_ident() == g_callback_thread.load(std::memory_order_relaxed);
}

void note_callback_thread(unsigned long ident) noexcept {
  g_callback_thread.store(ident, std::memory_order_relaxed);
}

void note_main_thread(unsigned long ident) noexcept {
  g_main_thread.store(ident, std::memory_order_relaxed);
}

}  // namespace tenon::python

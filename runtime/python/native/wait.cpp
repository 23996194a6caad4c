#include "python/native/wait.hpp"

#include <atomic>

namespace tenon::python {
namespace {

// Relaxed: only written with the GIL, which orders the accesses.
std::atomic<unsigned long> g_main_thread{0};
std::atomic<unsigned long> g_callback_thread{0};
std::atomic<unsigned long> g_exit_thread{0};  // 0: the interpreter is not ending.

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

bool must_end_quietly() noexcept {
  const unsigned long exit_thread = g_exit_thread.load(std::memory_order_relaxed);
  return exit_thread != 0 && PyThread_get_thread_ident() != exit_thread && !on_callback_thread();
}

void note_exit() noexcept {
  g_exit_thread.store(PyThread_get_thread_ident(), std::memory_order_relaxed);
}

void note_main_thread(unsigned long ident) noexcept {
  g_main_thread.store(ident, std::memory_order_relaxed);
}

}  // namespace tenon::python

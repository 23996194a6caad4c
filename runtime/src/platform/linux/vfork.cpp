// Linked only into tenon-worker, which exports it: its plugins then call this function.
#include <sys/types.h>
#include <unistd.h>

/// A child of the C library's vfork() that returns into its caller runs on the worker's own memory
/// and stack, and detecting it would cost a system call per call. POSIX allows vfork() to be
/// fork().
extern "C" __attribute__((visibility("default"))) pid_t vfork() noexcept {
  return ::fork();
}

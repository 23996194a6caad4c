// For tenon-worker only, which exports it: what its plugins call is then this function.
#include <sys/types.h>
#include <unistd.h>

/// A child of the C library's vfork() that comes back into its caller runs on the worker's own memory and stack, and no
/// check finds it without a system call for each call. POSIX allows a vfork() that is a fork().
extern "C" __attribute__((visibility("default"))) pid_t vfork() noexcept {
  return ::fork();
}

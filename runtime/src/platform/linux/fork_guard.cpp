#include "platform/fork_guard.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <new>
#include <string_view>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "platform/shared_memory.hpp"

namespace tenon::internal {

namespace {

/// Exit code of a child that would have continued as its parent (EX_SOFTWARE).
constexpr int kForkedChildExit = 70;
constexpr std::size_t kMaxParts = 4;

/// State for the handler in a child. Written once, before the handler is registered; a child
/// changes its own copy.
struct Armed {
  std::atomic<std::uint32_t>* word = nullptr;
  pid_t process_id = 0;
  std::array<MutableBytesView, kMaxParts> hidden{};
  std::array<int, kMaxParts> descriptors{};
  std::size_t descriptor_count = 0;
};

// Global, because the C library's handlers take no argument and guard the whole process.
Armed armed;
// A child created by any other thread must outlive that thread: PR_SET_PDEATHSIG would kill it when
// the thread exits.
thread_local bool children_end_with_process = false;

/// Runs in the child of a fork() before fork() returns. Makes only system calls: other threads may
/// have held any lock.
void on_fork_in_child() {
  const pid_t parent = armed.process_id;
  armed.process_id = ::getpid();
  armed.word->store(0, std::memory_order_relaxed);
  for (std::size_t i = 0; i < armed.descriptor_count; ++i) {
    ::close(armed.descriptors[i]);
  }
  armed.descriptor_count = 0;
  for (MutableBytesView& hidden : armed.hidden) {
    if (!hidden.empty()) {
      // The private pages let a child that builds a result reach the check at the end instead of
      // dying from a signal.
      ::mmap(hidden.data(), hidden.size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
      hidden = {};
    }
  }
  if (children_end_with_process) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(kForkedChildExit);  // The parent exited first, so no signal will come.
    }
  }
}

}  // namespace

Result<ForkGuard> ForkGuard::arm(const ForkGuardOptions& options) {
  if (armed.word != nullptr || options.hidden.size() > kMaxParts || options.descriptors.size() > kMaxParts) {
    return fail(ErrorCode::kInternal, "a fork guard is armed twice or has too many parts");
  }
  const std::uint64_t page_bytes = page_size_bytes();
  void* page = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return fail(os_error(errno, "cannot reserve a page for the fork guard"));
  }
  // Before Linux 4.14 only the handler clears the word, so a child of a raw system call goes
  // undetected.
  static_cast<void>(::madvise(page, page_bytes, MADV_WIPEONFORK));
  armed.word = new (page) std::atomic<std::uint32_t>(1);
  armed.process_id = ::getpid();
  std::copy(options.hidden.begin(), options.hidden.end(), armed.hidden.begin());
  std::copy(options.descriptors.begin(), options.descriptors.end(), armed.descriptors.begin());
  armed.descriptor_count = options.descriptors.size();
  for (const MutableBytesView hidden : options.hidden) {
    if (::madvise(hidden.data(), hidden.size(), MADV_DONTFORK) != 0) {
      return fail(os_error(errno, "cannot keep shared memory from children"));
    }
  }
  children_end_with_process = true;
  if (const int code = ::pthread_atfork(nullptr, nullptr, on_fork_in_child); code != 0) {
    return fail(os_error(code, "cannot register a handler for children"));
  }
  ForkGuard guard;
  guard.word_ = armed.word;
  guard.process_id_ = armed.process_id;
  return guard;
}

bool ForkGuard::in_any_child() const noexcept {
  return in_child() || (process_id_ != 0 && ::getpid() != static_cast<pid_t>(process_id_));
}

void ForkGuard::leave() noexcept {
  constexpr std::string_view kWhy =
      "tenon-worker: a child process of a task returned into the worker instead of exiting (a failed exec "
      "must be followed by _exit); the child is stopped here, and the worker continues\n";
  static_cast<void>(!::write(STDERR_FILENO, kWhy.data(), kWhy.size()));
  ::_exit(kForkedChildExit);
}

}  // namespace tenon::internal

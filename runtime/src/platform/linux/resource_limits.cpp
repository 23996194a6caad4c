#include "platform/resource_limits.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <string>
#include <system_error>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.hpp"
#include "platform/linux/kernel_file.hpp"

namespace tenon::internal {

namespace {

/// The minimum stack size of tenon's programs, including the stack used by their libraries.
constexpr std::uint64_t kLeastStackBytes = std::uint64_t{256} << 10;

template <typename Resource>
std::optional<std::uint64_t> soft_limit(Resource resource) noexcept {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  return limit.rlim_cur;
}

/// The first line of a file; empty if it cannot be read.
std::string value_of(const std::string& file) {
  const std::string text = read_kernel_file(file);
  return text.substr(0, text.find('\n'));
}

/// The task limit of the innermost control group that has one: "; its control group may have 20
/// ...".
std::string task_limit_of_group() {
  const std::string groups = read_kernel_file("/proc/self/cgroup");
  std::string_view rest = groups;
  while (const auto group = take_group(rest)) {
    if (!group->controllers.empty() && group->controllers != "pids") {
      continue;
    }
    const std::string root = group->controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    for (std::string_view path = group->path;; path = path.substr(0, path.rfind('/'))) {
      const std::string file = root + std::string(path) + (path.ends_with('/') ? "" : "/") + "pids.";
      const std::string most = value_of(file + "max");
      if (!most.empty() && most != "max") {
        return "; its control group may have " + most + " processes and threads, and has " +
               value_of(file + "current") + " (" + file +
               "max; raise TasksMax= in a systemd unit, --pids-limit of a container)";
      }
      if (path.size() <= 1) {
        break;
      }
    }
  }
  return {};
}

/// The limits on processes and threads. All of them count threads, which the text says where a user
/// would not expect it.
std::string task_limits() {
  std::string text;
  if (const auto limit = soft_limit(RLIMIT_NPROC); limit && ::getuid() != 0) {
    text += "; all processes of user " + std::to_string(::getuid()) + " may have " +
            count_of(*limit, "process or thread", "processes and threads") +
            " at once (RLIMIT_NPROC; raise 'ulimit -u', LimitNPROC= in a systemd unit)";
  }
  text += task_limit_of_group();
  if (const auto limit = soft_limit(RLIMIT_AS)) {
    text += "; the address space of this process, which holds the stacks of threads, is limited to " +
            format_size(*limit) + " (RLIMIT_AS; raise 'ulimit -v')";
  }
  if (const auto limit = soft_limit(RLIMIT_DATA)) {
    text += "; the private memory of this process, which holds stacks too, is limited to " + format_size(*limit) +
            " (RLIMIT_DATA; raise 'ulimit -d')";
  }
  if (text.empty()) {
    text = "; the system has no more processes or threads (kernel.threads-max is " +
           value_of("/proc/sys/kernel/threads-max") + ")";
  }
  return text + ", or use fewer workers: each takes two";
}

std::string descriptor_limits() {
  const auto limit = soft_limit(RLIMIT_NOFILE);
  return limit ? "; this process may have " + std::to_string(*limit) +
                     " descriptors open, and all are in use (RLIMIT_NOFILE; raise 'ulimit -n', LimitNOFILE= in a "
                     "systemd unit), or use fewer workers"
               : std::string();
}

sigset_t file_size_signal() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  return set;
}

}  // namespace

Error limit_error(int os_code, std::string_view what) {
  std::string text;
  switch (os_code) {
    case EMFILE:
      text = descriptor_limits();
      break;
    case EAGAIN:
      text = task_limits();
      break;
    case ENOMEM:
      text = memory_limit_text();
      break;
    case EFBIG:
      text = file_size_limit_text();
      break;
    case E2BIG:
      // For a program being started: its arguments and environment may take at most a quarter of
      // its stack.
      if (const auto limit = stack_limit()) {
        text = "; its stack is limited to " + format_size(*limit) + " (RLIMIT_STACK; raise 'ulimit -s')";
      }
      break;
    default:
      break;
  }
  Error error = os_error(os_code, what);
  if (!text.empty()) {
    // The general advice of os_error says the same without the value.
    error.message = std::string(what) + ": " + std::generic_category().message(os_code) + text;
  }
  return error;
}

std::string memory_limit_text() {
  std::string text;
  if (const auto limit = soft_limit(RLIMIT_AS)) {
    text +=
        "; the address space of this process is limited to " + format_size(*limit) + " (RLIMIT_AS; raise 'ulimit -v')";
  }
  if (const auto limit = soft_limit(RLIMIT_DATA)) {
    text += "; its private memory is limited to " + format_size(*limit) + " (RLIMIT_DATA; raise 'ulimit -d')";
  }
  return text;
}

std::optional<std::uint64_t> file_size_limit() noexcept {
  return soft_limit(RLIMIT_FSIZE);
}

std::string file_size_limit_text() {
  const auto limit = file_size_limit();
  return limit ? "; this process may write files of at most " + format_size(*limit) +
                     ", shared memory among them (RLIMIT_FSIZE; raise 'ulimit -f', LimitFSIZE= in a systemd unit)"
               : std::string();
}

FileSizeErrors::FileSizeErrors() noexcept {
  // Most processes have no such limit, and then this one cheap system call is enough.
  if (!file_size_limit()) {
    return;
  }
  const sigset_t signal = file_size_signal();
  sigset_t before;
  blocked_here_ = ::pthread_sigmask(SIG_BLOCK, &signal, &before) == 0 && sigismember(&before, SIGXFSZ) == 0;
}

FileSizeErrors::~FileSizeErrors() {
  if (!blocked_here_) {
    return;
  }
  // The kernel sends the signal to the writing thread. It was not blocked before, so a pending one
  // is ours.
  const int code = errno;
  const sigset_t signal = file_size_signal();
  const timespec at_once{};
  while (::sigtimedwait(&signal, nullptr, &at_once) < 0 && errno == EINTR) {
  }
  ::pthread_sigmask(SIG_UNBLOCK, &signal, nullptr);
  errno = code;
}

void ignore_file_size_signal() noexcept {
  ::signal(SIGXFSZ, SIG_IGN);
}

std::optional<std::uint64_t> stack_limit() noexcept {
  return soft_limit(RLIMIT_STACK);
}

Result<void> check_stack_limit(std::string_view who) {
  const auto limit = stack_limit();
  if (!limit || *limit >= kLeastStackBytes) {
    return {};
  }
  return fail(ErrorCode::kUnavailable, std::string(who) + " needs a stack of " + format_size(kLeastStackBytes) +
                                           " or more, but this process is limited to " + format_size(*limit) +
                                           " (RLIMIT_STACK); raise 'ulimit -s', LimitSTACK= in a systemd unit");
}

std::string limit_signal_text(int signal) {
  std::optional<std::uint64_t> limit;
  switch (signal) {
    case SIGXFSZ:
      limit = file_size_limit();
      return limit ? ": files are limited to " + format_size(*limit) + ", RLIMIT_FSIZE; raise 'ulimit -f'" : "";
    case SIGXCPU:
      limit = soft_limit(RLIMIT_CPU);
      return limit ? ": it used up its CPU time of " + std::to_string(*limit) + " s, RLIMIT_CPU; raise 'ulimit -t'"
                   : "";
    default:
      return {};
  }
}

}  // namespace tenon::internal

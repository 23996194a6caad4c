#include "platform/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope_guard.hpp"
#include "base/try.hpp"
#include "platform/fork_guard.hpp"
#include "platform/resource_limits.hpp"

extern char** environ;

namespace tenon::internal {

namespace {

/// The kernel's record of a process behind a pidfd (linux/pidfd.h, Linux 6.13; since 6.15 with the
/// exit code even if other code reaped the child). Declared here because older headers lack it.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kPidfdInfoExit = 1u << 3;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xff, 11, PidfdInfo);
/// waitid's P_PIDFD, which older C libraries lack.
constexpr auto kWaitPidfd = static_cast<idtype_t>(3);
/// pidfd_send_signal's PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9; older kernels answer EINVAL).
constexpr unsigned kPidfdSignalGroup = 1u << 2;

ExitStatus status_from_wait_word(int word) {
  ExitStatus status;
  if (WIFEXITED(word)) {
    status.exit_code = WEXITSTATUS(word);
  } else if (WIFSIGNALED(word)) {
    status.signal = WTERMSIG(word);
  }
  return status;
}

/// Waits for readability. Returns whether it was reached before the deadline.
bool wait_readable(int descriptor, MonotonicNs deadline_ns) noexcept {
  for (;;) {
    pollfd entry{.fd = descriptor, .events = POLLIN, .revents = 0};
    const int count = ::poll(&entry, 1, remaining_ms(deadline_ns));
    if (count > 0) {
      return true;
    }
    if (count == 0 && remaining_ms(deadline_ns) == 0) {
      return false;
    }
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return true;  // The caller's next system call reports the error.
    }
  }
}

/// Owns the objects that posix_spawn needs.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(limit_error(errno, "cannot create a pipe"));
  }
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// Why the system killed a process, if the signal does not say so.
std::string kill_note(int signal, const rusage& usage) {
  rlimit limit{};
  // SIGXCPU is sent at the soft limit, SIGKILL at the hard limit, which may be equal.
  if (signal != SIGKILL || ::getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ||
      static_cast<rlim_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1 < limit.rlim_max) {
    return {};
  }
  return limit_signal_text(SIGXCPU);
}

std::vector<std::string> child_environment(const SpawnOptions& options) {
  const auto named = [](std::string_view entry, std::string_view name) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
  };
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool replaced = std::any_of(options.environment.begin(), options.environment.end(),
                                      [&](const auto& added) { return named(text, added.first); });
    const bool removed = std::any_of(options.environment_removed.begin(), options.environment_removed.end(),
                                     [&](const auto& name) { return named(text, name); });
    if (!replaced && !removed) {
      result.emplace_back(text);
    }
  }
  for (const auto& [name, value] : options.environment) {
    result.push_back(name + '=' + value);
  }
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

constexpr int kMaxTarget = 255;

Result<void> check(const SpawnOptions& options) {
  std::vector<int> targets;
  for (const ChildDescriptor& child : options.descriptors) {
    if (child.target < 3 || child.target > kMaxTarget) {
      return fail(ErrorCode::kInvalidArgument,
                  "a child's descriptor number must be from 3 to 255, not " + std::to_string(child.target));
    }
    if (std::find(targets.begin(), targets.end(), child.target) != targets.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  "a child's descriptor number is given twice: " + std::to_string(child.target));
    }
    targets.push_back(child.target);
  }
  const auto has_zero = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  bool broken = has_zero(options.executable.native()) || has_zero(options.working_directory.native());
  for (const std::string& argument : options.arguments) {
    broken = broken || has_zero(argument);
  }
  for (const auto& [name, value] : options.environment) {
    broken = broken || name.empty() || name.find('=') != std::string::npos || has_zero(name) || has_zero(value);
  }
  if (broken) {
    return fail(
        ErrorCode::kInvalidArgument,
        "an argument or environment value for a child contains a zero byte, or an environment name is not valid");
  }
  return {};
}

/// The text of a small file, read without allocating and cut to the size of the buffer.
std::string_view read_small(const char* path, std::span<char> buffer) noexcept {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return {};
  }
  std::size_t used = 0;
  ssize_t count = 0;
  while (used < buffer.size() && (count = ::read(file, buffer.data() + used, buffer.size() - used)) > 0) {
    used += static_cast<std::size_t>(count);
  }
  ::close(file);
  return {buffer.data(), used};
}

/// Returns whether the process behind a pidfd has not been reaped, so that its number is still its own.
bool keeps_number(int pidfd) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) == 0 || errno == EPERM;
}

/// Sends a signal to the group that the process behind a pidfd leads or led. `process` is the number of both.
void signal_group(int pidfd, pid_t process, int signal) noexcept {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, kPidfdSignalGroup) != 0 && errno == EINVAL &&
      keeps_number(pidfd)) {
    ::kill(-process, signal);
  }
}

struct ProcessState {
  pid_t parent = 0;    ///< 0 if there is no such process.
  bool exits = false;  ///< It has begun to exit, or is a zombie.
};

ProcessState state_of(pid_t process) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", process);
  std::array<char, 256> text;
  std::string_view rest = read_small(path.data(), text);
  // "number (name) state parent group session terminal foreground flags ...", where the name may
  // contain anything.
  const std::size_t name_end = rest.rfind(')');
  constexpr std::size_t kToParent = 4;
  if (name_end == std::string_view::npos || rest.size() < name_end + kToParent) {
    return {};
  }
  rest.remove_prefix(name_end + kToParent);
  constexpr std::size_t kFlags = 5;
  constexpr long kExiting = 4;  // PF_EXITING of the kernel.
  std::array<long, kFlags + 1> fields{};
  for (long& field : fields) {
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), field);
    rest.remove_prefix(std::min<std::size_t>(static_cast<std::size_t>(parsed.ptr - rest.data()) + 1, rest.size()));
  }
  return {static_cast<pid_t>(fields[0]), (fields[kFlags] & kExiting) != 0};
}

/// Kills the children of all threads of a process and their descendants, as far as /proc shows
/// them. `pidfd` is the process's, or negative for this process. Another process may get the number of one that has
/// been reaped, so each number that was read counts only if its owner is still there afterwards.
void kill_children_of(pid_t process, int pidfd, int depth = 0) noexcept {
  constexpr int kMaxDepth = 16;
  const auto there = [pidfd] { return pidfd < 0 || keeps_number(pidfd); };
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/task", process);
  const FileDescriptor directory(depth == kMaxDepth ? -1 : ::open(path.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) {
    return;
  }
  alignas(dirent64) std::array<char, 2048> entries;
  long size = 0;
  while ((size = ::syscall(SYS_getdents64, directory.get(), entries.data(), entries.size())) > 0) {
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      at += entry->d_reclen;
      const int thread = std::atoi(entry->d_name);
      if (thread <= 0) {
        continue;
      }
      std::array<char, 4096> text;
      std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/children", process, thread);
      std::string_view rest = read_small(path.data(), text);
      // A truncated number would name another process.
      rest = rest.substr(0, rest.rfind(' ') + 1);
      while (!rest.empty()) {
        int child = 0;
        const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), child);
        rest.remove_prefix(std::min<std::size_t>(static_cast<std::size_t>(parsed.ptr - rest.data()) + 1, rest.size()));
        if (child <= 0) {
          continue;
        }
        const FileDescriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
        if (!handle.valid() || state_of(child).parent != process) {
          continue;  // It has ended meanwhile, and its number may be another process's.
        }
        if (!there()) {
          return;
        }
        // Descendants first: they leave the parent's list in /proc when the parent dies.
        kill_children_of(child, handle.get(), depth + 1);
        ::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
      }
    }
  }
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (exit_code) {
    return "exit code " + std::to_string(*exit_code);
  }
  if (signal != 0) {
    return "signal " + std::to_string(signal) + " (" + signal_name(signal) + limit_signal_text(signal) + note + ")";
  }
  return "an unknown status";
}

Result<Process> Process::spawn(const SpawnOptions& options) {
  TENON_TRY(check(options));
  SpawnPlan plan;
  int failed = 0;
  const auto note = [&failed](int code) {
    if (failed == 0) {
      failed = code;
    }
  };

  // The child's descriptors are first moved above all targets, so that no target overwrites a
  // source that is still needed.
  int highest_target = 2;
  for (const ChildDescriptor& child : options.descriptors) {
    highest_target = std::max(highest_target, child.target);
  }
  std::vector<FileDescriptor> lifted;
  const auto lift = [&](int source) -> Result<int> {
    const int number = ::fcntl(source, F_DUPFD_CLOEXEC, highest_target + 1);
    if (number < 0) {
      Error error = limit_error(errno, "cannot pass descriptor " + std::to_string(source) + " to a child");
      if (errno == EBADF) {
        error.code = ErrorCode::kInvalidArgument;
      }
      return fail(std::move(error));
    }
    lifted.emplace_back(number);
    return number;
  };

  FileDescriptor parent_ends[3];
  const StreamMode modes[3] = {options.standard_input, options.standard_output, options.standard_error};
  std::vector<std::pair<int, int>> copies;
  std::vector<FileDescriptor> child_ends;
  std::vector<int> absent;
  for (int stream = 0; stream < 3; ++stream) {
    StreamMode mode = modes[stream];
    if (mode == StreamMode::kInherit && ::fcntl(stream, F_GETFD) < 0) {
      mode = StreamMode::kNull;  // This process has closed its own.
    }
    if (mode == StreamMode::kNull) {
      absent.push_back(stream);
    } else if (mode == StreamMode::kInherit) {
      TENON_ASSIGN(const auto number, lift(stream));
      copies.emplace_back(number, stream);
    } else {
      TENON_ASSIGN(auto pipe, make_pipe());
      child_ends.push_back(std::move(stream == 0 ? pipe.read_end : pipe.write_end));
      parent_ends[stream] = std::move(stream == 0 ? pipe.write_end : pipe.read_end);
      TENON_ASSIGN(const auto number, lift(child_ends.back().get()));
      copies.emplace_back(number, stream);
    }
  }
  for (const ChildDescriptor& child : options.descriptors) {
    TENON_ASSIGN(const auto number, lift(child.source));
    copies.emplace_back(number, child.target);
  }
  for (const int stream : absent) {
    note(::posix_spawn_file_actions_addopen(&plan.actions_, stream, "/dev/null", stream == 0 ? O_RDONLY : O_WRONLY, 0));
  }
  for (const auto& [source, target] : copies) {
    note(::posix_spawn_file_actions_adddup2(&plan.actions_, source, target));
  }
  // Everything else is closed, including descriptors that the host program opened without
  // close-on-exec.
  for (int number = 3; number <= highest_target; ++number) {
    const bool wanted = std::any_of(copies.begin(), copies.end(), [&](const auto& c) { return c.second == number; });
    if (!wanted) {
      note(::posix_spawn_file_actions_addclose(&plan.actions_, number));
    }
  }
  note(::posix_spawn_file_actions_addclosefrom_np(&plan.actions_, highest_target + 1));
  if (!options.working_directory.empty()) {
    note(::posix_spawn_file_actions_addchdir_np(&plan.actions_, options.working_directory.c_str()));
  }

  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  note(::posix_spawnattr_setsigmask(&plan.attributes_, &none));
  note(::posix_spawnattr_setsigdefault(&plan.attributes_, &all));
  note(::posix_spawnattr_setpgroup(&plan.attributes_, 0));
  note(::posix_spawnattr_setflags(&plan.attributes_,
                                  POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  if (failed != 0) {
    return fail(os_error(failed, "cannot prepare a child process"));
  }

  std::vector<std::string> arguments;
  arguments.reserve(options.arguments.size() + 1);
  arguments.push_back(options.executable.native());
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = child_environment(options);

  pid_t pid = 0;
  const int code = ::posix_spawn(&pid, options.executable.c_str(), &plan.actions_, &plan.attributes_,
                                 pointers_to(arguments).data(), pointers_to(environment).data());
  if (code != 0) {
    Error error = limit_error(code, "cannot start '" + options.executable.string() + "'");
    if (code == ENOEXEC) {
      error.code = ErrorCode::kIncompatible;
    }
    return fail(std::move(error));
  }

  // Opened by number, because posix_spawn does not return clone's pidfd. The number stays valid as
  // long as no other code reaps the child; if the host program does, ESRCH means that the child has
  // exited.
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (handle < 0 && errno != ESRCH) {
    const int open_code = errno;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(limit_error(open_code, "cannot watch the process of '" + options.executable.string() + "'"));
  }
  Process process(pid, FileDescriptor(handle));
  if (handle < 0) {
    process.status_ = ExitStatus{};
    // A handle that stays readable forever, so that a poller sees the exit.
    TENON_ASSIGN(auto ended, make_pipe());
    process.exit_handle_ = std::move(ended.read_end);
  }
  process.standard_input_ = std::move(parent_ends[0]);
  process.standard_output_ = std::move(parent_ends[1]);
  process.standard_error_ = std::move(parent_ends[2]);
  return process;
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    std::swap(pid_, other.pid_);
    std::swap(exit_handle_, other.exit_handle_);
    std::swap(standard_input_, other.standard_input_);
    std::swap(standard_output_, other.standard_output_);
    std::swap(standard_error_, other.standard_error_);
    std::swap(status_, other.status_);
  }
  return *this;
}

Process::~Process() {
  if (exit_handle_.valid() && !status_) {
    siginfo_t ignored;
    ::waitid(kWaitPidfd, static_cast<id_t>(exit_handle_.get()), &ignored, WEXITED | WNOHANG);
  }
}

Result<std::optional<ExitStatus>> Process::wait(MonotonicNs deadline_ns) {
  if (status_) {
    return status_;
  }
  if (!exit_handle_.valid()) {
    return fail(ErrorCode::kInternal, "cannot wait for a process object that has been moved from");
  }
  if (!wait_readable(exit_handle_.get(), deadline_ns)) {
    return std::optional<ExitStatus>();
  }
  // Until the exited child is reaped, its number, which is also its group's, cannot be reused.
  siginfo_t info{};
  if (::waitid(kWaitPidfd, static_cast<id_t>(exit_handle_.get()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid != 0) {
    signal_group(exit_handle_.get(), static_cast<pid_t>(pid_), SIGKILL);
  }
  for (;;) {
    info = {};
    rusage usage{};
    // The raw system call also returns the CPU times, which the C library's function omits.
    if (::syscall(SYS_waitid, kWaitPidfd, exit_handle_.get(), &info, WEXITED, &usage) == 0) {
      ExitStatus status;
      if (info.si_code == CLD_EXITED) {
        status.exit_code = info.si_status;
      } else {
        status.signal = info.si_status;
        status.note = kill_note(status.signal, usage);
      }
      status_ = status;
      return status_;
    }
    if (errno == ECHILD) {
      break;
    }
    if (errno != EINTR) {
      return fail(os_error(errno, "cannot wait for process " + std::to_string(pid_)));
    }
  }
  // Reaped by other code, or by the kernel because SIGCHLD is ignored.
  PidfdInfo record{};
  record.mask = kPidfdInfoExit;
  ExitStatus status;
  if (::ioctl(exit_handle_.get(), kPidfdGetInfo, &record) == 0 && (record.mask & kPidfdInfoExit) != 0) {
    status = status_from_wait_word(record.exit_code);
  }
  status_ = status;
  return status_;
}

void Process::send_signal(int signal) noexcept {
  if (exit_handle_.valid()) {
    ::syscall(SYS_pidfd_send_signal, exit_handle_.get(), signal, nullptr, 0);
  }
}

void Process::kill() noexcept {
  send_signal(SIGKILL);
}

void Process::terminate() noexcept {
  send_signal(SIGTERM);
}

void Process::kill_group() noexcept {
  // Descendants in other groups can be found only as long as it lives. While it exits, they move to
  // another parent one after another. To kill some of them then could hit one that is to end the
  // others when it notices the death, as the guard of the plugin exec does.
  if (pid_ > 0 && !status_ && !state_of(static_cast<pid_t>(pid_)).exits) {
    kill_children_of(static_cast<pid_t>(pid_), exit_handle_.get());
  }
  send_signal(SIGKILL);
  if (pid_ > 0 && !status_) {
    signal_group(exit_handle_.get(), static_cast<pid_t>(pid_), SIGKILL);
  }
}

void Process::terminate_group() noexcept {
  if (pid_ > 0 && !status_) {
    signal_group(exit_handle_.get(), static_cast<pid_t>(pid_), SIGTERM);
  }
}

Result<CapturedRun> run_captured(SpawnOptions options, MonotonicNs deadline_ns, std::size_t max_output_bytes,
                                 const FileDescriptor* cancel, std::chrono::milliseconds grace) {
  options.standard_output = StreamMode::kPipe;
  options.standard_error = StreamMode::kPipe;
  TENON_ASSIGN(Process child, Process::spawn(options));
  ScopeGuard end_child([&child, grace] {
    if (grace.count() > 0) {
      child.terminate_group();
      static_cast<void>(child.wait(deadline_after(grace)));
    }
    child.kill_group();
    static_cast<void>(child.wait());
  });

  CapturedRun run;
  struct Stream {
    FileDescriptor descriptor;
    std::string* text;
  };
  std::array<Stream, 2> streams = {Stream{std::move(child.standard_output()), &run.standard_output},
                                   Stream{std::move(child.standard_error()), &run.standard_error}};
  for (Stream& stream : streams) {
    TENON_TRY(set_non_blocking(stream.descriptor, true));
  }
  std::vector<std::uint8_t> buffer(64 * 1024);
  // Reads available data; closes the stream at its end.
  const auto drain = [&](Stream& stream) {
    while (stream.descriptor.valid()) {
      auto count = read_some(stream.descriptor, buffer);
      if (!count && count.error().code == ErrorCode::kUnavailable) {
        return;
      }
      if (!count || *count == 0) {
        stream.descriptor.reset();
        return;
      }
      const std::size_t room = max_output_bytes - std::min(max_output_bytes, stream.text->size());
      run.cut = run.cut || *count > room;
      stream.text->append(reinterpret_cast<const char*>(buffer.data()), std::min(*count, room));
      // A child that writes endlessly must not prevent the deadline check.
      if (remaining_ms(deadline_ns) == 0) {
        return;
      }
    }
  };
  for (;;) {
    // Waits for the exit of the child, not for the end of its streams: its own children may keep
    // them open.
    std::array<pollfd, 4> entries = {
        pollfd{child.exit_handle().get(), POLLIN, 0}, pollfd{streams[0].descriptor.get(), POLLIN, 0},
        pollfd{streams[1].descriptor.get(), POLLIN, 0}, pollfd{cancel != nullptr ? cancel->get() : -1, POLLIN, 0}};
    const int count = ::poll(entries.data(), entries.size(), remaining_ms(deadline_ns));
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return fail(os_error(errno, "cannot wait for a child's output"));
    }
    if (count > 0 && entries[3].revents != 0) {
      return fail(ErrorCode::kCancelled, "the child was stopped before it had finished");
    }
    drain(streams[0]);
    drain(streams[1]);
    TENON_ASSIGN(const auto status, child.wait(monotonic_now_ns()));
    if (status) {
      drain(streams[0]);
      drain(streams[1]);
      end_child.dismiss();
      run.status = status;
      return run;
    }
    if (remaining_ms(deadline_ns) == 0) {
      return run;
    }
  }
}

std::int64_t current_process_id() noexcept {
  return ::getpid();
}

void exit_now(int exit_code) noexcept {
  ::_exit(exit_code);
}

void continue_when_parent_ends() noexcept {
  // Not SIGKILL: that would arrive before this process could kill its own children.
  ::prctl(PR_SET_PDEATHSIG, SIGCONT);
}

void kill_descendants() noexcept {
  kill_children_of(::getpid(), -1);
}

void end_with_descendants(int exit_code) noexcept {
  kill_descendants();
  // Its own group, if it leads one. Comes last, because it kills this process too.
  ::kill(-::getpid(), SIGKILL);
  ::_exit(exit_code);
}

std::string signal_name(int signal) {
  const char* text = ::sigdescr_np(signal);
  return text != nullptr ? text : "unknown signal";
}

}  // namespace tenon::internal

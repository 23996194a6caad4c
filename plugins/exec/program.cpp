#include "exec/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace exec {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using tenon::TaskError;
using tenon::plugins::FileDescriptor;
using tenon::plugins::quote;

/// How often a cancelled call is noticed.
constexpr milliseconds kTick{20};
/// How long a program may take to end by itself after its call has ended. The host waits for 1 s by
/// default before it kills the worker.
constexpr milliseconds kCallEndedGrace{200};
/// How long output may stay open after the program has exited, as with `a > >(b)` of a shell.
constexpr milliseconds kLinger{1000};
constexpr std::string_view kDefaultSearchPath = "/usr/local/bin:/usr/bin:/bin";
constexpr std::size_t kMaxRemembered = 1024;

std::string reason_of(int os_code) {
  return std::generic_category().message(os_code);
}

[[noreturn]] void throw_no_descriptors(int os_code) {
  throw TaskError(TENON_UNAVAILABLE, "a pipe for a program cannot be created: " + reason_of(os_code) +
                                         "; raise the limit of open files (ulimit -n)");
}

/// The same descriptor with a number that is not one of the standard streams.
FileDescriptor above_streams(FileDescriptor file) {
  if (!file || file.get() > STDERR_FILENO) {
    return file;
  }
  FileDescriptor copy(::fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!copy) {
    throw_no_descriptors(errno);
  }
  return copy;
}

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_no_descriptors(errno);
  }
  Pipe pipe{above_streams(FileDescriptor(ends[0])), above_streams(FileDescriptor(ends[1]))};
  // Only this end: the program expects to wait when its pipe is full.
  ::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

/// The environment of a program. Borrows the request.
class Environment {
 public:
  explicit Environment(const ProgramRequest& request) {
    if (request.clear_environment) {
      if (const char* path = std::getenv("PATH")) {
        path_ = std::string("PATH=") + path;
        add(path_);
      }
    } else {
      for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        entries_.push_back(*entry);
      }
    }
    for (const std::string& entry : request.environment) {
      add(entry);
    }
    entries_.push_back(nullptr);
  }

  [[nodiscard]] char* const* entries() const noexcept { return entries_.data(); }
  [[nodiscard]] std::string_view search_path() const noexcept {
    for (const char* entry : entries_) {
      if (entry != nullptr && std::string_view(entry).starts_with("PATH=")) {
        return std::string_view(entry).substr(5);
      }
    }
    return kDefaultSearchPath;
  }

 private:
  /// Replaces an entry of the same name.
  void add(const std::string& entry) {
    const std::string_view name = std::string_view(entry).substr(0, entry.find('=') + 1);
    const auto same = std::find_if(entries_.begin(), entries_.end(),
                                   [&](const char* other) { return std::string_view(other).starts_with(name); });
    auto* text = const_cast<char*>(entry.c_str());  // NOLINT: execve only reads
    if (same != entries_.end()) {
      *same = text;
    } else {
      entries_.push_back(text);
    }
  }
  std::string path_;
  std::vector<char*> entries_;
};

bool can_run(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

[[noreturn]] void throw_not_started(const ProgramRequest& request, const std::string& path, const StartError& error) {
  const std::string program = quote(request.argv.front());
  switch (error.step) {
    case StartError::Step::kDirectory:
      throw TaskError(error.os_code == ENOENT || error.os_code == ENOTDIR ? TENON_NOT_FOUND : TENON_IO,
                      program + ": its working directory " + quote(request.directory) +
                          " cannot be entered: " + reason_of(error.os_code) + "; set `directory` to one that exists");
    case StartError::Step::kLimit:
      throw TaskError(TENON_INVALID_ARGUMENT, program + ": the memory limit cannot be set: " +
                                                  reason_of(error.os_code) + "; change `max_memory_bytes`");
    case StartError::Step::kProcess:
      throw TaskError(error.os_code == ENOMEM ? TENON_OUT_OF_MEMORY : TENON_UNAVAILABLE,
                      program + ": no process can be created for it: " + reason_of(error.os_code) +
                          "; use fewer workers, or raise the limit of processes (ulimit -u)");
    case StartError::Step::kExecute:
      break;
  }
  switch (error.os_code) {
    case ENOENT:
      if (::access(path.c_str(), F_OK) == 0) {
        throw TaskError(TENON_NOT_FOUND, program + ": the interpreter that " + quote(path) +
                                             " names does not exist; install it, or correct the first line");
      }
      throw TaskError(TENON_NOT_FOUND, program + ": there is no such program; install it, or correct its path");
    case EACCES:
    case EPERM:
      throw TaskError(TENON_INVALID_ARGUMENT, program + ": " + quote(path) +
                                                  " may not be run: " + reason_of(error.os_code) +
                                                  "; make it executable (chmod +x), or check its directory and mount");
    case ENOEXEC:
      throw TaskError(TENON_INVALID_ARGUMENT, program + ": " + quote(path) +
                                                  " is not a program; if it is a script, give it a first line such as "
                                                  "#!/bin/sh, or put its interpreter first in `argv`");
    case E2BIG:
      throw TaskError(TENON_TOO_LARGE, program + ": its arguments and environment are too long for the system; " +
                                           "pass the data through its standard input (`input = \"item\"`)");
    case ENOMEM:
      throw TaskError(TENON_OUT_OF_MEMORY,
                      program + ": cannot be loaded: " + reason_of(error.os_code) + "; raise `max_memory_bytes`");
    case ETXTBSY:
    case EAGAIN:
      throw TaskError(TENON_UNAVAILABLE,
                      program + ": cannot be run now: " + reason_of(error.os_code) + "; try again (`retry`)");
    default:
      throw TaskError(TENON_IO, program + ": " + quote(path) + " cannot be run: " + reason_of(error.os_code) +
                                    "; check the file and its directory");
  }
}

/// A program that runs. Whatever happens, its group is killed and it is reaped.
class Running {
 public:
  Running(Child child, GroupGuard& guard) : child_(std::move(child)), guard_(guard) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (!reaped_) {
      reap();
    }
  }

  [[nodiscard]] int handle() const noexcept { return child_.handle.get(); }
  void send(int signal) const noexcept { ::kill(-child_.process, signal); }

  /// Kills the group, waits for the program and returns how it ended.
  siginfo_t reap() noexcept {
    send(SIGKILL);
    // The program may have moved to another group.
    ::syscall(SYS_pidfd_send_signal, child_.handle.get(), SIGKILL, nullptr, 0);
    // Must precede the reaping, which frees the number.
    guard_.set(0);
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(child_.handle.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    reaped_ = true;
    return info;
  }

 private:
  Child child_;
  GroupGuard& guard_;
  bool reaped_ = false;
};

/// Collects what a program writes.
class Collector {
 public:
  Collector(const ProgramRequest& request, ProgramEnd& end, std::vector<char>& buffer)
      : request_(request), end_(end), buffer_(buffer) {}

  /// Reads what there is; closes the stream at its end. Returns false if the output is too long.
  bool read_output(FileDescriptor& stream) {
    return read(stream, [this](std::string_view text) {
      const std::uint64_t room = request_.max_output_bytes - end_.output.size();
      end_.output.append(text.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(room, text.size()))));
      end_.output_cut = end_.output_cut || text.size() > room;
      return !end_.output_cut || !request_.stop_at_long_output;
    });
  }
  void read_error(FileDescriptor& stream) {
    read(stream, [this](std::string_view text) {
      std::string& tail = end_.error_tail;
      tail += text;
      if (tail.size() > request_.error_tail_bytes) {
        tail.erase(0, tail.size() - request_.error_tail_bytes);
      }
      return true;
    });
  }

 private:
  /// At most 1 MiB, so that a program that never stops writing cannot keep it here.
  template <typename Take>
  bool read(FileDescriptor& stream, const Take& take) {
    for (int i = 0; stream && i < 16; ++i) {
      const ssize_t count = ::read(stream.get(), buffer_.data(), buffer_.size());
      if (count > 0) {
        if (!take(std::string_view(buffer_.data(), static_cast<std::size_t>(count)))) {
          return false;
        }
      } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
        stream = FileDescriptor();
      } else if (errno == EAGAIN) {
        return true;
      }
    }
    return true;
  }
  const ProgramRequest& request_;
  ProgramEnd& end_;
  std::vector<char>& buffer_;
};

}  // namespace

FileDescriptor memory_file(std::string_view data) {
  FileDescriptor file(::memfd_create("item", MFD_CLOEXEC));
  if (!file) {
    throw_no_descriptors(errno);
  }
  for (std::size_t written = 0; written < data.size();) {
    const ssize_t count = ::write(file.get(), data.data() + written, data.size() - written);
    if (count < 0 && errno != EINTR) {
      throw TaskError(TENON_IO, "the standard input of a program cannot be stored in memory: " + reason_of(errno));
    }
    written += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string ProgramRunner::find(const std::string& name, std::string_view search_path, std::string_view directory) {
  std::string key = std::string(search_path) + '\0' + name;
  if (const auto known = found_.find(key); known != found_.end()) {
    return known->second;
  }
  for (std::size_t begin = 0; begin <= search_path.size();) {
    const std::size_t end = std::min(search_path.find(':', begin), search_path.size());
    const std::string_view part = search_path.substr(begin, end - begin);
    std::string path = std::string(part.empty() ? "." : part) + "/" + name;
    // A relative part means another file in each working directory, so it is not remembered.
    const bool relative = path.front() != '/';
    if (can_run(relative && !directory.empty() ? std::string(directory) + "/" + path : path)) {
      if (relative) {
        return path;
      }
      if (found_.size() >= kMaxRemembered) {
        found_.clear();
      }
      return found_[std::move(key)] = std::move(path);
    }
    begin = end + 1;
  }
  throw TaskError(TENON_NOT_FOUND, quote(name) + ": there is no such program in PATH (" + std::string(search_path) +
                                       "); install it, or give its path");
}

Child ProgramRunner::start(const ProgramRequest& request, const ChildRequest& streams) {
  const Environment environment(request);
  std::vector<char*> argv;
  for (const std::string& argument : request.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // NOLINT: execve only reads
  }
  argv.push_back(nullptr);
  const std::string& name = request.argv.front();
  const bool searched = name.find('/') == std::string::npos;
  ChildRequest child_request = streams;
  child_request.argv = argv.data();
  child_request.environment = environment.entries();
  child_request.directory = request.directory.empty() ? nullptr : request.directory.c_str();
  child_request.max_memory_bytes = request.max_memory_bytes;
  child_request.group = guard_.group();
  for (bool again = searched;; again = false) {
    const std::string path = searched ? find(name, environment.search_path(), request.directory) : name;
    child_request.path = path.c_str();
    Child child;
    const std::optional<StartError> error = start_child(child_request, stack_, child);
    if (!error) {
      return child;
    }
    // The program may have moved since it was found.
    found_.clear();
    if (!again || error->step != StartError::Step::kExecute || error->os_code != ENOENT) {
      throw_not_started(request, path, *error);
    }
  }
}

ProgramEnd ProgramRunner::run(const ProgramRequest& request, const Poll& poll) {
  if (request.argv.empty() || request.argv.front().empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, "no program is named; set `argv` or `shell`");
  }
  ProgramEnd end;
  Pipe output = make_pipe();
  Pipe error = make_pipe();
  FileDescriptor nothing;
  if (!request.input) {
    nothing = above_streams(FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  }
  ChildRequest streams;
  streams.input = request.input ? request.input.get() : nothing.get();
  streams.output = output.write_end.get();
  streams.error = error.write_end.get();
  const auto begun = steady_clock::now();
  Running program(start(request, streams), guard_);
  output.write_end = FileDescriptor();
  error.write_end = FileDescriptor();

  Collector collector(request, end, buffer_);
  auto stop_at = request.timeout.count() == 0 ? steady_clock::time_point::max() : begun + request.timeout;
  auto kill_at = steady_clock::time_point::max();
  auto linger_until = steady_clock::time_point::max();
  bool exited = false;
  const auto stop = [&](ProgramEnd::Reason reason, milliseconds grace) {
    end.reason = reason;
    stop_at = steady_clock::time_point::max();
    kill_at = steady_clock::now() + grace;
    program.send(SIGTERM);
    program.send(SIGCONT);  // A stopped program would not notice.
  };
  while (!exited || output.read_end || error.read_end) {
    std::array<pollfd, 3> waits{pollfd{exited ? -1 : program.handle(), POLLIN, 0},
                                pollfd{output.read_end ? output.read_end.get() : -1, POLLIN, 0},
                                pollfd{error.read_end ? error.read_end.get() : -1, POLLIN, 0}};
    const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(kTick.count()));
    if (ready > 0) {
      if (waits[1].revents != 0 && !collector.read_output(output.read_end)) {
        end.reason = ProgramEnd::Reason::kTooLong;
        break;
      }
      if (waits[2].revents != 0) {
        collector.read_error(error.read_end);
      }
      if (waits[0].revents != 0) {
        exited = true;
        if (output.read_end || error.read_end) {
          linger_until = steady_clock::now() + kLinger;
        }
      }
      if (exited && !output.read_end && !error.read_end) {
        break;
      }
    }
    const auto now = steady_clock::now();
    if (now >= linger_until || now >= kill_at) {
      break;
    }
    if (end.reason == ProgramEnd::Reason::kSelf && now >= stop_at) {
      stop(ProgramEnd::Reason::kTimeout, request.kill_after);
    } else if (end.reason != ProgramEnd::Reason::kCallEnded && poll() != TENON_OK) {
      // This applies even during the grace period after a time-out.
      const auto earlier = kill_at;
      stop(ProgramEnd::Reason::kCallEnded, kCallEndedGrace);
      kill_at = std::min(kill_at, earlier);
    }
  }
  const siginfo_t info = program.reap();
  end.time = steady_clock::now() - begun;
  if (end.reason != ProgramEnd::Reason::kTooLong) {
    // What was written before the group was killed.
    static_cast<void>(collector.read_output(output.read_end));
    collector.read_error(error.read_end);
  }
  if (info.si_code == CLD_EXITED) {
    end.exit_code = info.si_status;
  } else if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
    end.signal = info.si_status;
  }
  return end;
}

}  // namespace exec

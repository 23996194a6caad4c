/// Child processes.
///
///   auto child = Process::spawn({.executable = worker, .arguments = {"--inspect", file},
///                                .standard_error = StreamMode::kPipe,
///                                .descriptors = {{.source = socket.get(), .target = 3}}});
///   auto status = child->wait(deadline_after(5s));
///   if (!status) child->kill_group();
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Destination of a standard stream of the child.
enum class StreamMode {
  kNull,     ///< None: reads return end of file, writes are discarded.
  kInherit,  ///< The stream of this process.
  kPipe,     ///< A pipe; Process holds the other end.
};

/// A descriptor of this process and the number it gets in the child.
struct ChildDescriptor {
  int source = -1;
  int target = -1;  ///< At least 3; each number only once.
};

/// How to start a child. The child has an empty signal mask, default signal dispositions, its own
/// process group, and exactly the descriptors named here, whatever this process has open.
struct SpawnOptions {
  /// The file to run; not searched in PATH.
  std::filesystem::path executable;
  /// Arguments after the program name.
  std::vector<std::string> arguments = {};
  /// Variables set or replaced in a copy of this process's environment. The rest is inherited.
  std::vector<std::pair<std::string, std::string>> environment = {};
  /// Variables removed from the child's environment.
  std::vector<std::string> environment_removed = {};
  /// Empty: the working directory of this process.
  std::filesystem::path working_directory = {};
  StreamMode standard_input = StreamMode::kNull;
  StreamMode standard_output = StreamMode::kNull;
  StreamMode standard_error = StreamMode::kInherit;
  std::vector<ChildDescriptor> descriptors = {};
};

/// How a process ended.
struct ExitStatus {
  /// Exit code; absent if a signal killed it or if it is unknown.
  std::optional<int> exit_code;
  /// Signal that killed it; 0 if none.
  int signal = 0;
  /// Further information about the signal's cause, as in ": it used up its CPU time ..."; may be
  /// empty.
  std::string note = {};
  /// Whether it was killed because it exceeded a memory limit.
  bool out_of_memory = false;
  /// Neither is known: other code in the program has reaped the child, and the system keeps no
  /// record.
  [[nodiscard]] bool unknown() const noexcept { return !exit_code.has_value() && signal == 0; }
  [[nodiscard]] bool success() const noexcept { return exit_code == 0; }
  /// "exit code 3", "signal 11 (Segmentation fault)", "an unknown status".
  [[nodiscard]] std::string to_string() const;
};

/// A child process. Move-only; the destructor neither kills it nor waits for it, but reaps it if it
/// has exited. It also works if the host program ignores SIGCHLD or reaps children itself: the exit
/// is still detected, and the status comes from the kernel's record if there is one (Linux 6.15).
/// One thread at a time, except where marked.
class Process {
 public:
  /// Starts a child. Errors: kNotFound: no such executable; kInvalidArgument: a bad descriptor or
  /// target; kUnavailable: the system has no more processes or descriptors (EAGAIN, EMFILE, ...),
  /// with the limit to raise; kIo. [any-thread]
  [[nodiscard]] static Result<Process> spawn(const SpawnOptions& options);

  Process(Process&&) noexcept = default;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }
  /// Becomes readable when the process exits. For a Poller; ownership stays here; valid as long as
  /// this Process. [any-thread]
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept { return exit_handle_; }
  /// The parent's ends of the pipes; invalid for other modes. May be moved out.
  [[nodiscard]] FileDescriptor& standard_input() noexcept { return standard_input_; }
  [[nodiscard]] FileDescriptor& standard_output() noexcept { return standard_output_; }
  [[nodiscard]] FileDescriptor& standard_error() noexcept { return standard_error_; }

  /// Waits for the exit. nullopt if the deadline passes first; a deadline in the past only polls.
  /// Later calls return the same status again. Errors: kIo.
  [[nodiscard]] Result<std::optional<ExitStatus>> wait(MonotonicNs deadline_ns = kNever);

  /// Kills the process; does nothing if it has exited. [any-thread]
  void kill() noexcept;
  /// Kills the process, everything that it started in its process group, and those of its
  /// descendants in other groups whose parents live. Does nothing once `wait` has seen the exit:
  /// `wait` has then killed the rest of the group. One thread at a time with `wait`.
  void kill_group() noexcept;
  /// Asks the process to exit (SIGTERM). [any-thread]
  void terminate() noexcept;
  /// Asks the process and everything that it started in its process group to exit (SIGTERM). Does
  /// nothing once `wait` has seen the exit. One thread at a time with `wait`.
  void terminate_group() noexcept;

 private:
  Process(std::int64_t pid, FileDescriptor exit_handle) noexcept : pid_(pid), exit_handle_(std::move(exit_handle)) {}
  void send_signal(int signal) noexcept;

  std::int64_t pid_ = 0;
  FileDescriptor exit_handle_;
  FileDescriptor standard_input_;
  FileDescriptor standard_output_;
  FileDescriptor standard_error_;
  std::optional<ExitStatus> status_;
};

/// The output and exit status of a finished child.
struct CapturedRun {
  /// Absent if it was killed at the deadline.
  std::optional<ExitStatus> status;
  std::string standard_output;
  std::string standard_error;
  /// Whether a stream exceeded the limit; its end is then missing.
  bool cut = false;
};

/// Runs a child to completion and captures its output, at most `max_output_bytes` of each stream.
/// Its group is killed at the deadline or when `cancel`, if not null, becomes readable. With a
/// `grace` the group is first asked to exit and has this long to do so: a child that creates
/// further process groups, as a build tool does, can stop them only then. Both streams of `options`
/// become pipes. Errors: those of spawn; kCancelled. [any-thread]
[[nodiscard]] Result<CapturedRun> run_captured(SpawnOptions options, MonotonicNs deadline_ns,
                                               std::size_t max_output_bytes, const FileDescriptor* cancel = nullptr,
                                               std::chrono::milliseconds grace = {});

/// Process id of this process. [any-thread]
[[nodiscard]] std::int64_t current_process_id() noexcept;

/// Exits immediately, without destructors or atexit handlers. [any-thread]
[[noreturn]] void exit_now(int exit_code) noexcept;

/// Kills this process immediately, with all processes of its group and all known descendants, even
/// stopped ones. Allocates nothing and takes no lock. [any-thread]
[[noreturn]] void end_with_descendants(int exit_code) noexcept;

/// Continues this process, if it is stopped, when the thread that started it exits (at the latest
/// with the parent): a thread that waits for the parent's exit can then run. [setup]
void continue_when_parent_ends() noexcept;

/// "Segmentation fault" for 11. [any-thread]
[[nodiscard]] std::string signal_name(int signal);

}  // namespace tenon::internal

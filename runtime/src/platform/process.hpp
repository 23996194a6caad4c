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

/// Where a standard stream of the child goes.
enum class StreamMode {
  kNull,     ///< Nowhere: reads end at once, writes vanish.
  kInherit,  ///< The same as this process's.
  kPipe,     ///< A pipe whose other end Process holds.
};

/// A descriptor of this process and the number it gets in the child.
struct ChildDescriptor {
  int source = -1;
  int target = -1;  ///< From 3; each number once.
};

/// How to start a child. The child has an empty signal mask, default signal dispositions, a process group of its own,
/// and exactly the descriptors named here, whatever this process has open.
struct SpawnOptions {
  /// File to run; not searched in PATH.
  std::filesystem::path executable;
  /// Arguments after the program's name.
  std::vector<std::string> arguments = {};
  /// Set, or replaced, in a copy of this process's environment. The rest is inherited.
  std::vector<std::pair<std::string, std::string>> environment = {};
  /// Names taken out of the child's environment.
  std::vector<std::string> environment_removed = {};
  /// Empty: this process's.
  std::filesystem::path working_directory = {};
  StreamMode standard_input = StreamMode::kNull;
  StreamMode standard_output = StreamMode::kNull;
  StreamMode standard_error = StreamMode::kInherit;
  std::vector<ChildDescriptor> descriptors = {};
};

/// How a process ended.
struct ExitStatus {
  /// Exit code; absent when a signal ended it, or when it is unknown.
  std::optional<int> exit_code;
  /// Signal that ended it; 0 for none.
  int signal = 0;
  /// What else is known of the cause of the signal, as in ": it used up its CPU time ..."; empty for nothing.
  std::string note = {};
  /// It was killed because it used more memory than it may.
  bool out_of_memory = false;
  /// Neither is known: another part of the program has reaped the child, and the system keeps no record.
  [[nodiscard]] bool unknown() const noexcept { return !exit_code.has_value() && signal == 0; }
  [[nodiscard]] bool success() const noexcept { return exit_code == 0; }
  /// "exit code 3", "signal 11 (Segmentation fault)", "an unknown status".
  [[nodiscard]] std::string to_string() const;
};

/// A child process. Move-only; the destructor neither kills nor waits for it, but reaps it if it has ended. Works also
/// when the program around ignores SIGCHLD or reaps children itself: the end is then seen all the same, and the status
/// from the kernel's record where there is one (Linux 6.15). One thread at a time, except where marked.
class Process {
 public:
  /// Starts a child. Errors: kNotFound no such executable; kInvalidArgument a bad descriptor or target;
  /// kUnavailable the system has no more processes or descriptors (EAGAIN, EMFILE ...), with what to raise; kIo.
  /// [any-thread]
  [[nodiscard]] static Result<Process> spawn(const SpawnOptions& options);

  Process(Process&&) noexcept = default;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }
  /// Becomes readable when the process ends. For a Poller; stays owned; valid as long as this Process. [any-thread]
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept { return exit_handle_; }
  /// Parent's ends of the pipes; none for other modes. May be moved out.
  [[nodiscard]] FileDescriptor& standard_input() noexcept { return standard_input_; }
  [[nodiscard]] FileDescriptor& standard_output() noexcept { return standard_output_; }
  [[nodiscard]] FileDescriptor& standard_error() noexcept { return standard_error_; }

  /// Waits for the end. nullopt when the deadline passed first; a deadline in the past only looks. The status stays
  /// known and is given again. Errors: kIo.
  [[nodiscard]] Result<std::optional<ExitStatus>> wait(MonotonicNs deadline_ns = kNever);

  /// Ends the process at once; nothing happens when it has ended. [any-thread]
  void kill() noexcept;
  /// Ends the process and all that it started in its process group, at once. Once the end has been seen by `wait`,
  /// nothing happens: `wait` has then ended the rest of the group. One thread at a time with `wait`.
  void kill_group() noexcept;
  /// Asks the process to end (SIGTERM). [any-thread]
  void terminate() noexcept;
  /// Asks the process and all that it started in its process group to end (SIGTERM). Nothing happens once the end has
  /// been seen by `wait`. One thread at a time with `wait`.
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

/// What a finished child wrote and how it ended.
struct CapturedRun {
  /// Absent when it was killed at the deadline.
  std::optional<ExitStatus> status;
  std::string standard_output;
  std::string standard_error;
  /// A stream was longer than the limit; its end is missing.
  bool cut = false;
};

/// Runs a child to its end and gathers its output, at most `max_output_bytes` of each stream; at the deadline its group
/// is killed, and so it is when `cancel`, unless that is null, becomes readable. With a `grace` the group is asked to
/// end first and has so long for it: a child that gives its own children groups, as a build tool does, can end them
/// only then. Both streams of `options` become pipes. Errors: those of spawn; kCancelled. [any-thread]
[[nodiscard]] Result<CapturedRun> run_captured(SpawnOptions options, MonotonicNs deadline_ns,
                                               std::size_t max_output_bytes, const FileDescriptor* cancel = nullptr,
                                               std::chrono::milliseconds grace = {});

/// Number of this process. [any-thread]
[[nodiscard]] std::int64_t current_process_id() noexcept;

/// Ends this process at once, without destructors or atexit. [any-thread]
[[noreturn]] void exit_now(int exit_code) noexcept;

/// Ends this process at once, with all processes of its group and all that the system knows as its descendants, also
/// stopped ones. Allocates nothing and takes no lock. [any-thread]
[[noreturn]] void end_with_descendants(int exit_code) noexcept;

/// When the thread that started this process ends, as it does with its process, this one is continued should it be
/// stopped: a thread that waits for the parent's end can then run. [setup]
void continue_when_parent_ends() noexcept;

/// "Segmentation fault" for 11. [any-thread]
[[nodiscard]] std::string signal_name(int signal);

}  // namespace tenon::internal

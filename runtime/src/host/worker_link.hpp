/// host/worker_link.hpp: the host's side of one worker, from spawn to the last byte of its output.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "host/bell_watch.hpp"
#include "host/call.hpp"
#include "host/file_restorer.hpp"
#include "host/in_flight.hpp"
#include "host/launcher.hpp"
#include "host/link_board.hpp"
#include "host/log_budget.hpp"
#include "host/log_line.hpp"
#include "host/reaper.hpp"
#include "host/stall_watch.hpp"
#include "host/storage.hpp"
#include "host/worker_output.hpp"
#include "ipc/segment_table.hpp"
#include "platform/control_channel.hpp"
#include "platform/reactor/poller.hpp"

namespace tenon::internal {

/// The limits of a worker, and the sources of its memory.
struct LinkOptions {
  std::uint64_t result_arena_bytes = 0;
  std::uint64_t memory_limit_bytes = 0;
  std::uint32_t slot_count = 512;
};

/// A stream to which a worker writes.
enum class OutputStream : std::uint8_t { kOutput, kError };

/// What a read of a stream came to.
enum class OutputRead : std::uint8_t {
  kMore,     ///< There may be more.
  kDrained,  ///< There is nothing more now.
  kEnded,    ///< The stream has ended, or there is none.
};

/// One worker. Guarded by the scheduler's lock, except for `transport`, whose roles the scheduler assigns, `spin`,
/// which belongs to the directly waiting thread, and the streams, which OutputReader reads.
class WorkerLink {
 public:
  enum class State : std::uint8_t { kStarting, kReady, kStopping, kDead };

  /// Starts a worker and sends it the greeting. Blocks only for the spawn. Errors: those of the launcher and of
  /// SharedMemory.
  [[nodiscard]] static Result<std::shared_ptr<WorkerLink>> start(Launcher& launcher, ArgumentMemory& arguments,
                                                                 std::uint64_t id, std::uint32_t slot,
                                                                 const LinkOptions& options);
  WorkerLink() = default;
  WorkerLink(const WorkerLink&) = delete;
  WorkerLink& operator=(const WorkerLink&) = delete;
  ~WorkerLink();

  // -- messages -------------------------------------------------------------------------------

  /// Announces a segment to the worker before the first slot that names it.
  void introduce_segment(const SharedSegment* segment);
  [[nodiscard]] bool knows(const HostRoute& route) const { return known_routes_.contains(route.number); }
  /// Announces to the worker what the route's number means.
  void introduce_route(const RouteRef& route, const StoredBytes& settings);
  /// The generation of a plugin that the worker has loaded or is about to load; a worker can have no other one. Null if
  /// there is none.
  [[nodiscard]] const GenerationRef* generation_of(std::string_view plugin) const noexcept;
  /// Whether the worker knows a generation that cannot share a process with this one.
  [[nodiscard]] bool clashes_with(const Generation& generation) const noexcept;
  [[nodiscard]] const std::vector<GenerationRef>& generations() const noexcept { return generations_; }
  /// A task that is not idempotent and whose route the worker has received for nested calls; null if there is none.
  [[nodiscard]] const HostRoute* nested_once() const noexcept;
  void drop_segment(std::uint32_t number);
  void drop_route(std::uint32_t number);
  /// Counts a request of the worker for a plugin file. False if it asks again without waiting for the replies.
  [[nodiscard]] bool note_file_request() noexcept { return ++files_asked_for_ <= kMaxFileRequests; }
  /// Replies to such a request.
  void send_file(const FileRestorer::Request& request, const Result<ServedFile::Loadable>& found);
  void send_resolved(std::uint64_t request, const Result<RouteRef>& route);
  void send_stop();
  /// Sends the messages that wait for room in the channel.
  void flush_outbox();
  [[nodiscard]] bool outbox_empty() const noexcept { return outbox_.empty(); }
  [[nodiscard]] std::size_t outbox_size() const noexcept { return outbox_.size(); }

  // -- stdout and stderr ----------------------------------------------------------------------

  /// Reads what the worker wrote to the stream, up to 64 KiB; whole lines go to `log`. May block although the stream
  /// does not, so the scheduler's lock must not be held. One thread at a time for each stream.
  [[nodiscard]] OutputRead read_output(OutputStream stream, std::vector<LogLine>& log);
  /// Closes the stream, which may block likewise; the last line goes to `log`.
  void close_output(OutputStream stream, std::vector<LogLine>& log);
  /// Whether the worker may log a line now; otherwise the line is counted as dropped. [any-thread]
  [[nodiscard]] bool may_log(std::size_t size_bytes) {
    return output_.lock()->budget.take(size_bytes, monotonic_now_ns());
  }
  /// Adds a line with the count of dropped lines, if there are any. [any-thread]
  void count_dropped_lines(std::vector<LogLine>& log);
  /// Adds the last lines of both streams to the context of an error. [any-thread]
  void describe_output(ErrorContext& context);
  /// Its streams are being closed for good; set by the thread that asks for it.
  std::atomic<bool> output_finished{false};

  /// Kills the worker. If it has not exited after kExitPatienceNs, the scheduler treats it as gone.
  void kill() noexcept;
  static constexpr std::int64_t kExitPatienceNs = 5'000'000'000;

  /// Notes that a session was opened, or that it was not opened or is gone.
  void note_session(const std::shared_ptr<SessionRecord>& session, bool open);

  std::uint64_t id = 0;
  std::uint32_t slot = 0;
  State state = State::kStarting;
  std::shared_ptr<Transport> transport;
  std::unique_ptr<WorkerHandle> handle;
  ControlChannel channel;
  EventBell bell;
  SegmentTable segments;  ///< The segments to which a completion of this worker may refer.

  /// The calls in the worker's ring.
  InFlight in_flight;
  BoardPlace board;
  std::uint64_t calls_done = 0;
  std::uint64_t calls_worn = 0;      ///< The same without loads of plugins; counts for recycle_after_calls.
  std::uint64_t measured_calls = 0;  ///< The value of `calls_done` when its memory was last measured.
  bool worn = false;                 ///< It must be replaced.
  std::vector<std::shared_ptr<SessionRecord>> sessions;  ///< The sessions open in it.

  Reaper reaper;  ///< Who reads its completions.
  BellWatch bell_watch;
  /// Many short calls pass through it: it rings once for several of them, and the reactor polls every millisecond.
  bool streaming = false;
  /// The bulk call that it runs has completed no item from one tick to the next: it gets nothing more meanwhile.
  bool held = false;
  StallWatch stall;
  /// It seems to be stalled: it gets nothing more until it makes progress.
  bool suspected = false;
  /// It was stalled for too long and is being killed.
  bool ending_stall = false;
  std::uint64_t done_at_tick = 0;     ///< The value of `calls_done` at the reactor's last tick.
  std::uint32_t sent_since_reap = 0;  ///< Sends by submitting threads since one of them last reaped.
  std::int64_t mean_run_ns = 0;       ///< Mean run time of its recent submissions; 0 before the first.
  bool unpublished = false;           ///< It has unpublished submissions of this round.
  AdaptiveSpin spin;

  MonotonicNs start_deadline_ns = kNever;
  MonotonicNs stop_deadline_ns = kNever;
  /// When the scheduler stops waiting for its exit; set by the first `kill`.
  MonotonicNs give_up_ns = kNever;
  /// If the worker was moved aside: the time when its sessions are ended.
  MonotonicNs session_deadline_ns = kNever;
  /// The host has asked it to stop, and it has nothing left to do.
  bool dismissed = false;
  /// Why the host killed it; reported by the call that it was running.
  std::optional<Error> kill_reason;
  /// How long it has been in one call or item, and whether it was found stopped there.
  StallWatch running;
  bool found_stopped = false;
  /// The call because of which it was killed; 0 if there was none.
  std::uint64_t killed_call_id = 0;
  /// It broke the protocol: nothing that it wrote counts.
  bool distrusted = false;
  /// Its message when it refused the handshake.
  std::string refusal;

 private:
  struct Outgoing {
    Buffer message;
    Shared<const SharedSegment> segment;         ///< The message carries its descriptor.
    std::shared_ptr<const FileDescriptor> file;  ///< The message carries its descriptor.
  };
  void send(const flatbuffers::FlatBufferBuilder& builder, Shared<const SharedSegment> segment = nullptr,
            std::shared_ptr<const FileDescriptor> file = nullptr);
  [[nodiscard]] bool try_send(const Outgoing& outgoing);

  /// An honest worker waits for each reply, and gives up only after minutes.
  static constexpr std::uint32_t kMaxFileRequests = 16;

  bool killed_ = false;
  std::deque<Outgoing> outbox_;
  std::uint32_t files_asked_for_ = 0;
  std::unordered_set<std::uint32_t> known_segments_;
  std::unordered_set<std::uint32_t> known_routes_;
  std::vector<RouteRef> kept_routes_;       // Routes named in replies; the worker may use them at any time.
  std::vector<GenerationRef> generations_;  // Generations of the routes announced to it; one for each plugin.
  struct Output {
    [[nodiscard]] WorkerOutput& of(OutputStream stream) noexcept {
      return stream == OutputStream::kOutput ? standard_output : standard_error;
    }
    LogBudget budget;
    WorkerOutput standard_output{"stdout"};
    WorkerOutput standard_error{"stderr"};
  };
  Guarded<Output> output_;  ///< May be locked under the scheduler's lock. No system call is made under it.
};

}  // namespace tenon::internal

/// The worker's end of the transport.
///
///   auto end = WorkerEnd::attach(submission, completion, bell);
///   for (;;) {
///     auto next = end->begin();                       // a call, nothing, or a broken host
///     if (!*next) { end->wait(spin, kNever); continue; }
///     ... segments.resolve((*next)->descriptor.argument, (*next)->inline_payload, "argument") ...
///     end->finish(completion, result_bytes);
///     end->publish();
///   }
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "ipc/layout.hpp"
#include "platform/doorbell.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

class HostEnd;
struct ArenaBlock;

/// A call that has begun.
struct Submission {
  SubmissionDescriptor descriptor;  ///< A copy, checked but for what segments hold.
  /// The inline argument, aligned to 16, in the slot; valid until `finish` of this call. Empty when it is not inline.
  BytesView inline_payload;
  std::uint64_t position = 0;
};

/// Why a wait ended.
enum class WorkerWake {
  kSubmission,  ///< There is a submission.
  kRung,        ///< The host rang: for a submission, or for a message.
  kTimeout,     ///< The deadline passed.
};

/// All members are for the task thread, except where marked.
class WorkerEnd {
 public:
  /// Maps both segments and checks them. `bell` rings the host's poller; may be invalid, the host then must not arm it.
  /// The completion segment is sealed against further writers here. Errors: kCorrupt or kIncompatible the segments are
  /// not what this build knows; those of SharedMemory.
  [[nodiscard]] static Result<WorkerEnd> attach(FileDescriptor submission, FileDescriptor completion, EventBell bell);
  /// The same on a thread of the host's process; `host` was made with in_process. Errors: kInvalidArgument it was not.
  [[nodiscard]] static Result<WorkerEnd> attach_in_process(const HostEnd& host, EventBell bell);
  WorkerEnd(WorkerEnd&&) noexcept;
  WorkerEnd& operator=(WorkerEnd&&) noexcept;
  ~WorkerEnd();

  /// Takes the next submission that has not been revoked and marks it begun; nullopt when there is none. Revoked ones
  /// are answered as returned. `finish` must follow before the next `begin`. Errors: kCorrupt naming the field: host
  /// and worker do not understand each other, and the worker should end.
  [[nodiscard]] Result<std::optional<Submission>> begin();
  /// Whether begin would give something.
  [[nodiscard]] bool has_submission() const noexcept;
  /// Writes the answer to the submission begun last; not yet visible. `payload` is what is to travel inline (at most
  /// kCompletionInlineBytes): completion.payload is then set here. Call id and session are set here too.
  /// Errors: kTooLarge; kInternal nothing has begun.
  [[nodiscard]] Result<void> finish(CompletionDescriptor completion, std::optional<BytesView> payload = std::nullopt);
  /// Says where the answers to the running bulk call lie, before its first item: anywhere in the block.
  void begin_bulk(const ArenaBlock& answers) noexcept;
  /// Before each item of the running bulk call, by its index in the submission. False: the host took the rest back;
  /// neither it nor any after it may run.
  [[nodiscard]] bool begin_item(std::uint32_t index) noexcept;
  /// After each, once its answer is written: should the worker die later, the answer counts.
  void finish_item(std::uint32_t index) noexcept;
  /// Before the running call, or item of a bulk call, calls a task that is not idempotent: from then on it is not
  /// either, and the host does not run it again when the worker dies.
  void mark_unrepeatable() noexcept;
  /// How long the call ran that was finished last; before the publish.
  void set_run_time(std::uint64_t run_ns) noexcept;

  /// Makes all answers visible, and rings a host that sleeps once as many are there as it waits for.
  void publish() noexcept;
  /// Rings a host that sleeps for answers that publish has not rung for, being fewer than it waits for: before a call
  /// that may take long, before waiting (wait does so itself), and every now and then.
  void ring() noexcept;
  /// Answers that are not visible yet.
  [[nodiscard]] std::uint64_t unpublished() const noexcept;

  /// Whether a ring has failed because other code in the process closed the bell's descriptor or replaced it. The host
  /// does not hear of further answers, so the worker should end. [any-thread]
  [[nodiscard]] bool bell_lost() const noexcept;

  /// Publishes, then spins for a while. nullopt: neither a submission came nor HostEnd::wake_worker.
  std::optional<WorkerWake> spin(AdaptiveSpin& adaptive);
  /// Publishes, rings, then sleeps until there is a submission, HostEnd::wake_worker, or the deadline. Does not sleep
  /// once the bell is lost.
  WorkerWake sleep(MonotonicNs deadline_ns);
  /// Spins, then sleeps.
  WorkerWake wait(AdaptiveSpin& adaptive, MonotonicNs deadline_ns);

  /// The memory that this end writes and the host reads. [any-thread]
  [[nodiscard]] MutableBytesView shared_bytes() const noexcept;

  /// The next block that the host has released; nullopt when there is none. From the host; Arena::free checks it.
  [[nodiscard]] std::optional<BlockRef> pop_release() noexcept;

  /// Messages that the host has sent through the control channel so far, but for the greeting. One may be in the
  /// channel already that is not counted yet.
  [[nodiscard]] std::uint64_t messages() const noexcept;

  /// Writes a message for the host and rings; false when there is no room, because the host has not read those before.
  /// Errors: kTooLarge; kInvalidArgument empty. [any-thread]
  [[nodiscard]] Result<bool> post(BytesView message);

  /// Whether the host has cancelled that call. A load of a cache line that hardly ever changes. [any-thread]
  [[nodiscard]] bool cancelled(std::uint64_t call_id) const noexcept;
  /// Reports progress of the running call; the latest wins. [any-thread], one at a time
  void report_progress(std::uint64_t call_id, std::uint64_t done, std::uint64_t total) noexcept;

  struct Impl;

 private:
  explicit WorkerEnd(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal

/// The worker's end of the transport.
///
///   auto end = WorkerEnd::attach(submission, completion, bell);
///   for (;;) {
///     auto next = end->begin();                       // a submission, nothing, or an error
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

/// A submission that has started.
struct Submission {
  SubmissionDescriptor descriptor;  ///< A copy, checked except for the content of segments.
  /// The inline argument, in the slot, aligned to 16; valid until `finish` of this call. Empty if
  /// it is not inline.
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
  /// Maps and checks both segments. `bell` rings the host's poller; if it is invalid, the host must
  /// not arm it. Seals the completion segment against further writers. Errors: kCorrupt or
  /// kIncompatible: the segments do not match this build; those of SharedMemory.
  [[nodiscard]] static Result<WorkerEnd> attach(FileDescriptor submission, FileDescriptor completion, EventBell bell);
  /// Like attach, on a thread of the host's process; `host` was created with in_process. Errors:
  /// kInvalidArgument: it was not.
  [[nodiscard]] static Result<WorkerEnd> attach_in_process(const HostEnd& host, EventBell bell);
  WorkerEnd(WorkerEnd&&) noexcept;
  WorkerEnd& operator=(WorkerEnd&&) noexcept;
  ~WorkerEnd();

  /// Takes the next submission that has not been revoked and marks it as started; nullopt if there
  /// is none. Revoked submissions are completed as returned. `finish` must follow before the next
  /// `begin`. Errors: kCorrupt, naming the field: host and worker do not match, and the worker
  /// should exit.
  [[nodiscard]] Result<std::optional<Submission>> begin();
  /// Whether begin would return a submission.
  [[nodiscard]] bool has_submission() const noexcept;
  /// Writes the completion of the last started submission without publishing it. `payload` travels
  /// inline (at most kCompletionInlineBytes); completion.payload is then set here. Call id and
  /// session id are always set here. Errors: kTooLarge; kInternal: nothing has started.
  [[nodiscard]] Result<void> finish(CompletionDescriptor completion, std::optional<BytesView> payload = std::nullopt);
  /// Announces the block for the results of the running bulk call, before its first item.
  void begin_bulk(const ArenaBlock& answers) noexcept;
  /// Call this before each item of the running bulk call, with the item's index in the submission. Returns false if the
  /// host revoked the rest: neither this item nor any later one may run.
  [[nodiscard]] bool begin_item(std::uint32_t index) noexcept;
  /// Call this after each item, once its result is written: the result then counts even if the worker dies later.
  void finish_item(std::uint32_t index) noexcept;
  /// Call this before the running call, or item of a bulk call, calls a task that is not idempotent: from then on the
  /// call counts as not idempotent, and the host does not retry it if the worker dies.
  void mark_unrepeatable() noexcept;
  /// Sets the run time of the call that finished last. Call this before publish.
  void set_run_time(std::uint64_t run_ns) noexcept;

  /// Publishes all completions, and rings a sleeping host once there are as many as it waits for.
  void publish() noexcept;
  /// Rings a sleeping host for completions that publish did not ring for because there were fewer
  /// than it waits for: before a call that may take long, before waiting (wait does this itself),
  /// and periodically.
  void ring() noexcept;
  /// Number of completions that are not published yet.
  [[nodiscard]] std::uint64_t unpublished() const noexcept;

  /// Whether a ring has failed because other code in the process closed or replaced the bell's
  /// descriptor. The host is not notified of further completions, so the worker should exit.
  /// [any-thread]
  [[nodiscard]] bool bell_lost() const noexcept;

  /// Publishes, then spins for a while. nullopt: neither a submission nor HostEnd::wake_worker
  /// came.
  std::optional<WorkerWake> spin(AdaptiveSpin& adaptive);
  /// Publishes, rings, then sleeps until there is a submission, HostEnd::wake_worker, or the
  /// deadline. Does not sleep once the bell is lost.
  WorkerWake sleep(MonotonicNs deadline_ns);
  /// Spins, then sleeps.
  WorkerWake wait(AdaptiveSpin& adaptive, MonotonicNs deadline_ns);

  /// The memory that this end writes and the host reads. [any-thread]
  [[nodiscard]] MutableBytesView shared_bytes() const noexcept;

  /// The next block that the host has released; nullopt if there is none. It comes from the host;
  /// Arena::free checks it.
  [[nodiscard]] std::optional<BlockRef> pop_release() noexcept;

  /// Number of messages that the host has sent through the control channel so far, except the
  /// greeting. The channel may already contain a message that is not counted yet.
  [[nodiscard]] std::uint64_t messages() const noexcept;

  /// Writes a message for the host and rings; false if there is no room because the host has not
  /// read earlier ones. Errors: kTooLarge; kInvalidArgument: empty. [any-thread]
  [[nodiscard]] Result<bool> post(BytesView message);

  /// Whether the host has cancelled that call. Loads a cache line that rarely changes. [any-thread]
  [[nodiscard]] bool cancelled(std::uint64_t call_id) const noexcept;
  /// Reports progress of the running call; the latest report wins. [any-thread], one at a time.
  void report_progress(std::uint64_t call_id, std::uint64_t done, std::uint64_t total) noexcept;

  struct Impl;

 private:
  explicit WorkerEnd(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal

/// The host's end of the transport to one worker.
///
///   auto end = HostEnd::create({.worker_name = "worker 1"});
///   // spawn the worker with both descriptors, then for a call:
///   end->push(descriptor, inline_bytes);
///   end->publish();                          // at most one wake, and none while the worker is
///   awake
///   Completion completion;
///   while (!*end->pop(completion)) end->wait(spin, deadline_ns);
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "ipc/layout.hpp"
#include "platform/doorbell.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

/// A worker's completion of one submission, copied out of the ring and checked, except for the
/// content of segments: see `payload`.
struct Completion {
  CompletionDescriptor descriptor;
  /// Position of the completed submission.
  std::uint64_t position = 0;
  /// Inline payload: the first `descriptor.payload.size_bytes` bytes are valid if
  /// descriptor.payload.is_inline().
  alignas(16) std::array<std::uint8_t, kCompletionInlineBytes> inline_bytes;
  /// The inline payload, for SegmentTable::resolve.
  [[nodiscard]] BytesView inline_payload() const noexcept {
    return BytesView(inline_bytes.data(), descriptor.payload.is_inline() ? descriptor.payload.size_bytes : 0);
  }
};

/// The result of a revocation.
enum class Revoked {
  /// The worker will not run it: the caller owns it again and will not see a completion.
  kTaken,
  /// The worker has it or is about to return it: its completion says which (CompletionKind).
  kUndecided,
};

/// Progress of the running call.
struct ProgressReport {
  std::uint64_t call_id = 0;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct HostEndOptions {
  /// Names the memory in /proc and in errors.
  std::string worker_name = "worker";
  /// Maximum number of submissions in flight; a power of two from 2 to 65536. Uses 512 bytes of
  /// memory per slot, once touched.
  std::uint32_t slot_count = 256;
  /// Entries of the release ring; excess entries wait in a list of the host. A power of two of at
  /// least 2.
  std::uint32_t release_count = 256;
  /// For a worker on a thread of this process (tests): both ends then share one mapping, so that
  /// the thread sanitizer can match their accesses; see WorkerEnd::attach_in_process.
  bool in_process = false;
};

/// Progress of a bulk call.
struct BulkProgress {
  std::uint32_t done = 0;
  BlockRef answers;  ///< Without its owner's tag; must not be freed.
};

/// What the shared words of a dead worker say about the bulk call that it had started.
struct BulkRemains {
  /// False: the words were overwritten, so the progress is unknown.
  bool intact = false;
  std::uint32_t begun = 0;               ///< Items started.
  std::optional<BulkProgress> progress;  ///< Absent: it had not reached the first item.
};

/// What the worker's shared word says about one call.
enum class Known { kNo, kYes, kDamaged };

/// Four roles, each for one thread at a time, but all four concurrently if needed:
///   submitter  push, publish, revoke, can_push
///   reaper     pop, wait, arm_event_bell, disarm
///   releaser   release, flush_releases
///   listener   read_message
/// The other members are [any-thread]. A role moves between threads through a lock of the caller or
/// any other happens-before relation. Movable before any role is used.
class HostEnd {
 public:
  /// Creates and maps both segments. Errors: kInvalidArgument: invalid
  /// counts; those of SharedMemory.
  [[nodiscard]] static Result<HostEnd> create(const HostEndOptions& options);
  HostEnd(HostEnd&&) noexcept;
  HostEnd& operator=(HostEnd&&) noexcept;
  ~HostEnd();

  /// Descriptors for the worker, which maps the first read-only and the second for writing.
  /// Ownership stays here.
  [[nodiscard]] const FileDescriptor& submission_descriptor() const noexcept;
  [[nodiscard]] const FileDescriptor& completion_descriptor() const noexcept;
  /// Closes both descriptors once the worker has them; the mappings stay.
  void close_descriptors() noexcept;

  // -- submitter ------------------------------------------------------------------------------

  /// How many more submissions fit now: a slot stays occupied until its completion is popped.
  [[nodiscard]] std::uint32_t free_slots() const noexcept;
  /// Writes one submission without publishing it and returns its position. `payload` is an argument
  /// that travels inline (at most kSubmissionInlineBytes); descriptor.argument is then set here.
  /// Errors: kRejected: the ring is full; kTooLarge.
  [[nodiscard]] Result<std::uint64_t> push(const SubmissionDescriptor& descriptor,
                                           std::optional<BytesView> payload = std::nullopt);
  /// Publishes all pushed submissions and wakes the worker once if it sleeps.
  void publish() noexcept;
  /// Revokes a published submission, by its position. May always come too late; the result is then
  /// kUndecided.
  [[nodiscard]] Revoked revoke(std::uint64_t position) noexcept;

  /// Revokes the items of a running bulk call that have not started: items from the returned index
  /// on, counted from the submission's first item, will not run. The item before it may also be
  /// returned unrun by the completion. nullopt: the worker is not running this call.
  [[nodiscard]] std::optional<std::uint32_t> revoke_items(std::uint64_t position) noexcept;

  // -- reaper ---------------------------------------------------------------------------------

  /// Takes the next completion; false if there is none. The descriptor is copied first; then its
  /// call id, session, kind, status, flags and sizes are checked. Completions of revoked
  /// submissions are skipped. Errors: kCorrupt, naming the field: the worker is broken and must be
  /// killed; every later call returns the same error.
  [[nodiscard]] Result<bool> pop(Completion& completion);
  /// Whether pop would return a completion or an error.
  [[nodiscard]] bool has_completion() const noexcept;
  /// Spins, then sleeps until there is a completion, a wake_host, or the deadline. The exit of the
  /// worker does not wake it: the watcher of the exit handle calls wake_host. With `position` it
  /// keeps sleeping until that submission is completed, or the worker goes to sleep with
  /// completions that it has not rung for, or has held some for 50 us. Without it the next
  /// completion wakes.
  WaitResult wait(AdaptiveSpin& spin, MonotonicNs deadline_ns, std::uint64_t position = 0);
  /// Asks the worker to ring its event bell once, for a poller: when it has completed `position`,
  /// goes to sleep with completions that it has not rung for, or has held some for 50 us. Returns
  /// false, without arming the bell, if there is a completion already.
  [[nodiscard]] bool arm_event_bell(std::uint64_t position = 0) noexcept;
  /// Moves the position that an armed bell waits for.
  void move_bell(std::uint64_t position) noexcept;
  /// Cancels arm_event_bell. `wait` does this too; it is not needed after the bell has rung and pop
  /// found everything.
  void disarm() noexcept;

  // -- releaser -------------------------------------------------------------------------------

  /// Returns a block of result memory to the worker. Never fails or blocks: if the ring is full,
  /// the block waits in a list until the next release or flush.
  void release(const BlockRef& block);
  /// Moves waiting blocks from the list into the ring. Returns how many still wait.
  std::size_t flush_releases();

  // -- listener -------------------------------------------------------------------------------

  /// Copies the worker's next message out; false if there is none. The worker rings its event bell
  /// for each. Errors: kCorrupt: the worker is broken and must be killed.
  [[nodiscard]] Result<bool> read_message(Buffer& message);

  // -- any thread -----------------------------------------------------------------------------

  /// Makes the worker's poll report cancellation while it runs that call; has no effect on other
  /// calls.
  void cancel(std::uint64_t call_id) noexcept;
  /// Latest progress report; nullopt if there is none or one is being written. Untrusted: the
  /// worker may report any numbers.
  [[nodiscard]] std::optional<ProgressReport> progress() const noexcept;
  /// The worker's progress in the bulk call at `position`; nullopt if it has not reached that call
  /// or its words are damaged. Untrusted: the worker may report any values.
  [[nodiscard]] std::optional<BulkProgress> bulk_progress(std::uint64_t position) const noexcept;
  /// The progress after the worker's death, including whether its words are intact.
  [[nodiscard]] BulkRemains bulk_remains(std::uint64_t position) const noexcept;
  /// Submissions published so far.
  [[nodiscard]] std::uint64_t published() const noexcept;
  /// Number of submissions that the worker claims to have completed; untrusted.
  [[nodiscard]] std::uint64_t answered() const noexcept;
  /// Number of completions taken by pop(), including those of revoked submissions: all of these had
  /// started.
  [[nodiscard]] std::uint64_t popped() const noexcept;
  /// Number of submissions that the worker has started; nullopt if the word is damaged or the count
  /// is impossible.
  [[nodiscard]] std::optional<std::uint64_t> begun() const noexcept;
  /// Whether the submission may have started. Also true if the worker's count is invalid.
  [[nodiscard]] bool may_have_begun(std::uint64_t position) const noexcept {
    const auto count = begun();
    return !count || position < *count;
  }
  /// Whether the call at `position`, or the given item of a bulk call there, has called a task that
  /// is not idempotent.
  [[nodiscard]] Known unrepeatable(std::uint64_t position, std::uint32_t item = 0) const noexcept;
  /// Published submissions whose completions have not been popped: those left when the worker has
  /// died.
  [[nodiscard]] std::uint64_t in_flight() const noexcept;
  /// Wakes the worker although nothing is submitted: to read its control channel.
  void wake_worker() noexcept;
  /// Call this after you send a message through the control channel: the worker reads the channel before its next call.
  /// Does not wake it.
  void count_message() noexcept;
  /// Wakes a thread of this process that is in `wait`.
  void wake_host() noexcept;

  struct Impl;
  /// For WorkerEnd::attach_in_process.
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit HostEnd(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal

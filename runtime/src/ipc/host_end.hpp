/// The host's end of the transport to one worker.
///
///   auto end = HostEnd::create({.worker_name = "worker 1"});
///   // spawn the worker with end->submission_descriptor() and end->completion_descriptor(), then for a call:
///   end->push(descriptor, inline_bytes);
///   end->publish();                          // one wake at most, and none while the worker is awake
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

/// One answer of a worker, copied out of the ring and checked but for what segments hold: see `payload`.
struct Completion {
  CompletionDescriptor descriptor;
  /// Position of the submission it answers.
  std::uint64_t position = 0;
  /// Inline payload: `descriptor.payload.size_bytes` bytes are used when descriptor.payload.is_inline().
  alignas(16) std::array<std::uint8_t, kCompletionInlineBytes> inline_bytes;
  /// The inline payload, for SegmentTable::resolve.
  [[nodiscard]] BytesView inline_payload() const noexcept {
    return BytesView(inline_bytes.data(), descriptor.payload.is_inline() ? descriptor.payload.size_bytes : 0);
  }
};

/// How a revocation ended.
enum class Revoked {
  kTaken,      ///< The worker will not run it: it is the caller's again. Its completion will not be seen.
  kUndecided,  ///< The worker has it or is about to give it back: its completion says which (CompletionKind).
};

/// Progress of the running call.
struct ProgressReport {
  std::uint64_t call_id = 0;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct HostEndOptions {
  /// Names the memory in /proc and errors.
  std::string worker_name = "worker";
  /// Submissions in flight at most; a power of two from 2 to 65536. 512 bytes of memory each, once used.
  std::uint32_t slot_count = 256;
  /// Entries of the release ring; more wait in a list of the host. A power of two from 2.
  std::uint32_t release_count = 256;
  /// For a worker on a thread of this process (tests): both ends then use one mapping, so that the thread sanitizer
  /// sees them meet; see WorkerEnd::attach_in_process.
  bool in_process = false;
};

/// How far a bulk call has come.
struct BulkProgress {
  std::uint32_t done = 0;
  BlockRef answers;  ///< Without its owner's tag: not to be given back.
};

/// What a dead worker's words say of the bulk call that it had begun.
struct BulkRemains {
  /// False: the words were written over; how far it came is not known.
  bool intact = false;
  std::uint32_t begun = 0;               ///< Items begun.
  std::optional<BulkProgress> progress;  ///< Absent: it had not come to the first item yet.
};

/// What the worker's word says of one call.
enum class Known { kNo, kYes, kDamaged };

/// Four roles, each for one thread at a time, all at once if wanted:
///   submitter  push, publish, revoke, can_push
///   reaper     pop, wait, arm_event_bell, disarm
///   releaser   release, flush_releases
///   listener   read_message
/// The other members are [any-thread]. Who plays a role changes by a lock of the caller's, or any other happens-before.
/// Movable before any role begins.
class HostEnd {
 public:
  /// Makes both segments and maps them. Errors: kInvalidArgument counts; those of SharedMemory.
  [[nodiscard]] static Result<HostEnd> create(const HostEndOptions& options);
  HostEnd(HostEnd&&) noexcept;
  HostEnd& operator=(HostEnd&&) noexcept;
  ~HostEnd();

  /// Descriptors for the worker, which maps the first read-only and the second for writing. Stay owned.
  [[nodiscard]] const FileDescriptor& submission_descriptor() const noexcept;
  [[nodiscard]] const FileDescriptor& completion_descriptor() const noexcept;
  /// Closes both descriptors here; the mappings stay. When the worker has them.
  void close_descriptors() noexcept;

  // -- submitter ------------------------------------------------------------------------------

  /// How many more submissions fit now: slots whose completions have not been popped are taken.
  [[nodiscard]] std::uint32_t free_slots() const noexcept;
  /// Writes one submission, not yet visible, and returns its position. `payload` is the argument when it is to travel
  /// inline (at most kSubmissionInlineBytes): descriptor.argument is then set here. Errors: kRejected the ring is full;
  /// kTooLarge.
  [[nodiscard]] Result<std::uint64_t> push(const SubmissionDescriptor& descriptor,
                                           std::optional<BytesView> payload = std::nullopt);
  /// Makes all pushed submissions visible and wakes the worker once if it sleeps.
  void publish() noexcept;
  /// Takes back a published submission, by its position. May come too late at any time: it is then kUndecided.
  [[nodiscard]] Revoked revoke(std::uint64_t position) noexcept;

  /// Takes back the items of a running bulk call that have not begun: from the index it returns on, counted from the
  /// submission's first item, they will not run. The item before may come back unrun with the answer. nullopt: the
  /// worker is not at it.
  [[nodiscard]] std::optional<std::uint32_t> revoke_items(std::uint64_t position) noexcept;

  // -- reaper ---------------------------------------------------------------------------------

  /// Takes the next completion; false when there is none. The descriptor is copied first, then its call id, session,
  /// kind, status, flags and sizes are checked. Completions of taken-back submissions are passed over. Errors: kCorrupt
  /// naming the field: the worker is broken and must be ended; the same error comes from then on.
  [[nodiscard]] Result<bool> pop(Completion& completion);
  /// Whether pop would give something (or an error).
  [[nodiscard]] bool has_completion() const noexcept;
  /// Spins, then sleeps until there is a completion, a wake_host, or the deadline. The end of the worker does not wake
  /// it: the exit handle's watcher calls wake_host. `position`: sleep on until that submission is answered, or the
  /// worker goes to wait with answers that it has not rung for, or has held some for 50 us; without it the next answer
  /// wakes.
  WaitResult wait(AdaptiveSpin& spin, MonotonicNs deadline_ns, std::uint64_t position = 0);
  /// Asks the worker to ring its event bell once, for a poller: when it has answered `position`, or goes to wait with
  /// answers that it has not rung for, or has held some for 50 us. False: there is a completion already, and nothing is
  /// armed.
  [[nodiscard]] bool arm_event_bell(std::uint64_t position = 0) noexcept;
  /// Moves the position that an armed bell waits for.
  void move_bell(std::uint64_t position) noexcept;
  /// Ends what arm_event_bell began. Also done by `wait` and needless after the bell rang and pop found all.
  void disarm() noexcept;

  // -- releaser -------------------------------------------------------------------------------

  /// Gives a block of the worker's result memory back to it. Never fails or waits: when the ring is full it waits in a
  /// list until the next release or flush.
  void release(const BlockRef& block);
  /// Moves what waits in the list into the ring. Returns how many still wait.
  std::size_t flush_releases();

  // -- listener -------------------------------------------------------------------------------

  /// Copies the worker's next message out; false when there is none. The worker rings its event bell for each. Errors:
  /// kCorrupt: the worker is broken and must be ended.
  [[nodiscard]] Result<bool> read_message(Buffer& message);

  // -- any thread -----------------------------------------------------------------------------

  /// Asks the worker's poll to say cancelled while it runs that call; without effect on any other.
  void cancel(std::uint64_t call_id) noexcept;
  /// Latest progress report; nullopt when there is none, or one is being written. From the worker: any numbers.
  [[nodiscard]] std::optional<ProgressReport> progress() const noexcept;
  /// How far the worker has come with the bulk call at `position`; nullopt when it did not come to it, or its words are
  /// damaged. From the worker: any answers.
  [[nodiscard]] std::optional<BulkProgress> bulk_progress(std::uint64_t position) const noexcept;
  /// The same after its death, with the difference of the two.
  [[nodiscard]] BulkRemains bulk_remains(std::uint64_t position) const noexcept;
  /// Submissions published so far.
  [[nodiscard]] std::uint64_t published() const noexcept;
  /// Submissions that the worker has answered, as it says: any number.
  [[nodiscard]] std::uint64_t answered() const noexcept;
  /// Answers taken by pop() so far, those of revoked submissions included: all of these had begun.
  [[nodiscard]] std::uint64_t popped() const noexcept;
  /// Submissions that the worker has begun; nullopt when it wrote nonsense: the word is damaged, or no such count is
  /// possible.
  [[nodiscard]] std::optional<std::uint64_t> begun() const noexcept;
  /// Whether the submission may have begun. True also when the worker wrote nonsense.
  [[nodiscard]] bool may_have_begun(std::uint64_t position) const noexcept {
    const auto count = begun();
    return !count || position < *count;
  }
  /// Whether the call at `position`, or the item of the bulk call there, has called a task that is not idempotent.
  [[nodiscard]] Known unrepeatable(std::uint64_t position, std::uint32_t item = 0) const noexcept;
  /// Published submissions whose completions have not been popped. What is left when the worker has died.
  [[nodiscard]] std::uint64_t in_flight() const noexcept;
  /// Wakes the worker from its sleep though nothing is submitted: to read its control channel.
  void wake_worker() noexcept;
  /// After a message has been sent through the control channel: the worker reads the channel before its next call. Does
  /// not wake it.
  void count_message() noexcept;
  /// Wakes a thread of this process from `wait`.
  void wake_host() noexcept;

  struct Impl;
  /// For WorkerEnd::attach_in_process.
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit HostEnd(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal

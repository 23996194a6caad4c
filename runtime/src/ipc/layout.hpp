/// Layout of the shared memory between a host and one worker. DESIGN.md describes the layout in
/// prose and justifies the memory orderings.
///
/// WIRE: shared by a host and a worker of the same build; kLayoutVersion increases with every
/// change, and a worker refuses any other version.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tenon/plugin.h>

#include "base/clock.hpp"

namespace tenon::internal {

inline constexpr std::uint32_t kLayoutVersion = 10;
inline constexpr std::uint64_t kSubmissionMagic = 0x31627553'6e6f6e65;  // "enonSub1"
inline constexpr std::uint64_t kCompletionMagic = 0x31706d43'6e6f6e65;  // "enonCmp1"

/// Larger than a cache line on purpose: cores fetch lines in pairs.
inline constexpr std::size_t kLineBytes = 128;
inline constexpr std::size_t kSlotBytes = 256;
inline constexpr std::size_t kSubmissionInlineBytes = 160;
inline constexpr std::size_t kCompletionInlineBytes = 192;

/// Segment numbers. Numbers from kFirstSegment on are assigned by the host's runtime and never
/// reused.
inline constexpr std::uint32_t kNoSegment = 0;               ///< The bytes are absent.
inline constexpr std::uint32_t kInlineSegment = 0xffffffff;  ///< The bytes lie in the slot itself.
inline constexpr std::uint32_t kFirstSegment = 1;

/// The location of bytes. WIRE.
struct BlockRef {
  std::uint32_t segment = kNoSegment;
  /// The arena's own tag of the block, passed back when the block is freed; it means nothing to the
  /// other side.
  std::uint32_t tag = 0;
  /// From the segment's start; a multiple of 16. 0 for kInlineSegment.
  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = 0;
  [[nodiscard]] bool absent() const noexcept { return segment == kNoSegment; }
  [[nodiscard]] bool is_inline() const noexcept { return segment == kInlineSegment; }
  friend bool operator==(const BlockRef&, const BlockRef&) = default;
};
static_assert(sizeof(BlockRef) == 24 && std::is_trivially_copyable_v<BlockRef>);

/// The operation of a submission. WIRE: never renumber.
enum class CallKind : std::uint16_t {
  kCall = 1,        ///< Runs a plain task.
  kOpen = 2,        ///< Opens session `session_id`.
  kStep = 3,        ///< Steps it.
  kCheckpoint = 4,  ///< Requests its checkpoint.
  kClose = 5,       ///< Closes it.
  kBulk = 6,        ///< Runs a plain task on several arguments, one after another (ipc/bulk.hpp).
  kLoad = 7,        ///< Loads the plugin of the route and runs its `init`; no task.
};

/// SubmissionDescriptor::flags. WIRE.
enum SubmissionFlags : std::uint16_t {
  /// The argument is a frame sequence (ipc/frames.hpp) of several arguments for a reduce.
  kSubmissionArgumentFrames = 1,
  /// kStep of a source: also return a checkpoint after the results, if it is cheap.
  kSubmissionCheckpoint = 2,
  /// `deadline_ns` is a duration, counted from when the worker begins the call.
  kSubmissionRunTimeout = 4,
};

/// One submission, as the host writes it. WIRE.
struct SubmissionDescriptor {
  std::uint64_t call_id = 0;  ///< Unique in the runtime, never 0; the same for each attempt.
  MonotonicNs deadline_ns = kNever;
  std::uint64_t session_id = 0;  ///< 0 for kCall, kBulk and kLoad.
  BlockRef argument;             ///< Absent, inline or in a segment.
  BlockRef checkpoint;           ///< Only for kOpen; never inline.
  std::uint32_t route = 0;       ///< Number of the task, bound over the control channel.
  CallKind kind = CallKind::kCall;
  std::uint16_t flags = 0;
  std::uint32_t attempt = 1;
  /// kStep of a source: maximum number of results; kBulk: number of items, 1 to kMaxBulkItems.
  std::uint32_t max_results = 0;
  /// kBulk: index of its first item in the argument block, below kMaxBulkItems; otherwise 0.
  std::uint64_t first_item = 0;
};
static_assert(sizeof(SubmissionDescriptor) == 96 && std::is_trivially_copyable_v<SubmissionDescriptor>);
static_assert(offsetof(SubmissionDescriptor, argument) == 24 && offsetof(SubmissionDescriptor, checkpoint) == 48);
static_assert(offsetof(SubmissionDescriptor, route) == 72 && offsetof(SubmissionDescriptor, max_results) == 84);

/// Maximum number of items of a bulk call.
inline constexpr std::uint32_t kMaxBulkItems = 4096;

/// How a submission was completed. WIRE: never renumber.
enum class CompletionKind : std::uint16_t {
  kDone = 1,      ///< The call ran: `status` says how.
  kReturned = 2,  ///< It was revoked before it started; the worker did not run it.
};

/// CompletionDescriptor::flags. WIRE.
enum CompletionFlags : std::uint16_t {
  /// `step` returned TENON_END; the session is complete and must be closed with kClose.
  kCompletionSessionEnded = 1,
  kCompletionFrames = 2,        ///< The payload is a frame sequence of results.
  kCompletionArgument = 4,      ///< The result is the call's own argument; the payload is absent.
  kCompletionUnrepeatable = 8,  ///< The call has called a task that is not idempotent.
  /// With kCompletionFrames: the last frame is a checkpoint taken after the results.
  kCompletionCheckpoint = 16,
};

/// One completion, as the worker writes it. WIRE. The n-th completion belongs to the n-th
/// submission.
struct CompletionDescriptor {
  std::uint64_t call_id = 0;     ///< Call id of the completed submission.
  std::uint64_t session_id = 0;  ///< Session id of the completed submission.
  /// The result if `status` is TENON_OK, otherwise the error message (UTF-8). Absent, inline or in
  /// a segment.
  BlockRef payload;
  tenon_status_t status = TENON_OK;  ///< TENON_OK or an error, never TENON_END.
  CompletionKind kind = CompletionKind::kDone;
  std::uint16_t flags = 0;
  std::uint64_t run_ns = 0;  ///< Run time of the call; only for statistics.
  /// Number of items that ran, counted from the first: sealed (ipc/sealed_count.hpp) for a bulk
  /// call, otherwise 0. For kReturned, the seal of a returned call.
  std::uint64_t items_done = 0;
};
static_assert(sizeof(CompletionDescriptor) == 64 && std::is_trivially_copyable_v<CompletionDescriptor>);
static_assert(offsetof(CompletionDescriptor, payload) == 16 && offsetof(CompletionDescriptor, status) == 40);

/// A slot of the submission ring. WIRE.
struct alignas(kSlotBytes) SubmissionSlot {
  SubmissionDescriptor descriptor;
  std::array<std::uint8_t, kSubmissionInlineBytes> payload;
};
/// A slot of the completion ring. WIRE.
struct alignas(kSlotBytes) CompletionSlot {
  CompletionDescriptor descriptor;
  std::array<std::uint8_t, kCompletionInlineBytes> payload;
};
static_assert(sizeof(SubmissionSlot) == kSlotBytes && offsetof(SubmissionSlot, payload) % 16 == 0);
static_assert(sizeof(CompletionSlot) == kSlotBytes && offsetof(CompletionSlot, payload) % 16 == 0);

/// The low two bits of a waiter's sleep word. The other bits count how often it was armed, so that
/// each arming is rung once.
enum class SleepMode : std::uint32_t {
  kAwake = 0,     ///< Do not ring.
  kFutex = 1,     ///< Wake the other side's bell word.
  kEventBell = 2  ///< Ring the descriptor bell (host only).
};

/// First cache lines of the submission segment. The host writes the whole segment; the worker maps
/// it read-only. WIRE.
struct SubmissionHeader {
  struct alignas(kLineBytes) {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t slot_count;     ///< A power of two.
    std::uint32_t release_count;  ///< Entries of the release ring; a power of two.
    std::uint32_t reserved;
    std::uint64_t slots_offset_bytes;
    std::uint64_t revoked_offset_bytes;
    std::uint64_t release_offset_bytes;
    std::uint64_t size_bytes;
  } fixed;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> tail;  ///< Submissions published so far.
  } ring;
  struct alignas(kLineBytes) {
    std::atomic<std::uint32_t> bell;   ///< The worker sleeps on it.
    std::atomic<std::uint32_t> sleep;  ///< SleepMode of the host, with its count.
    /// The number of completions at which a sleeping host is rung without delay.
    std::atomic<std::uint64_t> ring_at;
    /// Messages sent through the control channel so far, except the greeting: a worker that has
    /// read this many need not check the channel.
    std::atomic<std::uint64_t> messages;
  } bell;
  struct alignas(kLineBytes) {
    /// Compared by the worker's poll with its running call.
    std::atomic<std::uint64_t> cancelled_call_id;
  } cancel;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> tail;  ///< Releases published so far.
  } release;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> head;  ///< Bytes of the worker's messages consumed so far.
  } messages;
};
static_assert(std::is_standard_layout_v<SubmissionHeader> && sizeof(SubmissionHeader) == 6 * kLineBytes);

/// A block of the worker's result memory that the host no longer needs. WIRE.
using ReleaseEntry = BlockRef;

/// First cache lines of the completion segment. The worker writes the whole segment except `fixed`,
/// which the host fills before it starts the worker; the host maps it read-only. WIRE.
struct CompletionHeader {
  struct alignas(kLineBytes) {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t slot_count;  ///< Equal to that of the submission ring.
    std::uint64_t slots_offset_bytes;
    std::uint64_t size_bytes;
  } fixed;
  struct alignas(kLineBytes) {
    /// Completions published so far; equal to the number of completed submissions.
    std::atomic<std::uint64_t> tail;
  } ring;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> begun;  ///< Submissions started so far, sealed.
    /// The last call or item that called a task that is not idempotent: a sealed ItemPlace.
    std::atomic<std::uint64_t> unrepeatable;
  } begun;
  struct alignas(kLineBytes) {
    /// The last bulk call: a sealed ItemPlace with the number of items started.
    std::atomic<std::uint64_t> begun;
    /// The same with the number of items done; kNone while the location of the results changes.
    std::atomic<std::uint64_t> done;
    std::atomic<std::uint64_t> answers_segment;  ///< Location of its results.
    std::atomic<std::uint64_t> answers_offset_bytes;
    std::atomic<std::uint64_t> answers_size_bytes;
    std::atomic<std::uint64_t> answers_check;  ///< check_of_place() of these three values.
  } bulk;
  struct alignas(kLineBytes) {
    std::atomic<std::uint32_t> bell;   ///< The host sleeps on it.
    std::atomic<std::uint32_t> sleep;  ///< SleepMode of the worker, with its count.
  } bell;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> head;  ///< Releases consumed so far.
  } release;
  struct alignas(kLineBytes) {
    std::atomic<std::uint32_t> version;  ///< Odd while a report is written.
    std::atomic<std::uint64_t> call_id;
    std::atomic<std::uint64_t> done;
    std::atomic<std::uint64_t> total;
  } progress;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> tail;  ///< Bytes of messages written so far (ipc/message_ring.hpp).
  } messages;
};
static_assert(std::is_standard_layout_v<CompletionHeader> && sizeof(CompletionHeader) == 8 * kLineBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

/// A check word that reveals an overwritten location of a bulk call's results. WIRE.
[[nodiscard]] constexpr std::uint64_t check_of_place(std::uint64_t position, std::uint64_t segment,
                                                     std::uint64_t offset_bytes, std::uint64_t size_bytes) noexcept {
  std::uint64_t mixed = position ^ 0xd6e8feb8'6659fd93;
  for (const std::uint64_t part : {segment, offset_bytes, size_bytes}) {
    mixed = (mixed ^ part) * 0x9e3779b9'7f4a7c15;
    mixed ^= mixed >> 29u;
  }
  return mixed;
}

/// Sizes of both segments for a ring of `slot_count` slots, a power of two from 2 to 65536.
struct LayoutSizes {
  std::uint64_t submission_bytes = 0;
  std::uint64_t completion_bytes = 0;
  std::uint64_t revoked_offset_bytes = 0;
  std::uint64_t release_offset_bytes = 0;
  std::uint64_t slots_offset_bytes = 0;  ///< Within the submission segment.
  std::uint64_t completion_slots_offset_bytes = 0;
  /// Offset of the worker's messages in the completion segment.
  std::uint64_t messages_offset_bytes = 0;
};
[[nodiscard]] LayoutSizes layout_sizes(std::uint32_t slot_count, std::uint32_t release_count) noexcept;

inline constexpr std::uint32_t kMinSlots = 2;
inline constexpr std::uint32_t kMaxSlots = 65536;

}  // namespace tenon::internal

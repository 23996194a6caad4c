#include "ipc/worker_end.hpp"

#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "base/guarded.hpp"
#include "base/hot.hpp"
#include "base/try.hpp"
#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/host_end_impl.hpp"
#include "ipc/message_ring.hpp"
#include "ipc/sealed_count.hpp"

namespace tenon::internal {

struct WorkerEnd::Impl {
  std::shared_ptr<const Mapping> submission;
  std::shared_ptr<Mapping> completion;
  BellRinger event_bell;
  // Relaxed: only the flag itself matters.
  std::atomic<bool> bell_lost{false};

  // Pointers into the mappings.
  const SubmissionHeader* calls = nullptr;
  const std::atomic<std::uint64_t>* revoked = nullptr;
  const ReleaseEntry* releases = nullptr;
  const SubmissionSlot* slots = nullptr;
  CompletionHeader* header = nullptr;
  CompletionSlot* answer_slots = nullptr;
  std::uint32_t slot_count = 0;
  std::uint32_t release_count = 0;

  /// Completions written into the ring; also the position of the next submission to start.
  std::uint64_t answered = 0;
  std::uint64_t published = 0;
  /// Completions before this position were published, and then the sleep word was checked.
  std::uint64_t announced = 0;
  std::uint64_t tail_seen = 0;
  bool running = false;
  std::uint64_t running_call_id = 0;
  std::uint64_t running_session_id = 0;
  std::uint64_t running_position = 0;
  std::uint32_t running_item = 0;
  bool running_bulk = false;
  bool unrepeatable = false;  // Refers to the running call.
  std::uint32_t armed_count = 0;
  std::uint32_t rung = 0;
  std::uint32_t bell_seen = 0;
  std::uint64_t release_head = 0;

  Guarded<MessageWriter> messages;

  void ring_event_bell() noexcept;
  /// Whether the host has rung since the last take_ring().
  [[nodiscard]] bool bell_rang() const noexcept {
    return calls->bell.bell.load(std::memory_order_seq_cst) != bell_seen;
  }
  bool take_ring() noexcept {
    const std::uint32_t bell = calls->bell.bell.load(std::memory_order_seq_cst);
    return std::exchange(bell_seen, bell) != bell;
  }
  /// Wakes the host if `sleep` says that it sleeps and it has not been rung for this sleep.
  void ring_for(std::uint32_t sleep) noexcept;

  [[nodiscard]] static Result<std::unique_ptr<Impl>> over(std::shared_ptr<const Mapping> submission,
                                                          std::shared_ptr<Mapping> completion, EventBell bell);
};

namespace {

const char* broken_field(const SubmissionDescriptor& call) noexcept {
  const auto bad = [](const BlockRef& block, std::uint64_t inline_limit) {
    if (block.absent()) {
      return block.offset_bytes != 0 || block.size_bytes != 0;
    }
    return block.is_inline() && (block.offset_bytes != 0 || block.size_bytes > inline_limit);
  };
  if (call.call_id == 0) {
    return "call_id";
  }
  if (call.kind < CallKind::kCall || call.kind > CallKind::kLoad) {
    return "kind";
  }
  const bool bulk = call.kind == CallKind::kBulk;
  if ((call.kind == CallKind::kCall || call.kind == CallKind::kLoad || bulk) != (call.session_id == 0)) {
    return "session_id";
  }
  if ((call.flags & ~(kSubmissionArgumentFrames | kSubmissionCheckpoint | kSubmissionRunTimeout)) != 0) {
    return "flags";
  }
  if (call.attempt == 0) {
    return "attempt";
  }
  if (bad(call.argument, kSubmissionInlineBytes)) {
    return "argument";
  }
  if (call.checkpoint.is_inline() || bad(call.checkpoint, 0) ||
      (!call.checkpoint.absent() && call.kind != CallKind::kOpen)) {
    return "checkpoint";
  }
  if (bulk ? call.max_results == 0 || call.max_results > kMaxBulkItems || call.first_item >= kMaxBulkItems ||
                 call.argument.is_inline()
           : call.first_item != 0) {
    return "items";
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<WorkerEnd::Impl>> WorkerEnd::Impl::over(std::shared_ptr<const Mapping> submission,
                                                               std::shared_ptr<Mapping> completion, EventBell bell) {
  const auto corrupt = [](const char* what) {
    return fail(ErrorCode::kCorrupt, std::string("the shared memory of a worker is not valid: ") + what);
  };
  if (submission->size_bytes() < sizeof(SubmissionHeader) || completion->size_bytes() < sizeof(CompletionHeader)) {
    return corrupt("a segment is too small for its header");
  }
  auto impl = std::make_unique<Impl>();
  impl->calls = reinterpret_cast<const SubmissionHeader*>(submission->data());
  impl->header = reinterpret_cast<CompletionHeader*>(completion->writable_data());
  const auto& calls = impl->calls->fixed;
  const auto& answers = impl->header->fixed;
  if (calls.magic != kSubmissionMagic || answers.magic != kCompletionMagic) {
    return corrupt("a segment does not start with its magic number");
  }
  if (calls.version != kLayoutVersion || answers.version != kLayoutVersion) {
    return fail(ErrorCode::kIncompatible, "host and worker are of different builds: their shared memory has version " +
                                              std::to_string(calls.version) + ", not " +
                                              std::to_string(kLayoutVersion) + "; install both from one build");
  }
  const auto good_count = [](std::uint32_t count) {
    return std::has_single_bit(count) && count >= kMinSlots && count <= kMaxSlots;
  };
  impl->slot_count = calls.slot_count;
  impl->release_count = calls.release_count;
  if (!good_count(impl->slot_count) || !good_count(impl->release_count) || answers.slot_count != impl->slot_count) {
    return corrupt("the number of slots");
  }
  const LayoutSizes sizes = layout_sizes(impl->slot_count, impl->release_count);
  if (sizes.submission_bytes > submission->size_bytes() || sizes.completion_bytes > completion->size_bytes() ||
      calls.slots_offset_bytes != sizes.slots_offset_bytes ||
      calls.revoked_offset_bytes != sizes.revoked_offset_bytes ||
      calls.release_offset_bytes != sizes.release_offset_bytes ||
      answers.slots_offset_bytes != sizes.completion_slots_offset_bytes) {
    return corrupt("its size or an offset does not match its number of slots");
  }
  impl->revoked = reinterpret_cast<const std::atomic<std::uint64_t>*>(submission->data() + sizes.revoked_offset_bytes);
  impl->releases = reinterpret_cast<const ReleaseEntry*>(submission->data() + sizes.release_offset_bytes);
  impl->slots = reinterpret_cast<const SubmissionSlot*>(submission->data() + sizes.slots_offset_bytes);
  impl->answer_slots =
      reinterpret_cast<CompletionSlot*>(completion->writable_data() + sizes.completion_slots_offset_bytes);
  impl->messages.set(MessageWriter(impl->header->messages.tail,
                                   completion->writable_data() + sizes.messages_offset_bytes,
                                   impl->calls->messages.head));
  impl->submission = std::move(submission);
  impl->completion = std::move(completion);
  impl->event_bell = BellRinger(std::move(bell));
  return impl;
}

WorkerEnd::WorkerEnd(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
WorkerEnd::WorkerEnd(WorkerEnd&&) noexcept = default;
WorkerEnd& WorkerEnd::operator=(WorkerEnd&&) noexcept = default;
WorkerEnd::~WorkerEnd() = default;

Result<WorkerEnd> WorkerEnd::attach(FileDescriptor submission, FileDescriptor completion, EventBell bell) {
  TENON_ASSIGN(auto calls, map_foreign_segment(std::move(submission)));
  TENON_ASSIGN(auto memory, SharedMemory::adopt(std::move(completion), {.shrink = true, .grow = true}));
  TENON_ASSIGN(auto answers, memory.map(Access::kReadWrite));
  TENON_TRY(memory.seal({.future_write = true}));
  TENON_ASSIGN(auto impl, Impl::over(std::move(calls), std::make_shared<Mapping>(std::move(answers)), std::move(bell)));
  return WorkerEnd(std::move(impl));
}

Result<WorkerEnd> WorkerEnd::attach_in_process(const HostEnd& host, EventBell bell) {
  if (!host.impl().in_process) {
    return fail(ErrorCode::kInvalidArgument, "the host's end was not created for a worker in its own process");
  }
  TENON_ASSIGN(auto impl, Impl::over(host.impl().submission, host.impl().completion, std::move(bell)));
  return WorkerEnd(std::move(impl));
}

bool WorkerEnd::has_submission() const noexcept {
  return impl_->calls->ring.tail.load(std::memory_order_acquire) != impl_->answered;
}

TENON_HOT Result<std::optional<Submission>> WorkerEnd::begin() {
  Impl& own = *impl_;
  if (own.running) {
    return fail(ErrorCode::kInternal, "a worker started a call before it had finished the previous one");
  }
  for (;;) {
    const std::uint64_t position = own.answered;
    if (position == own.tail_seen) {
      // Acquire, with the host's store in publish: the slots below the tail are written.
      const std::uint64_t tail = own.calls->ring.tail.load(std::memory_order_acquire);
      if (tail == position) {
        return std::optional<Submission>();
      }
      if (tail < position || tail - position > own.slot_count) {
        return fail(ErrorCode::kCorrupt, "the host's submission ring is not valid: tail " + std::to_string(tail) +
                                             " at position " + std::to_string(position));
      }
      own.tail_seen = tail;
    }
    const std::size_t index = position & (own.slot_count - 1);
    const SubmissionSlot& slot = own.slots[index];
    // SUBTLE: Dekker's algorithm with HostEnd::revoke; all four accesses are sequentially
    // consistent.
    own.header->begun.begun.store(put_seal(Seal::kBegun, position + 1), std::memory_order_seq_cst);
    const bool revoked = own.revoked[index].load(std::memory_order_seq_cst) == position + 1;
    Submission submission{.descriptor = slot.descriptor, .inline_payload = {}, .position = position};
    if (revoked) {
      CompletionSlot& answer = own.answer_slots[index];
      answer.descriptor = CompletionDescriptor{.call_id = submission.descriptor.call_id,
                                               .session_id = submission.descriptor.session_id,
                                               .payload = {},
                                               .kind = CompletionKind::kReturned,
                                               .items_done = put_seal(Seal::kReturned, position)};
      own.answered = position + 1;
      continue;
    }
    if (const char* field = broken_field(submission.descriptor); field != nullptr) {
      return fail(ErrorCode::kCorrupt, std::string("the host's submission ring is not valid: ") + field +
                                           " of submission " + std::to_string(position));
    }
    if (submission.descriptor.argument.is_inline()) {
      submission.inline_payload = BytesView(slot.payload).first(submission.descriptor.argument.size_bytes);
    }
    own.running = true;
    own.running_call_id = submission.descriptor.call_id;
    own.running_session_id = submission.descriptor.session_id;
    own.running_position = position;
    own.running_item = 0;
    own.running_bulk = submission.descriptor.kind == CallKind::kBulk;
    own.unrepeatable = false;
    return std::optional<Submission>(submission);
  }
}

TENON_HOT Result<void> WorkerEnd::finish(CompletionDescriptor completion, std::optional<BytesView> payload) {
  Impl& own = *impl_;
  if (!own.running) {
    return fail(ErrorCode::kInternal, "a worker finished a call that had not started");
  }
  if (payload && payload->size() > kCompletionInlineBytes) {
    return fail(ErrorCode::kTooLarge, "a result of " + std::to_string(payload->size()) +
                                          " bytes does not fit into a slot; put it into the arena");
  }
  CompletionSlot& slot = own.answer_slots[own.answered & (own.slot_count - 1)];
  completion.call_id = own.running_call_id;
  completion.session_id = own.running_session_id;
  if (own.running_bulk) {
    const auto items_done = static_cast<std::uint32_t>(completion.items_done);
    completion.items_done = put_seal(Seal::kItemsAnswered, ItemPlace::pack(own.running_position, items_done));
  }
  if (own.unrepeatable) {
    completion.flags = static_cast<std::uint16_t>(completion.flags | kCompletionUnrepeatable);
  }
  if (payload) {
    completion.payload = {.segment = kInlineSegment, .tag = 0, .offset_bytes = 0, .size_bytes = payload->size()};
    if (!payload->empty()) {
      std::memcpy(slot.payload.data(), payload->data(), payload->size());
    }
  }
  slot.descriptor = completion;
  ++own.answered;
  own.running = false;
  return {};
}

void WorkerEnd::begin_bulk(const ArenaBlock& answers) noexcept {
  Impl& own = *impl_;
  auto& bulk = own.header->bulk;
  // SUBTLE: a host that still reads the previous bulk call must not combine its count with the
  // location of this one. Each part of the location is stored with release after the count has been
  // reset to kNone: a host that acquires a new part sees that, or a later count, when it reads the
  // count again.
  const auto done_word = [&own](std::uint32_t items) {
    return put_seal(Seal::kItemsDone, ItemPlace::pack(own.running_position, items));
  };
  bulk.done.store(done_word(ItemPlace::kNone), std::memory_order_relaxed);
  bulk.answers_segment.store(answers.ref.segment, std::memory_order_release);
  bulk.answers_offset_bytes.store(answers.ref.offset_bytes, std::memory_order_release);
  // The whole block: it may be larger than requested, and the last result may lie in the excess.
  bulk.answers_size_bytes.store(answers.bytes.size(), std::memory_order_release);
  bulk.answers_check.store(
      check_of_place(own.running_position, answers.ref.segment, answers.ref.offset_bytes, answers.bytes.size()),
      std::memory_order_release);
  // Release: the location is written.
  bulk.done.store(done_word(0), std::memory_order_release);
}

bool WorkerEnd::begin_item(std::uint32_t index) noexcept {
  Impl& own = *impl_;
  // SUBTLE: Dekker's algorithm with HostEnd::revoke_items; all four accesses are sequentially
  // consistent.
  own.running_item = index;
  own.header->bulk.begun.store(put_seal(Seal::kItemsBegun, ItemPlace::pack(own.running_position, index + 1)),
                               std::memory_order_seq_cst);
  const std::size_t slot = own.running_position & (own.slot_count - 1);
  return own.revoked[slot].load(std::memory_order_seq_cst) != own.running_position + 1;
}

void WorkerEnd::finish_item(std::uint32_t index) noexcept {
  // Release: the item's result is written.
  impl_->header->bulk.done.store(put_seal(Seal::kItemsDone, ItemPlace::pack(impl_->running_position, index + 1)),
                                 std::memory_order_release);
}

void WorkerEnd::mark_unrepeatable() noexcept {
  Impl& own = *impl_;
  own.unrepeatable = true;
  // Release: the mark is stored before anything that the nested task does, so that the host finds it after a later
  // crash.
  own.header->begun.unrepeatable.store(
      put_seal(Seal::kUnrepeatable, ItemPlace::pack(own.running_position, own.running_item)),
      std::memory_order_release);
}

TENON_HOT void WorkerEnd::set_run_time(std::uint64_t run_ns) noexcept {
  Impl& own = *impl_;
  if (own.answered != own.published) {
    own.answer_slots[(own.answered - 1) & (own.slot_count - 1)].descriptor.run_ns = run_ns;
  }
}

TENON_HOT void WorkerEnd::publish() noexcept {
  Impl& own = *impl_;
  if (own.published == own.answered) {
    return;
  }
  own.published = own.answered;
  // SUBTLE: both are sequentially consistent, against the host's store of its sleep word and load
  // of this tail: at least one side sees the other's store, so no wake-up is lost. The store also
  // releases the slots.
  own.header->ring.tail.store(own.answered, std::memory_order_seq_cst);
  const std::uint32_t sleep = own.calls->bell.sleep.load(std::memory_order_seq_cst);
  // Relaxed: the host stores it before the sleep word. Reading it too early or too late delays the
  // ring by no more than `ring` allows anyway.
  if (own.published >= own.calls->bell.ring_at.load(std::memory_order_relaxed)) {
    own.announced = own.published;
    own.ring_for(sleep);
  }
}

TENON_HOT void WorkerEnd::ring() noexcept {
  Impl& own = *impl_;
  // SUBTLE: a host that arms its bell after this check of its sleep word loads the tail afterwards
  // and sees everything announced, so it waits for more. The check must come after the tail's store
  // in the single order of seq_cst accesses.
  if (own.announced != own.published) {
    own.announced = own.published;
    own.ring_for(own.calls->bell.sleep.load(std::memory_order_seq_cst));
  }
}

TENON_HOT void WorkerEnd::Impl::ring_for(std::uint32_t sleep) noexcept {
  const auto mode = static_cast<SleepMode>(sleep & 3u);
  if (mode == SleepMode::kAwake || sleep == rung) {
    return;
  }
  rung = sleep;
  if (mode == SleepMode::kEventBell) {
    ring_event_bell();
    return;
  }
  header->bell.bell.fetch_add(1, std::memory_order_seq_cst);
  wake_word(header->bell.bell, 1);
}

void WorkerEnd::Impl::ring_event_bell() noexcept {
  if (!event_bell.ring()) {
    bell_lost.store(true, std::memory_order_relaxed);
  }
}

bool WorkerEnd::bell_lost() const noexcept {
  return impl_->bell_lost.load(std::memory_order_relaxed);
}

std::uint64_t WorkerEnd::unpublished() const noexcept {
  return impl_->answered - impl_->published;
}

TENON_HOT std::optional<WorkerWake> WorkerEnd::spin(AdaptiveSpin& adaptive) {
  Impl& own = *impl_;
  publish();
  if (!adaptive.spin([&] { return has_submission() || own.bell_rang(); })) {
    return std::nullopt;
  }
  return own.take_ring() ? WorkerWake::kRung : WorkerWake::kSubmission;
}

WorkerWake WorkerEnd::sleep(MonotonicNs deadline_ns) {
  Impl& own = *impl_;
  publish();
  ring();
  WaitResult result = WaitResult::kWoken;
  if (!bell_lost()) {
    ++own.armed_count;
    own.header->bell.sleep.store((own.armed_count << 2) | static_cast<std::uint32_t>(SleepMode::kFutex),
                                 std::memory_order_seq_cst);
    // SUBTLE: sequentially consistent against the host's publish; see there. A ring since the last
    // wait changed the bell, and the futex then refuses to sleep: wake_worker is therefore never
    // lost either.
    if (own.calls->ring.tail.load(std::memory_order_seq_cst) == own.answered) {
      result = wait_on_word(own.calls->bell.bell, own.bell_seen, deadline_ns);
    }
    // Relaxed: a superfluous ring does no harm.
    own.header->bell.sleep.store(own.armed_count << 2, std::memory_order_relaxed);
  }
  if (own.take_ring()) {
    return WorkerWake::kRung;
  }
  return result == WaitResult::kTimeout && !has_submission() ? WorkerWake::kTimeout : WorkerWake::kSubmission;
}

WorkerWake WorkerEnd::wait(AdaptiveSpin& adaptive, MonotonicNs deadline_ns) {
  const auto woken = spin(adaptive);
  return woken ? *woken : sleep(deadline_ns);
}

TENON_HOT std::optional<BlockRef> WorkerEnd::pop_release() noexcept {
  Impl& own = *impl_;
  // Acquire, with the host's release: the entries below the tail are written.
  if (own.calls->release.tail.load(std::memory_order_acquire) == own.release_head) {
    return std::nullopt;
  }
  const BlockRef block = own.releases[own.release_head & (own.release_count - 1)];
  ++own.release_head;
  // Release, with the host's acquire: the entry has been read.
  own.header->release.head.store(own.release_head, std::memory_order_release);
  return block;
}

TENON_HOT std::uint64_t WorkerEnd::messages() const noexcept {
  // Acquire, with the host's release: the channel contains the counted messages.
  return impl_->calls->bell.messages.load(std::memory_order_acquire);
}

MutableBytesView WorkerEnd::shared_bytes() const noexcept {
  return MutableBytesView(impl_->completion->writable_data(), impl_->completion->size_bytes());
}

Result<bool> WorkerEnd::post(BytesView message) {
  Impl& own = *impl_;
  if (auto written = own.messages.lock()->write(message); !written || !*written) {
    return written;
  }
  // The host's poller waits for the bell whether or not the host has armed it.
  own.ring_event_bell();
  return true;
}

bool WorkerEnd::cancelled(std::uint64_t call_id) const noexcept {
  // Relaxed: only the number matters, and a check that comes too early is repeated.
  return impl_->calls->cancel.cancelled_call_id.load(std::memory_order_relaxed) == call_id;
}

void WorkerEnd::report_progress(std::uint64_t call_id, std::uint64_t done, std::uint64_t total) noexcept {
  auto& shared = impl_->header->progress;
  // The writer's half of HostEnd::progress: the release stores of the data keep the store of the
  // odd version before them.
  const std::uint32_t version = shared.version.load(std::memory_order_relaxed);
  shared.version.store(version + 1, std::memory_order_relaxed);
  shared.call_id.store(call_id, std::memory_order_release);
  shared.done.store(done, std::memory_order_release);
  shared.total.store(total, std::memory_order_release);
  shared.version.store(version + 2, std::memory_order_release);
}

}  // namespace tenon::internal

#include "ipc/host_end.hpp"

#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "base/hot.hpp"
#include "base/try.hpp"
#include "ipc/host_end_impl.hpp"
#include "ipc/sealed_count.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint32_t kModeBits = 2;

std::uint32_t sleep_word(std::uint32_t count, SleepMode mode) noexcept {
  return (count << kModeBits) | static_cast<std::uint32_t>(mode);
}

bool good_count(std::uint32_t count) noexcept {
  return std::has_single_bit(count) && count >= kMinSlots && count <= kMaxSlots;
}

constexpr std::uint16_t kKnownFlags =
    kCompletionSessionEnded | kCompletionFrames | kCompletionArgument | kCompletionUnrepeatable | kCompletionCheckpoint;

/// The name of an invalid field of a completion; nullptr if there is none. SegmentTable checks
/// locations in segments later.
const char* broken_field(const CompletionDescriptor& answer, const Outstanding& asked, std::uint64_t position,
                         bool was_revoked) noexcept {
  const BlockRef& payload = answer.payload;
  if (answer.call_id != asked.call_id.load(std::memory_order_relaxed)) {
    return "call_id";
  }
  if (answer.session_id != asked.session_id.load(std::memory_order_relaxed)) {
    return "session_id";
  }
  if (answer.kind != CompletionKind::kDone && answer.kind != CompletionKind::kReturned) {
    return "kind";
  }
  if (answer.status < TENON_OK || answer.status > TENON_INTERNAL) {
    return "status";
  }
  if ((answer.flags & ~kKnownFlags) != 0) {
    return "flags";
  }
  if ((answer.flags & kCompletionSessionEnded) != 0 && answer.session_id == 0) {
    return "flags";
  }
  if ((answer.flags & kCompletionCheckpoint) != 0 &&
      (answer.session_id == 0 || answer.status != TENON_OK || (answer.flags & kCompletionFrames) == 0)) {
    return "flags";
  }
  if ((answer.flags & kCompletionArgument) != 0 &&
      (answer.status != TENON_OK || answer.session_id != 0 || !payload.absent() ||
       asked.items.load(std::memory_order_relaxed) != 0)) {
    return "flags";
  }
  if (answer.kind == CompletionKind::kReturned) {
    // The seal: a stray write must not make a call that ran look like one that may run elsewhere.
    const bool returned = was_revoked && answer.status == TENON_OK && answer.flags == 0 && payload.absent() &&
                          answer.items_done == put_seal(Seal::kReturned, position);
    return returned ? nullptr : "kind";
  }
  if (const std::uint32_t items = asked.items.load(std::memory_order_relaxed); items == 0) {
    if (answer.items_done != 0) {
      return "items_done";
    }
  } else {
    const auto packed = open_seal(Seal::kItemsAnswered, answer.items_done);
    if (!packed || !ItemPlace::unpack(*packed).is_at(position) || ItemPlace::unpack(*packed).item > items) {
      return "items_done";
    }
  }
  if (payload.is_inline() && payload.offset_bytes != 0) {
    return "payload.offset";
  }
  if (payload.is_inline() && payload.size_bytes > kCompletionInlineBytes) {
    return "payload.size";
  }
  if (payload.absent() && (payload.size_bytes != 0 || payload.offset_bytes != 0)) {
    return "payload.segment";
  }
  return nullptr;
}

}  // namespace

std::optional<std::uint64_t> HostEnd::Impl::begun(std::uint64_t word) const noexcept {
  const auto low = open_seal(Seal::kBegun, word);
  if (!low) {
    return std::nullopt;
  }
  // A correct worker starts only published submissions and completes those that it has started.
  const std::uint64_t published = header->ring.tail.load(std::memory_order_relaxed);
  const std::uint64_t behind = (published - *low) & kSealedMask;
  return behind <= slot_count ? std::optional(published - behind) : std::nullopt;
}

HostEnd::HostEnd(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
HostEnd::HostEnd(HostEnd&&) noexcept = default;
HostEnd& HostEnd::operator=(HostEnd&&) noexcept = default;
HostEnd::~HostEnd() = default;

Result<HostEnd> HostEnd::create(const HostEndOptions& options) {
  if (!good_count(options.slot_count) || !good_count(options.release_count)) {
    return fail(ErrorCode::kInvalidArgument, "the rings of a worker need a power of two from 2 to 65536 entries, not " +
                                                 std::to_string(options.slot_count) + " and " +
                                                 std::to_string(options.release_count));
  }
  const LayoutSizes sizes = layout_sizes(options.slot_count, options.release_count);
  TENON_ASSIGN(auto submission, SharedMemory::create(options.worker_name + " submissions", sizes.submission_bytes));
  TENON_ASSIGN(auto completion, SharedMemory::create(options.worker_name + " completions", sizes.completion_bytes));
  TENON_ASSIGN(auto submission_mapping, submission.map(Access::kReadWrite));

  auto impl = std::make_unique<Impl>();
  std::uint8_t* base = submission_mapping.writable_data();
  // The memory is all zeros, and every atomic starts at zero.
  impl->header = new (base) SubmissionHeader{};
  impl->header->fixed.magic = kSubmissionMagic;
  impl->header->fixed.version = kLayoutVersion;
  impl->header->fixed.slot_count = options.slot_count;
  impl->header->fixed.release_count = options.release_count;
  impl->header->fixed.slots_offset_bytes = sizes.slots_offset_bytes;
  impl->header->fixed.revoked_offset_bytes = sizes.revoked_offset_bytes;
  impl->header->fixed.release_offset_bytes = sizes.release_offset_bytes;
  impl->header->fixed.size_bytes = sizes.submission_bytes;
  impl->revoked = reinterpret_cast<std::atomic<std::uint64_t>*>(base + sizes.revoked_offset_bytes);
  impl->releases = reinterpret_cast<ReleaseEntry*>(base + sizes.release_offset_bytes);
  impl->slots = reinterpret_cast<SubmissionSlot*>(base + sizes.slots_offset_bytes);

  {
    // The fixed part of the worker's segment is written once, through a mapping that is removed
    // afterwards.
    TENON_ASSIGN(auto writable, completion.map(Access::kReadWrite));
    auto* answers = new (writable.writable_data()) CompletionHeader{};
    answers->fixed.magic = kCompletionMagic;
    answers->fixed.version = kLayoutVersion;
    answers->fixed.slot_count = options.slot_count;
    answers->fixed.slots_offset_bytes = sizes.completion_slots_offset_bytes;
    answers->fixed.size_bytes = sizes.completion_bytes;
    // Refers to no call yet.
    const std::uint64_t nowhere = ItemPlace::pack(ItemPlace::kPositionMask, ItemPlace::kNone);
    answers->begun.begun.store(put_seal(Seal::kBegun, 0), std::memory_order_relaxed);
    answers->begun.unrepeatable.store(put_seal(Seal::kUnrepeatable, nowhere), std::memory_order_relaxed);
    answers->bulk.begun.store(put_seal(Seal::kItemsBegun, nowhere), std::memory_order_relaxed);
    answers->bulk.done.store(put_seal(Seal::kItemsDone, nowhere), std::memory_order_relaxed);
  }
  TENON_ASSIGN(auto completion_mapping, completion.map(options.in_process ? Access::kReadWrite : Access::kReadOnly));
  TENON_TRY(submission.seal({.shrink = true, .grow = true, .future_write = true}));
  TENON_TRY(completion.seal({.shrink = true, .grow = true}));
  impl->answers = reinterpret_cast<const CompletionHeader*>(completion_mapping.data());
  impl->answer_slots =
      reinterpret_cast<const CompletionSlot*>(completion_mapping.data() + sizes.completion_slots_offset_bytes);
  impl->listener.messages =
      MessageReader(impl->answers->messages.tail, completion_mapping.data() + sizes.messages_offset_bytes,
                    impl->header->messages.head);
  impl->slot_count = options.slot_count;
  impl->release_count = options.release_count;
  impl->outstanding = std::make_unique<Outstanding[]>(options.slot_count);
  impl->in_process = options.in_process;
  impl->submission = std::make_shared<Mapping>(std::move(submission_mapping));
  impl->completion = std::make_shared<Mapping>(std::move(completion_mapping));
  impl->submission_descriptor = submission.take_descriptor();
  impl->completion_descriptor = completion.take_descriptor();
  return HostEnd(std::move(impl));
}

const FileDescriptor& HostEnd::submission_descriptor() const noexcept {
  return impl_->submission_descriptor;
}
const FileDescriptor& HostEnd::completion_descriptor() const noexcept {
  return impl_->completion_descriptor;
}

void HostEnd::close_descriptors() noexcept {
  impl_->submission_descriptor.reset();
  impl_->completion_descriptor.reset();
}

// -- submitter ----------------------------------------------------------------------------------

TENON_HOT std::uint32_t HostEnd::free_slots() const noexcept {
  // Acquire, with the reaper's release in pop: the slot's record is no longer used before it is
  // written again.
  const std::uint64_t popped = impl_->reaper.popped.load(std::memory_order_acquire);
  return impl_->slot_count - static_cast<std::uint32_t>(impl_->submitter.pushed - popped);
}

TENON_HOT Result<std::uint64_t> HostEnd::push(const SubmissionDescriptor& descriptor,
                                              std::optional<BytesView> payload) {
  Impl& own = *impl_;
  const std::uint64_t position = own.submitter.pushed;
  if (position - own.submitter.popped_seen >= own.slot_count) {
    own.submitter.popped_seen = own.reaper.popped.load(std::memory_order_acquire);
    if (position - own.submitter.popped_seen >= own.slot_count) {
      return fail(ErrorCode::kRejected, "the ring of a worker is full");
    }
  }
  if (payload && payload->size() > kSubmissionInlineBytes) {
    return fail(ErrorCode::kTooLarge, "an argument of " + std::to_string(payload->size()) +
                                          " bytes does not fit into a slot; put it into an arena");
  }
  const std::size_t index = position & (own.slot_count - 1);
  SubmissionSlot& slot = own.slots[index];
  slot.descriptor = descriptor;
  if (payload) {
    slot.descriptor.argument = {.segment = kInlineSegment, .tag = 0, .offset_bytes = 0, .size_bytes = payload->size()};
    if (!payload->empty()) {
      std::memcpy(slot.payload.data(), payload->data(), payload->size());
    }
  }
  Outstanding& record = own.outstanding[index];
  record.call_id.store(descriptor.call_id, std::memory_order_relaxed);
  record.session_id.store(descriptor.session_id, std::memory_order_relaxed);
  record.items.store(descriptor.kind == CallKind::kBulk ? descriptor.max_results : 0, std::memory_order_relaxed);
  record.state.store(Outstanding::State::kOpen, std::memory_order_relaxed);
  own.submitter.pushed = position + 1;
  return position;
}

TENON_HOT void HostEnd::publish() noexcept {
  Impl& own = *impl_;
  // SUBTLE: both are sequentially consistent, against the worker's store of its sleep word and load
  // of this tail: at least one side sees the other's store, so no wake-up is lost. The store also
  // releases the slots.
  own.header->ring.tail.store(own.submitter.pushed, std::memory_order_seq_cst);
  const std::uint32_t sleep = own.answers->bell.sleep.load(std::memory_order_seq_cst);
  if ((sleep & 3u) != static_cast<std::uint32_t>(SleepMode::kAwake) && sleep != own.submitter.rung) {
    own.submitter.rung = sleep;
    wake_worker();
  }
}

Revoked HostEnd::revoke(std::uint64_t position) noexcept {
  Impl& own = *impl_;
  if (position >= own.submitter.pushed || own.submitter.pushed - position > own.slot_count) {
    // The slot has been reused: the submission was completed long ago.
    return Revoked::kUndecided;
  }
  const std::size_t index = position & (own.slot_count - 1);
  // SUBTLE: Dekker's algorithm. The worker stores `begun` and then loads this word; all four
  // accesses are sequentially consistent. If the load below does not see the worker begin, the
  // worker sees this store and does not run the call.
  own.revoked[index].store(position + 1, std::memory_order_seq_cst);
  const auto begun = own.begun(own.answers->begun.begun.load(std::memory_order_seq_cst));
  if (!begun || *begun > position) {
    return Revoked::kUndecided;  // A damaged count says nothing; the completion decides.
  }
  // The reaper may be processing the worker's `returned` completion right now; the side that
  // changes the state first owns the call.
  auto open = Outstanding::State::kOpen;
  const bool taken = own.outstanding[index].state.compare_exchange_strong(
      open, Outstanding::State::kTaken, std::memory_order_acq_rel, std::memory_order_acquire);
  return taken ? Revoked::kTaken : Revoked::kUndecided;
}

std::optional<std::uint32_t> HostEnd::revoke_items(std::uint64_t position) noexcept {
  Impl& own = *impl_;
  if (position >= own.submitter.pushed || own.submitter.pushed - position > own.slot_count) {
    return std::nullopt;
  }
  // SUBTLE: Dekker's algorithm, as in revoke: the worker stores the count of items begun and then
  // loads this word. Items that the load below does not show as begun never start; the last one
  // that it shows may still be returned unrun.
  own.revoked[position & (own.slot_count - 1)].store(position + 1, std::memory_order_seq_cst);
  const auto begun = open_seal(Seal::kItemsBegun, own.answers->bulk.begun.load(std::memory_order_seq_cst));
  // A damaged count says nothing: the worker stops before its next item, and the completion
  // decides.
  return begun && ItemPlace::unpack(*begun).is_at(position) ? std::optional(ItemPlace::unpack(*begun).item)
                                                            : std::nullopt;
}

std::optional<BulkProgress> HostEnd::bulk_progress(std::uint64_t position) const noexcept {
  const auto& bulk = impl_->answers->bulk;
  // Acquire, with the worker's release: the results of the items done are written.
  const auto at_position = [&]() -> std::optional<std::uint32_t> {
    const auto packed = open_seal(Seal::kItemsDone, bulk.done.load(std::memory_order_acquire));
    if (!packed || !ItemPlace::unpack(*packed).is_at(position)) {
      return std::nullopt;
    }
    return ItemPlace::unpack(*packed).item;
  };
  const auto done = at_position();
  const std::uint32_t items =
      impl_->outstanding[position & (impl_->slot_count - 1)].items.load(std::memory_order_relaxed);
  if (!done || *done > items) {
    return std::nullopt;
  }
  const BulkProgress progress{
      .done = *done,
      .answers = {.segment = static_cast<std::uint32_t>(bulk.answers_segment.load(std::memory_order_acquire)),
                  .tag = 0,
                  .offset_bytes = bulk.answers_offset_bytes.load(std::memory_order_acquire),
                  .size_bytes = bulk.answers_size_bytes.load(std::memory_order_acquire)}};
  // SUBTLE: the worker may have moved to the next bulk call meanwhile; see WorkerEnd::begin_bulk.
  // The results of this call then come with its completion.
  const std::uint64_t check = bulk.answers_check.load(std::memory_order_acquire);
  const auto again = at_position();
  if (!again || *again > items ||
      check != check_of_place(position, bulk.answers_segment.load(std::memory_order_relaxed),
                              progress.answers.offset_bytes, progress.answers.size_bytes)) {
    return std::nullopt;
  }
  return progress;
}

BulkRemains HostEnd::bulk_remains(std::uint64_t position) const noexcept {
  const auto& bulk = impl_->answers->bulk;
  const auto begun = open_seal(Seal::kItemsBegun, bulk.begun.load(std::memory_order_acquire));
  const auto done = open_seal(Seal::kItemsDone, bulk.done.load(std::memory_order_acquire));
  if (!begun || !done) {
    return {};
  }
  BulkRemains remains;
  remains.intact = true;
  const ItemPlace begun_place = ItemPlace::unpack(*begun);
  const ItemPlace done_place = ItemPlace::unpack(*done);
  remains.begun = begun_place.is_at(position) ? begun_place.item : 0;
  if (done_place.is_at(position) && done_place.item != ItemPlace::kNone) {
    remains.progress = bulk_progress(position);
    // The counts differ by at most one item.
    remains.intact = remains.progress && remains.begun - remains.progress->done <= 1;
  } else {
    remains.intact = remains.begun == 0;
  }
  const std::uint32_t items =
      impl_->outstanding[position & (impl_->slot_count - 1)].items.load(std::memory_order_relaxed);
  remains.intact = remains.intact && remains.begun <= items;
  return remains;
}

// -- reaper -------------------------------------------------------------------------------------

bool HostEnd::has_completion() const noexcept {
  return impl_->reaper.broken.has_value() || impl_->answers->ring.tail.load(std::memory_order_acquire) !=
                                                 impl_->reaper.popped.load(std::memory_order_relaxed);
}

TENON_HOT Result<bool> HostEnd::pop(Completion& completion) {
  Impl& own = *impl_;
  if (own.reaper.broken) {
    return fail(*own.reaper.broken);
  }
  const auto broken = [&own](const std::string& field) {
    own.reaper.broken = Error{ErrorCode::kCorrupt,
                              "a worker wrote an invalid entry into its completion ring: " + field + "; it is killed",
                              {}};
    return fail(*own.reaper.broken);
  };
  for (;;) {
    const std::uint64_t position = own.reaper.popped.load(std::memory_order_relaxed);
    if (position == own.reaper.tail_seen) {
      // Acquire, with the worker's store in publish: the slots below the tail are written.
      const std::uint64_t tail = own.answers->ring.tail.load(std::memory_order_acquire);
      if (tail == position) {
        return false;
      }
      // Relaxed: a correct worker completes only what it has seen, so the tail read here is at
      // least the one it saw.
      const std::uint64_t published = own.header->ring.tail.load(std::memory_order_relaxed);
      if (tail < position || tail > published) {
        return broken("tail " + std::to_string(tail) + " is not between " + std::to_string(position) + " and " +
                      std::to_string(published));
      }
      own.reaper.tail_seen = tail;
    }
    const std::size_t index = position & (own.slot_count - 1);
    const CompletionSlot& slot = own.answer_slots[index];
    // SUBTLE: copied first and checked afterwards: the worker can write its slot at any time.
    std::memcpy(&completion.descriptor, &slot.descriptor, sizeof completion.descriptor);
    completion.position = position;
    Outstanding& record = own.outstanding[index];
    const bool was_revoked = own.revoked[index].load(std::memory_order_relaxed) == position + 1;
    if (const char* field = broken_field(completion.descriptor, record, position, was_revoked); field != nullptr) {
      return broken(std::string(field) + " of completion " + std::to_string(position));
    }
    completion.descriptor.items_done = completion.descriptor.kind == CompletionKind::kDone
                                           ? ItemPlace::unpack(completion.descriptor.items_done & kSealedMask).item
                                           : 0;
    const auto before = record.state.exchange(Outstanding::State::kAnswered, std::memory_order_acq_rel);
    const bool returned = completion.descriptor.kind == CompletionKind::kReturned;
    if (before == Outstanding::State::kTaken && !returned) {
      return broken("kind of completion " + std::to_string(position) + ": it ran a call that was taken back");
    }
    if (completion.descriptor.payload.is_inline()) {
      std::memcpy(completion.inline_bytes.data(), slot.payload.data(), completion.descriptor.payload.size_bytes);
    }
    // Release, with the submitter's acquire: the record and both slots may be reused.
    own.reaper.popped.store(position + 1, std::memory_order_release);
    if (before != Outstanding::State::kTaken) {
      return true;
    }
  }
}

TENON_HOT WaitResult HostEnd::wait(AdaptiveSpin& spin, MonotonicNs deadline_ns, std::uint64_t position) {
  Impl& own = *impl_;
  const auto woken_by_host = [&own] {
    return own.own_bell.wakes.load(std::memory_order_seq_cst) != own.reaper.wakes_seen;
  };
  const auto done = [&](WaitResult result) {
    const std::uint32_t wakes = own.own_bell.wakes.load(std::memory_order_seq_cst);
    const bool woken = wakes != own.reaper.wakes_seen;
    own.reaper.wakes_seen = wakes;
    return woken || has_completion() ? WaitResult::kWoken : result;
  };
  if (spin.spin([&] { return has_completion() || woken_by_host(); })) {
    return done(WaitResult::kWoken);
  }
  // The bell is read before the sleep word is set: a later ring changes it, and the futex then
  // refuses to sleep.
  const std::uint32_t bell = own.answers->bell.bell.load(std::memory_order_seq_cst);
  ++own.reaper.armed_count;
  move_bell(position);
  own.header->bell.sleep.store(sleep_word(own.reaper.armed_count, SleepMode::kFutex), std::memory_order_seq_cst);
  own.own_bell.sleeps.fetch_add(1, std::memory_order_seq_cst);
  WaitResult result = WaitResult::kWoken;
  // SUBTLE: sequentially consistent against the worker's publish; see there.
  const std::uint64_t tail = own.answers->ring.tail.load(std::memory_order_seq_cst);
  if (tail == own.reaper.popped.load(std::memory_order_relaxed) && !woken_by_host()) {
    result = wait_on_word(own.answers->bell.bell, bell, deadline_ns);
  }
  own.own_bell.sleeps.fetch_add(1, std::memory_order_seq_cst);
  disarm();
  return done(result);
}

void HostEnd::move_bell(std::uint64_t position) noexcept {
  // Relaxed: the following store of the sleep word releases it. If the bell is already armed, a
  // worker that sees the new position late rings later, within its usual limit.
  impl_->header->bell.ring_at.store(position + 1, std::memory_order_relaxed);
}

bool HostEnd::arm_event_bell(std::uint64_t position) noexcept {
  Impl& own = *impl_;
  ++own.reaper.armed_count;
  move_bell(position);
  own.header->bell.sleep.store(sleep_word(own.reaper.armed_count, SleepMode::kEventBell), std::memory_order_seq_cst);
  // SUBTLE: sequentially consistent against the worker's publish; see there.
  if (own.reaper.broken ||
      own.answers->ring.tail.load(std::memory_order_seq_cst) != own.reaper.popped.load(std::memory_order_relaxed)) {
    disarm();
    return false;
  }
  return true;
}

TENON_HOT void HostEnd::disarm() noexcept {
  // Relaxed: a superfluous ring does no harm.
  impl_->header->bell.sleep.store(sleep_word(impl_->reaper.armed_count, SleepMode::kAwake), std::memory_order_relaxed);
}

// -- releaser -----------------------------------------------------------------------------------

void HostEnd::release(const BlockRef& block) {
  impl_->releaser.waiting.push_back(block);
  flush_releases();
}

TENON_HOT std::size_t HostEnd::flush_releases() {
  Impl& own = *impl_;
  auto& list = own.releaser.waiting;
  if (list.empty()) {
    return 0;
  }
  // Acquire, with the worker's release: it has read the entries below. An impossible head counts as
  // a full ring.
  const std::uint64_t used = own.releaser.tail - own.answers->release.head.load(std::memory_order_acquire);
  std::uint64_t room = used <= own.release_count ? own.release_count - used : 0;
  for (; room > 0 && !list.empty(); --room) {
    own.releases[own.releaser.tail & (own.release_count - 1)] = list.front();
    list.pop_front();
    ++own.releaser.tail;
  }
  // Release: the entries are written. The worker polls the ring when it passes by; it is not woken
  // for it.
  own.header->release.tail.store(own.releaser.tail, std::memory_order_release);
  return list.size();
}

// -- listener -----------------------------------------------------------------------------------

Result<bool> HostEnd::read_message(Buffer& message) {
  return impl_->listener.messages.read(message);
}

// -- any thread ---------------------------------------------------------------------------------

void HostEnd::cancel(std::uint64_t call_id) noexcept {
  // Relaxed: only the number matters.
  impl_->header->cancel.cancelled_call_id.store(call_id, std::memory_order_relaxed);
}

std::optional<ProgressReport> HostEnd::progress() const noexcept {
  const auto& shared = impl_->answers->progress;
  // A sequence lock. The acquire loads of the data keep the second load of the version after them;
  // the writer's release stores keep its first version store before them.
  const std::uint32_t version = shared.version.load(std::memory_order_acquire);
  if (version == 0 || (version & 1u) != 0) {
    return std::nullopt;
  }
  const ProgressReport report{.call_id = shared.call_id.load(std::memory_order_acquire),
                              .done = shared.done.load(std::memory_order_acquire),
                              .total = shared.total.load(std::memory_order_acquire)};
  if (shared.version.load(std::memory_order_relaxed) != version) {
    return std::nullopt;
  }
  return report;
}

std::uint64_t HostEnd::published() const noexcept {
  return impl_->header->ring.tail.load(std::memory_order_acquire);
}

std::uint64_t HostEnd::answered() const noexcept {
  return impl_->answers->ring.tail.load(std::memory_order_acquire);
}

std::uint64_t HostEnd::popped() const noexcept {
  return impl_->reaper.popped.load(std::memory_order_acquire);
}

std::optional<std::uint64_t> HostEnd::begun() const noexcept {
  return impl_->begun(impl_->answers->begun.begun.load(std::memory_order_acquire));
}

Known HostEnd::unrepeatable(std::uint64_t position, std::uint32_t item) const noexcept {
  const auto packed =
      open_seal(Seal::kUnrepeatable, impl_->answers->begun.unrepeatable.load(std::memory_order_acquire));
  if (!packed) {
    return Known::kDamaged;
  }
  const ItemPlace place = ItemPlace::unpack(*packed);
  return place.is_at(position) && place.item == item ? Known::kYes : Known::kNo;
}

std::uint64_t HostEnd::in_flight() const noexcept {
  // popped is read first: it never passes a tail that is read after it.
  const std::uint64_t popped = impl_->reaper.popped.load(std::memory_order_acquire);
  return published() - popped;
}

void HostEnd::wake_worker() noexcept {
  impl_->header->bell.bell.fetch_add(1, std::memory_order_seq_cst);
  wake_word(impl_->header->bell.bell, 1);
}

void HostEnd::count_message() noexcept {
  auto& messages = impl_->header->bell.messages;
  // Release, with the worker's acquire: the message is in the channel. Only this side writes the
  // word.
  messages.store(messages.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void HostEnd::wake_host() noexcept {
  Impl& own = *impl_;
  own.own_bell.wakes.fetch_add(1, std::memory_order_seq_cst);
  // The bell word belongs to the worker and cannot be changed here, so a wake between the waiter's
  // last check and its sleep would be lost. This therefore repeats the wake until that sleep has
  // ended; a later sleep sees the new count.
  const std::uint32_t sleep = own.own_bell.sleeps.load(std::memory_order_seq_cst);
  if ((sleep & 1u) == 0) {
    return;
  }
  while (own.own_bell.sleeps.load(std::memory_order_seq_cst) == sleep) {
    wake_word(own.answers->bell.bell, 1);
    std::this_thread::yield();
  }
}

}  // namespace tenon::internal

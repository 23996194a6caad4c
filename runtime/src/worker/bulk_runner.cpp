#include "worker/bulk_runner.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

/// Larger results get a separate block.
constexpr std::uint64_t kLargestAmongOthers = 4096;
/// Minimum room for each item: enough for a reference or the start of a message.
constexpr std::uint64_t kLeastRoomBytes = 64;
constexpr std::uint64_t kSmallestRoomBytes = 4096;
constexpr std::size_t kMaxMessageBytes = 8192;
/// A bulk call that runs for longer returns the remaining items, so that other calls get their
/// turn.
constexpr std::int64_t kLongEnoughNs = 1'000'000;
constexpr std::uint32_t kItemsPerClock = 4;

}  // namespace

Result<void> BulkRunner::begin() {
  if (arguments_.size() / sizeof(BulkArgument) < std::uint64_t{first_} + count_) {
    return fail(ErrorCode::kCorrupt, "the argument block of a bulk call is too small for its items");
  }
  const std::uint64_t table_bytes = std::uint64_t{count_} * sizeof(BulkAnswer);
  // A quarter more than recent results took; an item that finds no room is submitted again.
  const std::uint64_t expected_bytes = count_ * bulk_aligned(route_.mean_result_bytes * 5 / 4 + kBulkAlignment);
  const std::uint64_t room_bytes = std::clamp(expected_bytes, kSmallestRoomBytes, kLargestBulkRoomBytes);
  auto answers = core_.results.allocate(table_bytes + room_bytes);
  if (!answers) {
    return fail(std::move(answers.error()));
  }
  answers_ = *answers;
  used_ = table_bytes;
  core_.end.begin_bulk(answers_);
  return {};
}

Result<CompletionDescriptor> BulkRunner::run() {
  TENON_TRY(begin());
  const MonotonicNs enough_ns = monotonic_now_ns() + kLongEnoughNs;
  std::uint32_t done = 0;
  while (done < count_ && has_room() && core_.end.begin_item(done)) {
    if (auto ran = run_item(done); !ran) {
      static_cast<void>(core_.results.free(answers_.ref));
      return fail(std::move(ran.error()));
    }
    core_.end.finish_item(done);
    ++done;
    if (done % kItemsPerClock == 0 && monotonic_now_ns() >= enough_ns) {
      break;
    }
  }
  if (done > 0) {
    const std::uint64_t mean_bytes = (used_ - std::uint64_t{count_} * sizeof(BulkAnswer)) / done;
    route_.mean_result_bytes = (route_.mean_result_bytes * 3 + mean_bytes) / 4;
  }
  CompletionDescriptor completion;
  completion.items_done = done;
  auto kept = core_.results.keep(answers_, answers_.bytes.data(), used_);
  if (!kept) {
    static_cast<void>(core_.results.free(answers_.ref));
    return fail(std::move(kept.error()));
  }
  completion.payload = *kept;
  return completion;
}

bool BulkRunner::has_room() const noexcept {
  return answers_.bytes.size() - used_ >= kLeastRoomBytes;
}

Result<void> BulkRunner::run_item(std::uint32_t index) {
  BulkArgument place;
  std::memcpy(&place, arguments_.data() + (std::uint64_t{first_} + index) * sizeof place, sizeof place);
  options_.argument_absent = place.offset_bytes == kAbsentItem;
  options_.argument = {};
  if (!options_.argument_absent) {
    if (!range_fits(place.offset_bytes, place.size_bytes, arguments_.size()) ||
        !is_aligned(place.offset_bytes, kBulkAlignment)) {
      return fail(ErrorCode::kCorrupt, "an argument of a bulk call lies outside its block");
    }
    options_.argument = arguments_.subspan(place.offset_bytes, place.size_bytes);
  }
  options_.call_id = first_id_ + index;
  CallContext context(core_, options_);
  answer(index, context, context.run(route_.loaded->run, true, false));
  return {};
}

void BulkRunner::answer(std::uint32_t index, CallContext& context, const CallOutcome& outcome) {
  if (outcome.status != TENON_OK) {
    answer_error(index, outcome.status, outcome.message);
    return;
  }
  if (context.argument_committed()) {
    write(index, {.flags = kBulkAnswerArgument}, {});
    return;
  }
  ResultBlob& blob = context.results().back();
  if (blob.bytes.size() <= kLargestAmongOthers && bulk_aligned(blob.bytes.size()) <= answers_.bytes.size() - used_) {
    write(index, {}, blob.bytes);  // The result's own block, if any, is freed with the context.
  } else {
    refer(index, blob);
  }
}

void BulkRunner::answer_error(std::uint32_t index, tenon_status_t status, std::string_view message) {
  const std::uint64_t room_bytes = std::min<std::uint64_t>(answers_.bytes.size() - used_, kMaxMessageBytes);
  message = message.substr(0, room_bytes / kBulkAlignment * kBulkAlignment);
  write(index, {.status = status}, BytesView(reinterpret_cast<const std::uint8_t*>(message.data()), message.size()));
}

void BulkRunner::write(std::uint32_t index, BulkAnswer answer, BytesView bytes) {
  answer.offset_bytes = static_cast<std::uint32_t>(used_);
  answer.size_bytes = static_cast<std::uint32_t>(bytes.size());
  if (!bytes.empty()) {
    std::memcpy(answers_.bytes.data() + used_, bytes.data(), bytes.size());
    used_ += bulk_aligned(bytes.size());
  }
  std::memcpy(answers_.bytes.data() + std::uint64_t{index} * sizeof answer, &answer, sizeof answer);
}

void BulkRunner::refer(std::uint32_t index, ResultBlob& blob) {
  if (!blob.block) {
    auto block = core_.results.allocate(blob.bytes.size());
    if (!block) {
      answer_error(index, static_cast<tenon_status_t>(block.error().code), block.error().message);
      return;
    }
    std::memcpy(block->bytes.data(), blob.bytes.data(), blob.bytes.size());
    blob.bytes = BytesView(block->bytes.data(), blob.bytes.size());
    blob.block = *block;
  }
  auto kept = core_.results.keep(*blob.block, blob.bytes.data(), blob.bytes.size());
  if (!kept) {
    answer_error(index, static_cast<tenon_status_t>(kept.error().code), kept.error().message);
    return;
  }
  blob.block.reset();  // The host owns it now.
  const BlockRef ref = *kept;
  write(index, {.flags = kBulkAnswerReference}, BytesView(reinterpret_cast<const std::uint8_t*>(&ref), sizeof ref));
}

}  // namespace tenon::internal

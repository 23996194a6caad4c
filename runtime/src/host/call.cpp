#include "host/call.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/hot.hpp"
#include "host/pool.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kRoomUnit = 16;
static_assert(sizeof(Call) % kRoomUnit == 0 && CallMemory::kUnitBytes % kRoomUnit == 0);
static_assert(sizeof(Call) + (kSubmissionInlineBytes + kRoomUnit - 1) / kRoomUnit * kRoomUnit <=
              CallMemory::kMaxBlockBytes);
static_assert(kSubmissionInlineBytes <= 255);
/// Room for a StoredBytes, and for the results of small tasks.
constexpr std::size_t kLeastRoomBytes = 32;
static_assert(sizeof(StoredBytes) <= kLeastRoomBytes && alignof(StoredBytes) <= kRoomUnit);

/// "3 s", "20 ms", "1.5 s": in the largest unit in which the value is at least 1, with at most three decimals.
std::string format_duration(std::int64_t duration_ns) {
  std::int64_t unit_ns = 1;
  const char* name = " ns";
  for (const auto& [candidate_ns, candidate] :
       {std::pair{std::int64_t{1'000'000'000}, " s"}, {1'000'000, " ms"}, {1'000, " us"}}) {
    if (duration_ns >= candidate_ns) {
      unit_ns = candidate_ns;
      name = candidate;
      break;
    }
  }
  std::string text = std::to_string(duration_ns / unit_ns);
  if (const std::int64_t thousandths = duration_ns % unit_ns * 1000 / unit_ns; thousandths != 0) {
    std::string digits = std::to_string(1000 + thousandths).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text + name;
}

}  // namespace

const CallDetails Call::kNoDetails;

TENON_HOT CallRef Call::allocate(RouteRef route, std::uint64_t id, std::size_t room) {
  const std::size_t units = (std::max(room, kLeastRoomBytes) + kRoomUnit - 1) / kRoomUnit;
  void* memory = route->call_memory->allocate(sizeof(Call) + units * kRoomUnit);
  auto* call = new (memory) Call(std::move(route), id);
  call->room_units_ = static_cast<std::uint8_t>(units);
  return CallRef::adopt(call);
}

TENON_HOT CallRef Call::create(RouteRef route, std::uint64_t id, BytesView payload) {
  CallRef call = allocate(std::move(route), id, payload.size());
  call->payload_size_ = static_cast<std::uint8_t>(payload.size());
  call->argument_absent = payload.data() == nullptr;
  if (!payload.empty()) {
    std::memcpy(call->room(), payload.data(), payload.size());
  }
  return call;
}

TENON_HOT CallRef Call::create(RouteRef route, std::uint64_t id, StoredBytes argument) {
  CallRef call = allocate(std::move(route), id, sizeof(StoredBytes));
  call->set_stored(std::move(argument));
  return call;
}

void Call::set_run_route(const RouteRef& route) {
  if (route.get() != run_route().get()) {
    make_details().run_route = route.get() == route_.get() ? nullptr : route;
  }
}

CallRef Call::create_bulk(RouteRef route, Shared<const BulkWork> work, std::uint32_t first, std::uint32_t count) {
  CallRef call = create(std::move(route), work->first_id + first, work->block);
  call->kind = CallKind::kBulk;
  CallDetails& details = call->make_details();
  details.bulk = std::move(work);
  details.first = first;
  details.count = count;
  return call;
}

Call::~Call() {
  static_cast<void>(take_stored());
}

void Call::destroy() noexcept {
  this->~Call();
  CallMemory::free(this);
}

std::uint8_t* Call::room() const noexcept {
  return reinterpret_cast<std::uint8_t*>(const_cast<Call*>(this)) + sizeof(Call);
}

TENON_HOT BytesView Call::payload() const noexcept {
  return has_stored_ || argument_absent ? BytesView() : BytesView(room(), payload_size_);
}

TENON_HOT const StoredBytes* Call::stored() const noexcept {
  return has_stored_ ? std::launder(reinterpret_cast<const StoredBytes*>(room())) : nullptr;
}

void Call::set_stored(StoredBytes argument) noexcept {
  static_cast<void>(take_stored());
  new (room()) StoredBytes(std::move(argument));
  has_stored_ = true;
  argument_absent = false;
}

StoredBytes Call::take_stored() noexcept {
  if (!has_stored_) {
    return {};
  }
  auto* stored = std::launder(reinterpret_cast<StoredBytes*>(room()));
  StoredBytes taken = std::move(*stored);
  stored->~StoredBytes();
  has_stored_ = false;
  return taken;
}

TENON_HOT std::uint64_t Call::counted_bytes() const noexcept {
  if (kind == CallKind::kBulk) {
    return details_->bulk->bytes_of(details_->first, details_->count);
  }
  return has_stored_ ? stored()->bytes.size() : payload_size_;
}

CallDetails& Call::make_details() {
  if (details_ == nullptr) {
    details_ = std::make_unique<CallDetails>();
  }
  return *details_;
}

void Call::follow(const EarlierAttempts& earlier) {
  if (earlier.count > 0) {
    make_details().earlier_attempts = earlier.count;
    id_ = earlier.call_id != 0 ? earlier.call_id : id_;
  }
}

void Call::end_with_copy(BytesView result) {
  if (!has_stored_ && result.size() <= room_units_ * kRoomUnit) {
    if (!result.empty()) {
      std::memcpy(room(), result.data(), result.size());
    }
    body_.reply = {.storage = nullptr, .data = room(), .size = result.size()};
    set_outcome_bits(kHoldsOwnReply);
    return;
  }
  StoredBytes copy = copy_to_host(result, run_route()->generation);
  end(Reply(std::move(copy.storage), copy.bytes));
}

void Call::copy_result() noexcept {
  if (outcome_bits_ * kFirstOutcomeBit != kHoldsReply || body_.reply.storage == nullptr) {
    return;
  }
  try {
    StoredBytes copy = Transport::without_lease(
        {Shared<const ReplyStorage>::share(body_.reply.storage), BytesView(body_.reply.data, body_.reply.size)});
    if (copy.storage.get() != body_.reply.storage) {
      body_.reply.storage->release();
      // The state bits stay as they are: they share a word with bits that others read under the lock.
      static_cast<void>(store(Reply(std::move(copy.storage), copy.bytes)));
    }
  } catch (const std::bad_alloc&) {
    // The caller reads the result in place, or gets an error that there is no memory for a copy.
  }
}

TENON_HOT void Call::end_with_argument() noexcept {
  if (has_stored_) {
    StoredBytes argument = with_origin(*stored(), run_route()->generation);
    end(Reply(std::move(argument.storage), argument.bytes));
    return;
  }
  body_.reply = {.storage = nullptr, .data = room(), .size = payload_size_};
  set_outcome_bits(kHoldsOwnReply);
}

std::string Call::deadline_text(TimeLimit limit) const {
  const CallDetails& given = details();
  switch (limit) {
    case TimeLimit::kQueueTimeout:
      return "the call passed its queue_timeout of " + format_duration(given.queue_timeout_ns) + ": no worker began it";
    case TimeLimit::kRunTimeout:
      if (given.session != nullptr) {
        return "the step passed the session's step_timeout of " + format_duration(given.run_timeout_ns);
      }
      return "the call passed its run_timeout of " + format_duration(given.run_timeout_ns);
    case TimeLimit::kTimeout:
      break;
  }
  return "the call passed its timeout of " + format_duration(given.timeout_ns);
}

bool Call::cancel() noexcept {
  if (ready()) {
    return false;
  }
  const auto pool = route_->pool.lock();
  return pool != nullptr && pool->cancel(*this);
}

bool Call::cancel_queued() noexcept {
  if (ready()) {
    return false;
  }
  const auto pool = route_->pool.lock();
  return pool != nullptr && pool->cancel_queued(*this);
}

bool Call::started() const noexcept {
  if (ready()) {
    return true;
  }
  const auto pool = route_->pool.lock();
  return pool != nullptr && pool->started(*this);
}

std::optional<Progress> Call::progress() const {
  const auto pool = ready() ? nullptr : route_->pool.lock();
  return pool != nullptr ? pool->progress(*this) : std::nullopt;
}

void Call::drive(std::int64_t deadline_ns) noexcept {
  if (const auto pool = route_->pool.lock()) {
    pool->drive(*this, deadline_ns);
  }
}

}  // namespace tenon::internal

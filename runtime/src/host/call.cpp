#include "host/call.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "host/pool.hpp"

namespace tenon::internal {

namespace {

// The payload begins at the next multiple of 16 behind the object.
constexpr std::size_t kPayloadOffset = (sizeof(Call) + 15) / 16 * 16;

/// "3 s", "20 ms", "1.5 s": in the largest unit that is not below 1, three digits after the point at most.
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

Shared<Call> Call::create(std::shared_ptr<Pool> pool, BytesView payload) {
  void* memory = ::operator new(kPayloadOffset + payload.size());
  auto* call = new (memory) Call(std::move(pool), payload.size());
  std::copy(payload.begin(), payload.end(), static_cast<std::uint8_t*>(memory) + kPayloadOffset);
  return CallRef::adopt(call);
}

void Call::destroy() noexcept {
  // The last owner of the pool may be this call; the pool must not see its own end from inside a member of the call.
  const std::shared_ptr<Pool> pool = std::move(pool_);
  this->~Call();
  ::operator delete(static_cast<void*>(this));
}

BytesView Call::payload() const noexcept {
  return BytesView(reinterpret_cast<const std::uint8_t*>(this) + kPayloadOffset, payload_size_);
}

std::string Call::deadline_text(TimeLimit limit) const {
  switch (limit) {
    case TimeLimit::kQueueTimeout:
      return "the call passed its queue_timeout of " + format_duration(queue_timeout_ns) + ": no worker began it";
    case TimeLimit::kRunTimeout:
      return "the call passed its run_timeout of " + format_duration(run_timeout_ns);
    case TimeLimit::kTimeout:
      break;
  }
  return "the call passed its timeout of " + format_duration(timeout_ns);
}

bool Call::cancel() noexcept {
  return !ready() && pool_->cancel(*this);
}

std::optional<Progress> Call::progress() const {
  return ready() ? std::nullopt : pool_->progress(*this);
}

}  // namespace tenon::internal

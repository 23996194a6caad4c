#include "host/call.hpp"

#include <algorithm>
#include <new>

#include "host/pool.hpp"

namespace tenon::internal {

namespace {

// The payload begins at the next multiple of 16 behind the object.
constexpr std::size_t kPayloadOffset = (sizeof(Call) + 15) / 16 * 16;

}  // namespace

StateRef<Call> Call::create(std::shared_ptr<Pool> pool, BytesView payload) {
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

bool Call::cancel() noexcept {
  return !ready() && pool_->cancel(*this);
}

std::optional<Progress> Call::progress() const {
  return ready() ? std::nullopt : pool_->progress(*this);
}

}  // namespace tenon::internal

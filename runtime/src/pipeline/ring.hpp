/// A queue in one block of memory that doubles when it is full and never shrinks.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tenon::internal {

/// First in, first out; elements can also be read by index from the front. A moved-from T must hold
/// no resources. Not thread-safe.
template <typename T>
class Ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& front() noexcept { return slots_[head_]; }
  [[nodiscard]] T& operator[](std::size_t index) noexcept { return slots_[(head_ + index) & (slots_.size() - 1)]; }

  void push_back(T value) {
    if (size_ == slots_.size()) {
      grow();
    }
    (*this)[size_] = std::move(value);
    ++size_;
  }
  T pop_front() {
    T value = std::move(slots_[head_]);
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }
  void clear() {
    while (!empty()) {
      static_cast<void>(pop_front());
    }
  }

 private:
  void grow() {
    // The size is a power of two, so that an index wraps with a mask.
    std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) {
      larger[i] = std::move((*this)[i]);
    }
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tenon::internal

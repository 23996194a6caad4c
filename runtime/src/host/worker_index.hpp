/// host/worker_index.hpp: small numbers for living workers, so that each can have its own device or
/// directory.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace tenon::internal {

/// Assigns the lowest free number. [any-thread]
class WorkerIndexes {
 public:
  /// A number, reserved for the life of this object.
  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<WorkerIndexes> indexes, unsigned number) noexcept
        : indexes_(std::move(indexes)), number_(number) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      std::swap(indexes_, other.indexes_);
      std::swap(number_, other.number_);
      return *this;
    }
    ~Lease() {
      if (indexes_ != nullptr) {
        indexes_->give_back(number_);
      }
    }
    [[nodiscard]] unsigned number() const noexcept { return number_; }

   private:
    std::shared_ptr<WorkerIndexes> indexes_;
    unsigned number_ = 0;
  };

  [[nodiscard]] static Lease take(const std::shared_ptr<WorkerIndexes>& indexes) {
    const std::lock_guard lock(indexes->mutex_);
    std::size_t number = 0;
    while (number < indexes->taken_.size() && indexes->taken_[number]) {
      ++number;
    }
    if (number == indexes->taken_.size()) {
      indexes->taken_.push_back(false);
    }
    indexes->taken_[number] = true;
    return {indexes, static_cast<unsigned>(number)};
  }

 private:
  void give_back(unsigned number) noexcept {
    const std::lock_guard lock(mutex_);
    taken_[number] = false;
  }

  std::mutex mutex_;  // Guards taken_.
  std::vector<bool> taken_;
};

}  // namespace tenon::internal

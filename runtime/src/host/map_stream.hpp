/// host/map_stream.hpp: a task over many arguments, with a window of calls in flight.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/runtime.hpp>

#include "host/pool.hpp"

namespace tenon {

class MapStream::Impl {
 public:
  Impl(std::shared_ptr<internal::Pool> pool, std::string_view task,
       std::function<std::optional<BytesView>()> next_argument, const MapOptions& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();
  [[nodiscard]] std::optional<Item> next();

 private:
  struct Pending {
    std::uint64_t index = 0;
    Future<Reply> future;
  };
  /// What completing threads share with the stream; lives as long as either needs it.
  struct Arrivals {
    std::mutex mutex;  // Guards `indices`.
    std::condition_variable arrived;
    std::deque<std::uint64_t> indices;
  };

  void fill();
  [[nodiscard]] Future<Reply> start(BytesView argument);

  std::shared_ptr<internal::Pool> pool_;
  std::string task_;
  std::function<std::optional<BytesView>()> next_argument_;
  MapOptions options_;
  Buffer params_;
  std::size_t window_ = 1;
  bool exhausted_ = false;
  std::uint64_t next_index_ = 0;
  std::deque<Pending> pending_;  // By index; taken ones are gaps with an empty future.
  std::size_t in_flight_ = 0;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();  // Unordered streams alone.
};

}  // namespace tenon

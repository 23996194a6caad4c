/// host/map_stream.hpp: runs a task on many arguments, with a window of calls in flight.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/map_stream.hpp>
#include <tenon/options.hpp>

#include "host/bulk.hpp"
#include "host/pool.hpp"

namespace tenon {

/// Small arguments travel together in bulk calls that run for a few hundred microseconds; other
/// arguments, and calls with time limits or an affinity, travel one by one.
class MapStream::Impl {
 public:
  Impl(std::shared_ptr<internal::Pool> pool, std::string_view task,
       std::function<std::optional<BytesView>()> next_argument, const MapOptions& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();
  [[nodiscard]] std::optional<Item> next();

 private:
  /// Results that arrived together: those of some items of a bulk call, or of one call.
  struct Arrival {
    std::uint64_t index = 0;  ///< Index of the first argument.
    std::uint32_t count = 1;
    std::uint32_t given = 0;  ///< Number already handed out.
    internal::Shared<const internal::BulkWork> work;
    internal::BulkEnds ends;
    Future<Reply> single;  ///< Used without `work`.
  };
  /// State shared by completing threads and the stream; lives as long as either needs it.
  class Inbox final : public internal::BulkSink {
   public:
    void on_end(const internal::Shared<const internal::BulkWork>& work,
                const internal::BulkEnds& ends) noexcept override;
    void add(Arrival arrival);
    /// Moves all arrivals to the end of `arrivals`; waits until there is at least one.
    void take(std::vector<Arrival>& arrivals);
    /// Drops current and future arrivals.
    void close();
    [[nodiscard]] bool try_take(std::vector<Arrival>& arrivals);

   private:
    std::mutex mutex_;  // Guards the members below.
    std::condition_variable arrived_;
    std::vector<Arrival> waiting_;
  };
  /// Arguments that were submitted together, in order.
  struct Group {
    std::uint64_t end_index = 0;  ///< One past the index of its last argument.
    internal::CallRef bulk;
    Future<Reply> single;  ///< Used without `bulk`.
  };

  void fill();
  void submit_single(BytesView argument);
  void submit_bulk();
  [[nodiscard]] std::size_t window() const noexcept;
  void choose_bulk_size(std::int64_t gathering_ns);
  [[nodiscard]] Item give(Arrival& arrival);
  [[nodiscard]] std::optional<Item> next_in_order();
  [[nodiscard]] std::optional<Item> next_arrived();
  /// Waits until something has arrived, reaping it on this thread if possible.
  void collect();
  void sort_in();

  std::shared_ptr<internal::Pool> pool_;
  std::string task_;
  std::function<std::optional<BytesView>()> next_argument_;
  MapOptions options_;
  Buffer params_;
  bool gathers_ = true;  ///< Whether arguments may travel together.
  bool exhausted_ = false;
  std::uint64_t next_index_ = 0;  ///< Index of the next argument.
  std::size_t in_flight_ = 0;     ///< Arguments whose results have not been handed out.
  internal::Shared<Inbox> inbox_ = internal::make_shared_object<Inbox>();

  internal::BulkBuilder gathered_;
  Buffer block_;                 // Reused for each bulk call.
  std::uint32_t bulk_size_ = 1;  ///< Number of arguments for the next bulk call.
  std::int64_t mean_run_ns_ = 0;

  /// Ordered streams: groups not handed out yet; others: the latest few, to wait for.
  std::deque<Group> groups_;
  std::uint64_t next_out_ = 0;
  std::vector<Arrival> taken_;  ///< Arrivals from the inbox.
  /// Ordered streams: arrivals before their turn, by index.
  std::map<std::uint64_t, Arrival> early_;
  std::optional<Arrival> current_;
};

}  // namespace tenon

/// host/segment.hpp: shared memory by number, as workers know it, and the cache of large ones. See ipc/DESIGN.md,
/// "Large blocks".
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/internal/shared_object.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/shared_memory.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

class SegmentCache;

/// Numbers of segments and routes that nobody uses any more, for the reactor to tell the workers. [any-thread]
class Retired {
 public:
  struct Numbers {
    std::vector<std::uint32_t> segments;
    std::vector<std::uint32_t> routes;
  };
  explicit Retired(EventBell bell) : bell_(std::move(bell)) {}
  void add_segment(std::uint32_t number);
  void add_route(std::uint32_t number);
  [[nodiscard]] Numbers take();
  /// Wakes the reactor: there is something else for it to look at.
  void ring() noexcept { bell_.ring(); }

 private:
  Guarded<Numbers> numbers_;
  EventBell bell_;
};

/// A segment that workers may read: the argument arena, a large argument, a worker's result arena.
class SharedSegment final : public SharedObject {
 public:
  /// `retired` is the owning runtime's and hears of the end.
  SharedSegment(std::uint32_t number, FileDescriptor descriptor, std::shared_ptr<const Mapping> mapping,
                std::shared_ptr<Retired> retired)
      : number_(number),
        descriptor_(std::move(descriptor)),
        mapping_(std::move(mapping)),
        retired_(std::move(retired)) {}

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::shared_ptr<const Mapping>& mapping() const noexcept { return mapping_; }
  /// Whether it is a segment of the runtime with that list: numbers mean nothing to the workers of another.
  [[nodiscard]] bool belongs_to(const Retired& retired) const noexcept { return retired_.get() == &retired; }

 private:
  friend class SegmentCache;
  ~SharedSegment() override;
  void destroy() noexcept override;

  std::uint32_t number_;
  FileDescriptor descriptor_;
  std::shared_ptr<const Mapping> mapping_;
  std::shared_ptr<Retired> retired_;
  // Where it goes with its last handle; null while it lies there, and for segments that end instead.
  std::shared_ptr<SegmentCache> home_;
  std::uint64_t touched_bytes_ =
      0;  // Pages at its end that have been written: what it holds of memory. Guarded as home_.
};

/// Large segments that nobody uses just now: mapped, their pages warm, their numbers known to the workers. Bounded;
/// what has lain idle for some seconds goes back to the system. [any-thread]
class SegmentCache : public std::enable_shared_from_this<SegmentCache> {
 public:
  /// Segments kept at most: each is a descriptor.
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::int64_t kIdleNs = 5'000'000'000;
  /// From so many bytes on segments are unmapped by a thread of their own, which ends with it: a GiB takes 200 ms, and
  /// whoever lets go may be the reactor.
  static constexpr std::uint64_t kApartBytes = std::uint64_t{8} << 20;

  SegmentCache(std::uint64_t limit_bytes, std::shared_ptr<Retired> retired);
  SegmentCache(const SegmentCache&) = delete;
  SegmentCache& operator=(const SegmentCache&) = delete;
  ~SegmentCache();

  /// A segment of `size_bytes` at least and twice that at most, the smallest there is; null when there is none.
  [[nodiscard]] Shared<SharedSegment> take(std::uint64_t size_bytes);
  /// Makes a segment come here with its last handle. `used_bytes` at its end are about to be written.
  void adopt(SharedSegment& segment, std::uint64_t used_bytes);
  /// Lets go of what has lain idle for kIdleNs. Returns when to call again; kNever when nothing is left.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns);
  /// Lets go of everything, at once.
  void clear();
  /// The same, and keeps nothing from now on. Waits for what is being unmapped.
  void close();

  [[nodiscard]] std::uint64_t idle_bytes();
  [[nodiscard]] std::size_t idle_segments();

 private:
  friend class SharedSegment;
  struct Idle {
    Shared<SharedSegment> segment;
    MonotonicNs since_ns = 0;
  };
  struct Content {
    std::vector<Idle> idle;  // Longest idle first.
    std::uint64_t bytes = 0;
    MonotonicNs last_kept_ns = 0;
    bool armed = false;  // The reactor knows when to trim.
    bool closed = false;
    std::vector<Idle> leaving;  // To be unmapped by `unmapper`.
    Thread unmapper;
    bool unmapping = false;
  };
  void keep(Shared<SharedSegment> segment);
  void let_go(std::vector<Idle> leaving);
  void unmap();

  const std::uint64_t limit_bytes_;
  const std::shared_ptr<Retired> retired_;
  Guarded<Content> content_;
};

/// The capacity that a large block of `size_bytes` gets: up to a fifth more, so that blocks of similar sizes can take
/// each other's place. Pages that are not written cost no memory.
[[nodiscard]] std::uint64_t large_block_capacity(std::uint64_t size_bytes) noexcept;

}  // namespace tenon::internal

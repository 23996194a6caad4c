/// host/segment.hpp: numbered shared memory, and the cache of large segments. See ipc/DESIGN.md,
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
#include "host/lock_order.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/shared_memory.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

class SegmentCache;

/// Numbers of segments and routes that are no longer used, which the reactor announces to the
/// workers. [any-thread]
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
  /// Wakes the reactor for another reason.
  void ring() noexcept { bell_.ring(); }

 private:
  Guarded<Numbers, HostMutex<HostLock::kMemory>> numbers_;
  EventBell bell_;
};

/// A segment that workers may read: the argument arena, a large argument, a worker's result arena.
class SharedSegment final : public SharedObject {
 public:
  /// `retired` belongs to the owning runtime and is notified when the segment is destroyed.
  SharedSegment(std::uint32_t number, FileDescriptor descriptor, std::shared_ptr<const Mapping> mapping,
                std::shared_ptr<Retired> retired)
      : number_(number),
        descriptor_(std::move(descriptor)),
        mapping_(std::move(mapping)),
        retired_(std::move(retired)) {}

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::shared_ptr<const Mapping>& mapping() const noexcept { return mapping_; }
  /// Whether the segment belongs to the runtime with that list: its number means nothing to the
  /// workers of another runtime.
  [[nodiscard]] bool belongs_to(const Retired& retired) const noexcept { return retired_.get() == &retired; }

 private:
  friend class SegmentCache;
  ~SharedSegment() override;
  void destroy() noexcept override;

  std::uint32_t number_;
  FileDescriptor descriptor_;
  std::shared_ptr<const Mapping> mapping_;
  std::shared_ptr<Retired> retired_;
  // The cache that takes it over with its last handle; null while it is in the cache, and for
  // segments that are destroyed instead.
  std::shared_ptr<SegmentCache> home_;
  std::uint64_t touched_bytes_ = 0;  // Bytes at its end that have been written. Guarded like home_.
};

/// Large segments that are currently unused: mapped, with warm pages, known to the workers by
/// number. Bounded; segments idle for a few seconds are returned to the system. [any-thread]
class SegmentCache : public std::enable_shared_from_this<SegmentCache> {
 public:
  /// Maximum number of cached segments: each uses a descriptor.
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::int64_t kIdleNs = 5'000'000'000;
  /// From this size on, a temporary thread unmaps segments: unmapping 1 GiB takes 200 ms, and the
  /// thread that releases it may be the reactor.
  static constexpr std::uint64_t kApartBytes = std::uint64_t{8} << 20;

  SegmentCache(std::uint64_t limit_bytes, std::shared_ptr<Retired> retired);
  SegmentCache(const SegmentCache&) = delete;
  SegmentCache& operator=(const SegmentCache&) = delete;
  ~SegmentCache();

  /// The smallest cached segment of at least `size_bytes` and at most twice that; null if there is
  /// none.
  [[nodiscard]] Shared<SharedSegment> take(std::uint64_t size_bytes);
  /// Makes a segment return here with its last handle. `used_bytes` at its end are about to be
  /// written.
  void adopt(SharedSegment& segment, std::uint64_t used_bytes);
  /// Releases segments that have been idle for kIdleNs. Returns when to call again; kNever if none
  /// is left.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns);
  /// Releases all idle segments immediately.
  void clear();
  /// Like clear; from now on, no segment is kept. Waits for segments that are being unmapped.
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
    std::vector<Idle> idle;  // The longest idle first.
    std::uint64_t bytes = 0;
    MonotonicNs last_kept_ns = 0;
    bool armed = false;  // The reactor knows when to trim.
    bool closed = false;
    std::vector<Idle> leaving;  // Waiting for `unmapper` to unmap them.
    Thread unmapper;
    bool unmapping = false;
  };
  void keep(Shared<SharedSegment> segment);
  void let_go(std::vector<Idle> leaving);
  void unmap();

  const std::uint64_t limit_bytes_;
  const std::shared_ptr<Retired> retired_;
  Guarded<Content, HostMutex<HostLock::kMemory>> content_;
};

/// The capacity of a large block of `size_bytes`: up to a fifth more, so that blocks of similar
/// sizes can reuse each other's segments. Unwritten pages cost no memory.
[[nodiscard]] std::uint64_t large_block_capacity(std::uint64_t size_bytes) noexcept;

}  // namespace tenon::internal

/// host/storage.hpp: where arguments and results lie, and who gives the memory back.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/internal/shared_object.hpp>
#include <tenon/reply.hpp>

#include "base/guarded.hpp"
#include "base/unique_id.hpp"
#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/layout.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

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

 private:
  Guarded<Numbers> numbers_;
  EventBell bell_;
};

/// A segment that workers may read: the argument arena, a large argument, a worker's result arena.
class SharedSegment final : public SharedObject {
 public:
  /// `retired` hears of the end; null for the argument arena, which outlives the workers.
  SharedSegment(std::uint32_t number, FileDescriptor descriptor, std::shared_ptr<const Mapping> mapping,
                std::shared_ptr<Retired> retired)
      : number_(number),
        descriptor_(std::move(descriptor)),
        mapping_(std::move(mapping)),
        retired_(std::move(retired)) {}

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::shared_ptr<const Mapping>& mapping() const noexcept { return mapping_; }

 private:
  ~SharedSegment() override;

  std::uint32_t number_;
  FileDescriptor descriptor_;
  std::shared_ptr<const Mapping> mapping_;
  std::shared_ptr<Retired> retired_;
};

/// Bytes with what keeps them.
struct StoredBytes {
  Shared<const ReplyStorage> storage;
  BytesView bytes;
  /// The place for a worker; nullopt when the bytes are private or not aligned as a worker needs them.
  [[nodiscard]] std::optional<BlockRef> place() const noexcept;
};

/// Whether an error of storing means that the system is short of descriptors or memory just now.
[[nodiscard]] bool is_shortage(const Error& error) noexcept;

/// A private copy. Throws std::bad_alloc.
[[nodiscard]] StoredBytes copy_to_host(BytesView bytes);

/// The argument memory of one runtime. [any-thread]
class ArgumentMemory : public std::enable_shared_from_this<ArgumentMemory> {
 public:
  /// Errors: those of SharedMemory.
  [[nodiscard]] static Result<std::shared_ptr<ArgumentMemory>> create(std::uint64_t size_bytes,
                                                                      std::shared_ptr<Retired> retired);
  /// For create().
  ArgumentMemory(Arena arena, Shared<const SharedSegment> segment, std::shared_ptr<Retired> retired)
      : arena_(std::move(arena)), segment_(std::move(segment)), retired_(std::move(retired)) {}

  /// A copy of `bytes` where every worker can read it: in the arena, or in a segment of its own when it is large.
  /// Errors: kOutOfMemory when the arena is full; those of SharedMemory.
  [[nodiscard]] Result<StoredBytes> store(BytesView bytes);
  /// The same in a segment of its own, whatever the size.
  [[nodiscard]] Result<StoredBytes> store_apart(BytesView bytes);
  /// Segments of their own that are held now; each is a descriptor of this process.
  [[nodiscard]] std::uint64_t held_apart() const noexcept { return held_apart_->load(std::memory_order_relaxed); }

  [[nodiscard]] const Shared<const SharedSegment>& segment() const noexcept { return segment_; }
  [[nodiscard]] const std::shared_ptr<Retired>& retired() const noexcept { return retired_; }
  /// A number for a further segment of this runtime.
  [[nodiscard]] std::uint32_t next_segment_number() noexcept { return static_cast<std::uint32_t>(numbers_.next()) + 1; }

 private:
  class Block;
  Guarded<Arena> arena_;
  Shared<const SharedSegment> segment_;
  std::shared_ptr<Retired> retired_;
  IdSequence numbers_;
  // Outlives the memory as long as a reply holds a segment. Relaxed: a count to steer by, nothing else goes with it.
  std::shared_ptr<std::atomic<std::uint64_t>> held_apart_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// The memory shared with one worker; outlives it as long as replies lie in it.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  Transport(HostEnd end, Shared<const SharedSegment> results) : end_(std::move(end)), results_(std::move(results)) {}

  [[nodiscard]] HostEnd& end() noexcept { return end_; }
  [[nodiscard]] const Shared<const SharedSegment>& results() const noexcept { return results_; }
  /// A result in place; the block goes back to the worker with the last copy.
  [[nodiscard]] StoredBytes lease(const BlockRef& block, BytesView bytes);
  /// Gives a block of the result arena back to the worker. [any-thread]
  void release(const BlockRef& block);
  void flush_releases();

 private:
  class Lease;
  HostEnd end_;
  Shared<const SharedSegment> results_;
  std::mutex release_mutex_;  // Guards the releaser's role of end_.
};

}  // namespace tenon::internal

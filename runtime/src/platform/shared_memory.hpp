/// Memory that two processes see.
///
///   auto memory = SharedMemory::create("arguments", size);
///   auto mine = memory->map(Access::kReadWrite);
///   memory->seal({.shrink = true, .grow = true, .future_write = true});   // from now on nobody else can write
///   channel.send(message, {{memory->descriptor().get()}});
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

enum class Access { kReadOnly, kReadWrite };

/// What nobody can do to the memory any more, in any process, by any road.
struct Seals {
  bool shrink = false;        ///< Make it smaller: a reader can then never be hit by SIGBUS.
  bool grow = false;          ///< Make it larger.
  bool future_write = false;  ///< Write, except through writable mappings that exist already. Hole punching too.
  bool write = false;         ///< Write at all; refused while a writable mapping exists.
  bool seal = false;          ///< Add further seals.
};

/// A piece of address space. Move-only; unmaps itself. The bytes may be used by many threads.
class Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  /// A private region of zeros that takes memory only where it is touched. Errors: as SharedMemory::map.
  [[nodiscard]] static Result<Mapping> anonymous(std::uint64_t size_bytes);

  [[nodiscard]] bool valid() const noexcept { return data_ != nullptr; }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_; }
  /// For kReadWrite mappings alone; a write to another ends the process.
  [[nodiscard]] std::uint8_t* writable_data() const noexcept { return data_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] BytesView bytes() const noexcept { return BytesView(data_, size_bytes_); }
  [[nodiscard]] Access access() const noexcept { return access_; }
  /// Gives the pages of a region back to the system where that is allowed; their content is then zero (anonymous) or
  /// unchanged (shared). Rounded inwards to pages. [any-thread]
  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) noexcept;

 private:
  friend class SharedMemory;
  Mapping(std::uint8_t* data, std::uint64_t size_bytes, Access access) noexcept
      : data_(data), size_bytes_(size_bytes), access_(access) {}
  std::uint8_t* data_ = nullptr;
  std::uint64_t size_bytes_ = 0;
  Access access_ = Access::kReadOnly;
};

/// Anonymous memory behind a descriptor, which goes with the last descriptor and mapping: nothing is left behind
/// whoever dies. Move-only. [any-thread] for const members.
class SharedMemory {
 public:
  /// Memory of `size_bytes` zeros (from 1). Pages are taken when touched. `name` is seen in /proc alone.
  /// Errors: kInvalidArgument; kUnavailable no descriptors left; kOutOfMemory; kTooLarge beyond a file size limit.
  [[nodiscard]] static Result<SharedMemory> create(std::string_view name, std::uint64_t size_bytes);
  /// Memory with a copy of `bytes` (one byte at least is there), sealed against every change.
  /// For messages that are too large for a ControlChannel.
  [[nodiscard]] static Result<SharedMemory> copy_of(std::string_view name, BytesView bytes);
  /// The same of the first `size_bytes` of a file, followed by `suffix`. Errors: also kCorrupt the file is shorter.
  [[nodiscard]] static Result<SharedMemory> copy_of(std::string_view name, const FileDescriptor& file,
                                                    std::uint64_t size_bytes, BytesView suffix = {});
  /// Takes over a descriptor that came from another process. Its size is asked of the system, and it must be memory of
  /// this kind with at least the seals `required`. Errors: kCorrupt with what is missing.
  [[nodiscard]] static Result<SharedMemory> adopt(FileDescriptor descriptor, const Seals& required);

  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Gives the descriptor away; nothing else is then allowed here but size_bytes.
  [[nodiscard]] FileDescriptor take_descriptor() noexcept { return std::move(descriptor_); }
  /// Size at creation or adoption; with `shrink` sealed it stays true.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

  /// Maps all of it. Core files leave it out. Errors: kOutOfMemory with the limit that refused (address space
  /// RLIMIT_AS, map count); kIo when a seal forbids it.
  [[nodiscard]] Result<Mapping> map(Access access) const;
  /// Adds seals. Errors: kIo, as with `write` while a writable mapping exists.
  [[nodiscard]] Result<void> seal(const Seals& seals) const;
  [[nodiscard]] Result<Seals> seals() const;
  /// Copies bytes in without a mapping: a page that is not there yet costs half of what writing to it costs, and full
  /// memory is an error and no signal. Errors: kOutOfMemory; kIo when a seal forbids it.
  [[nodiscard]] Result<void> write(std::uint64_t offset_bytes, BytesView bytes) const;
  /// Takes all pages now, so that a later write cannot find memory full. Errors: kOutOfMemory.
  [[nodiscard]] Result<void> commit_all() const;

 private:
  SharedMemory(FileDescriptor descriptor, std::uint64_t size_bytes) noexcept
      : descriptor_(std::move(descriptor)), size_bytes_(size_bytes) {}
  FileDescriptor descriptor_;
  std::uint64_t size_bytes_ = 0;
};

/// Whether shared memory has all of these seals; what `adopt` asks, of memory that stays where it is. Errors: kCorrupt.
[[nodiscard]] Result<void> check_seals(const FileDescriptor& descriptor, const Seals& required);

/// Size of a page. [any-thread]
[[nodiscard]] std::uint64_t page_size_bytes() noexcept;
/// Memory of the machine. [any-thread]
[[nodiscard]] std::uint64_t physical_memory_bytes() noexcept;

}  // namespace tenon::internal

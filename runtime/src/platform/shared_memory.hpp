/// Memory shared by two processes.
///
///   auto memory = SharedMemory::create("arguments", size);
///   auto mine = memory->map(Access::kReadWrite);
///   // from now on no other mapping can be used to write
///   memory->seal({.shrink = true, .grow = true, .future_write = true});
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

/// Operations that are permanently forbidden, in every process and by any means.
struct Seals {
  bool shrink = false;  ///< Shrink the memory: with this seal, a reader never gets SIGBUS.
  bool grow = false;    ///< Enlarge the memory.
  /// Write to the memory or punch holes, except through existing writable mappings.
  bool future_write = false;
  bool write = false;  ///< Write to the memory at all; cannot be set while a writable mapping exists.
  bool seal = false;   ///< Add more seals.
};

/// A range of address space. Move-only; unmaps itself. Several threads may use the bytes.
class Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  /// A private region of zeros that uses memory only where it is touched. Errors: as
  /// SharedMemory::map.
  [[nodiscard]] static Result<Mapping> anonymous(std::uint64_t size_bytes);

  [[nodiscard]] bool valid() const noexcept { return data_ != nullptr; }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_; }
  /// Only for kReadWrite mappings; a write to another one crashes the process.
  [[nodiscard]] std::uint8_t* writable_data() const noexcept { return data_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] BytesView bytes() const noexcept { return BytesView(data_, size_bytes_); }
  [[nodiscard]] Access access() const noexcept { return access_; }
  /// Returns the pages of a range to the system if that is allowed; their content is then zero
  /// (anonymous) or unchanged (shared). The range is rounded inwards to pages. [any-thread]
  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) noexcept;

 private:
  friend class SharedMemory;
  Mapping(std::uint8_t* data, std::uint64_t size_bytes, Access access) noexcept
      : data_(data), size_bytes_(size_bytes), access_(access) {}
  std::uint8_t* data_ = nullptr;
  std::uint64_t size_bytes_ = 0;
  Access access_ = Access::kReadOnly;
};

/// Anonymous memory behind a descriptor. It is freed with the last descriptor and mapping, so
/// nothing is left behind when a process dies. Move-only. Const members are [any-thread].
class SharedMemory {
 public:
  /// Creates `size_bytes` (at least 1) of zeroed memory. Pages are allocated when touched. `name`
  /// is visible only in /proc. Errors: kInvalidArgument; kUnavailable: no descriptors are left;
  /// kOutOfMemory; kTooLarge: above a file size limit.
  [[nodiscard]] static Result<SharedMemory> create(std::string_view name, std::uint64_t size_bytes);
  /// Creates memory with a copy of `bytes` (at least one byte long), sealed against any change. For
  /// messages that are too large for a ControlChannel.
  [[nodiscard]] static Result<SharedMemory> copy_of(std::string_view name, BytesView bytes);
  /// Copies the first `size_bytes` of a file, followed by `suffix`. Errors: also kCorrupt: the file
  /// is shorter.
  [[nodiscard]] static Result<SharedMemory> copy_of(std::string_view name, const FileDescriptor& file,
                                                    std::uint64_t size_bytes, BytesView suffix = {});
  /// Takes over a descriptor from another process. Its size is queried from the system; it must be
  /// memory of this kind and have at least the seals `required`. Errors: kCorrupt, with what is
  /// missing.
  [[nodiscard]] static Result<SharedMemory> adopt(FileDescriptor descriptor, const Seals& required);

  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  /// Releases the descriptor; afterwards only size_bytes may be called.
  [[nodiscard]] FileDescriptor take_descriptor() noexcept { return std::move(descriptor_); }
  /// Size at creation or adoption; with `shrink` sealed it remains valid.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

  /// Maps all of it. Core dumps exclude it. Errors: kOutOfMemory with the limit that was hit
  /// (address space RLIMIT_AS, map count); kIo if a seal forbids it.
  [[nodiscard]] Result<Mapping> map(Access access) const;
  /// Adds seals. Errors: kIo, for example for `write` while a writable mapping exists.
  [[nodiscard]] Result<void> seal(const Seals& seals) const;
  [[nodiscard]] Result<Seals> seals() const;
  /// Copies bytes without a mapping: a fresh page costs half as much as when written through a
  /// mapping, and running out of memory is an error instead of a signal. Errors: kOutOfMemory; kIo
  /// if a seal forbids it.
  [[nodiscard]] Result<void> write(std::uint64_t offset_bytes, BytesView bytes) const;
  /// Allocates all pages now, so that a later write cannot run out of memory. Errors: kOutOfMemory.
  [[nodiscard]] Result<void> commit_all() const;

 private:
  SharedMemory(FileDescriptor descriptor, std::uint64_t size_bytes) noexcept
      : descriptor_(std::move(descriptor)), size_bytes_(size_bytes) {}
  FileDescriptor descriptor_;
  std::uint64_t size_bytes_ = 0;
};

/// Checks that shared memory has all of these seals, as `adopt` does, without taking it over.
/// Errors: kCorrupt.
[[nodiscard]] Result<void> check_seals(const FileDescriptor& descriptor, const Seals& required);

/// Page size of the system. [any-thread]
[[nodiscard]] std::uint64_t page_size_bytes() noexcept;
/// Physical memory of the machine. [any-thread]
[[nodiscard]] std::uint64_t physical_memory_bytes() noexcept;

}  // namespace tenon::internal

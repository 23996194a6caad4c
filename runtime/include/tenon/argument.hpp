/// tenon/argument.hpp: arguments built in place, in the memory that workers read.
///
///   auto argument = runtime.build_argument(64 << 20);                  // about so many bytes
///   if (!argument) return fail(argument.error());
///   std::uint8_t* pixels = nullptr;
///   auto data = argument->flatbuffer().CreateUninitializedVector(size, &pixels);
///   read_picture(pixels, size);
///   tenon::Result<tenon::Reply> built = argument->finish(tenon::CreateBytes(argument->flatbuffer(), data));
///   runtime.call("image.thumbnail", *built);                           // no copy, as often as wanted
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <flatbuffers/flatbuffers.h>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/reply.hpp>

namespace tenon {

namespace internal {
class ArgumentMemory;
}

/// One argument while it is being built: as a FlatBuffer, or as bytes that were one elsewhere. What comes out is a
/// Reply, as the result of a call is, and cannot be written any more. Give a good guess of the size: growing beyond the
/// block may copy. Move-only; one thread at a time. May outlive the runtime.
class ArgumentBuilder {
 public:
  ArgumentBuilder(ArgumentBuilder&&) noexcept;
  ArgumentBuilder& operator=(ArgumentBuilder&&) noexcept;
  /// Gives the memory back if nothing has been finished.
  ~ArgumentBuilder();

  /// The builder of the FlatBuffer; the same each time, valid until `finish`. It grows as any FlatBufferBuilder does,
  /// up to 2 GiB, and throws std::bad_alloc as any does when there is no memory to grow into. Not after `finish`, which
  /// also calls its Finish.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& flatbuffer();
  /// Ends the FlatBuffer with its root table, and with a file identifier of four letters if it has one. Errors:
  /// kInvalidArgument finished before, or `flatbuffer` was never used; kOutOfMemory.
  template <typename T>
  [[nodiscard]] Result<Reply> finish(flatbuffers::Offset<T> root, const char* file_identifier = nullptr) {
    return finish_root(flatbuffers::Offset<void>(root.o), file_identifier);
  }

  /// The raw way: the memory, at least as large as the hint; aligned to 16, its content undefined. Valid until
  /// `commit`. Empty once `flatbuffer` has been used.
  [[nodiscard]] MutableBytesView bytes() noexcept;
  /// Makes `size_bytes` bytes from `first` on the argument. Errors: kInvalidArgument when `first` is no multiple of 16,
  /// the range lies outside `bytes`, or something has been finished before; kOutOfMemory.
  [[nodiscard]] Result<Reply> commit(std::size_t first, std::size_t size_bytes);

  class Impl;

 private:
  friend class Runtime;
  explicit ArgumentBuilder(std::unique_ptr<Impl> impl) noexcept;
  /// Errors: those of memory.
  [[nodiscard]] static Result<ArgumentBuilder> create(std::shared_ptr<internal::ArgumentMemory> memory,
                                                      std::size_t size_hint_bytes);
  [[nodiscard]] Result<Reply> finish_root(flatbuffers::Offset<void> root, const char* file_identifier);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon

/// tenon/argument.hpp: arguments built in place, in shared memory that workers read directly.
///
///   auto argument = runtime.build_argument(64 << 20);                  // hint: about 64 MiB
///   if (!argument) return fail(argument.error());
///   std::uint8_t* pixels = nullptr;
///   auto data = argument->flatbuffer().CreateUninitializedVector(size, &pixels);
///   read_picture(pixels, size);
///   auto built = argument->finish(tenon::CreateBytes(argument->flatbuffer(), data));
///   runtime.call("image.thumbnail", *built);                           // no copy; may be repeated
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

/// One argument under construction: either a FlatBuffer or raw bytes of a FlatBuffer that was built
/// elsewhere. Finishing it returns a Reply, like the result of a call, which can no longer be
/// written. Pass a good size hint: growing beyond the block may copy. Move-only; one thread at a
/// time. May outlive the runtime.
class ArgumentBuilder {
 public:
  ArgumentBuilder(ArgumentBuilder&&) noexcept;
  ArgumentBuilder& operator=(ArgumentBuilder&&) noexcept;
  /// Releases the memory if nothing has been finished.
  ~ArgumentBuilder();

  /// The FlatBuffer builder: the same object on each call, valid until `finish`. It grows like any
  /// FlatBufferBuilder, up to 2 GiB, and throws std::bad_alloc when it cannot grow. Do not use it
  /// after `finish`, which also calls its Finish.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& flatbuffer();
  /// Finishes the FlatBuffer with its root table and, if given, a four-letter file identifier.
  /// Errors: kInvalidArgument if it is already finished or `flatbuffer` was never used;
  /// kOutOfMemory.
  template <typename T>
  [[nodiscard]] Result<Reply> finish(flatbuffers::Offset<T> root, const char* file_identifier = nullptr) {
    return finish_root(flatbuffers::Offset<void>(root.o), file_identifier);
  }

  /// The raw interface: writable memory, at least as large as the hint, aligned to 16, with
  /// undefined content. Valid until `commit`. Empty once `flatbuffer` has been used.
  [[nodiscard]] MutableBytesView bytes() noexcept;
  /// Makes the `size_bytes` bytes starting at offset `first` the argument. Errors: kInvalidArgument
  /// if `first` is not a multiple of 16, the range lies outside `bytes`, or an argument has already
  /// been finished; kOutOfMemory.
  [[nodiscard]] Result<Reply> commit(std::size_t first, std::size_t size_bytes);

  class Impl;

 private:
  friend class Runtime;
  explicit ArgumentBuilder(std::unique_ptr<Impl> impl) noexcept;
  /// Errors: kOutOfMemory and the other errors of mapping shared memory.
  [[nodiscard]] static Result<ArgumentBuilder> create(std::shared_ptr<internal::ArgumentMemory> memory,
                                                      std::size_t size_hint_bytes);
  [[nodiscard]] Result<Reply> finish_root(flatbuffers::Offset<void> root, const char* file_identifier);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon

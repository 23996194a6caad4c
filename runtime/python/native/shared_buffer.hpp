/// python/native/shared_buffer.hpp: the type `SharedBuffer` of the module: memory that a caller fills and workers read.
///
/// The memory is a vector of an unfinished argument. A call that gets all of it as one of its fields builds the rest of
/// the argument around it, without a copy. This works once: the argument is then finished, and later calls copy the
/// content of the memory. A small buffer, or one for which there was no shared memory, is always copied.
#pragma once

#include <cstdint>
#include <optional>

#include <tenon/runtime.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// Items in shared memory. Exports a writable buffer, which keeps the object alive.
struct SharedBufferObject {
  struct State {
    std::optional<ArgumentBuilder> builder;  ///< Until a call has used the memory.
    std::optional<Reply> argument;           ///< After that: keeps the memory alive.
    Buffer own;                              ///< Used instead of both if there is no shared memory.
  };
  PyObject ob_base;
  std::uint8_t* data;
  Py_ssize_t size_bytes;
  Py_ssize_t item_bytes;
  std::uint32_t offset;  ///< Offset of the vector in the builder.
  ProcessBound<State> state;
};

/// Space for the rest of an argument around a shared buffer.
inline constexpr std::size_t kSharedBufferReserveBytes = std::size_t{64} << 10;

/// The unused buffer of which `value`, or an object a few levels inside it, is a complete view. Borrowed; null if there
/// is none. Never raises.
[[nodiscard]] SharedBufferObject* find_shared_buffer(PyObject* value, int depth) noexcept;

/// Adds a buffer to those that find_shared_buffer finds, or removes it.
void set_unused(SharedBufferObject& buffer, bool unused);

/// Creates a SharedBuffer of `count` items. A new reference, or null with an exception set.
[[nodiscard]] PyObject* make_shared_buffer(Runtime& runtime, std::size_t count, std::size_t item_bytes);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_shared_buffer_type(PyObject* module);

}  // namespace tenon::python

/// python/native/shared_buffer.hpp: the type `SharedBuffer` of the module: memory that a caller fills and workers read.
///
/// The memory is the vector of an argument that is not finished yet. A call that gets all of it as one of its fields
/// builds the rest of the argument around it, without a copy. That works once: the argument is then finished, and later
/// calls copy what the memory holds. A small one, or one for which there was no shared memory, is always copied.
#pragma once

#include <cstdint>
#include <optional>

#include <tenon/runtime.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// Items in shared memory. Exports a writable buffer, which keeps it alive.
struct SharedBufferObject {
  struct State {
    std::optional<ArgumentBuilder> builder;  ///< Until a call has used it.
    std::optional<Reply> argument;           ///< Afterwards: keeps the memory.
    Buffer own;                              ///< In place of both.
  };
  PyObject ob_base;
  std::uint8_t* data;
  Py_ssize_t size_bytes;
  Py_ssize_t item_bytes;
  std::uint32_t offset;  ///< Of the vector in the builder.
  ProcessBound<State> state;
};

/// Bytes that the rest of an argument may take around a shared buffer.
inline constexpr std::size_t kSharedBufferReserveBytes = std::size_t{64} << 10;

/// The unused buffer of which `value`, or something a few levels inside of it, is a view of all. Borrowed; null when
/// there is none. Never raises.
[[nodiscard]] SharedBufferObject* find_shared_buffer(PyObject* value, int depth) noexcept;

/// Where one is found again by the memory that it has; see find_shared_buffer.
void set_unused(SharedBufferObject& buffer, bool unused);

/// SharedBuffer of `count` items. A new reference, or null with an exception set.
[[nodiscard]] PyObject* make_shared_buffer(Runtime& runtime, std::size_t count, std::size_t item_bytes);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_shared_buffer_type(PyObject* module);

}  // namespace tenon::python

/// python/native/plain.hpp: converts tables and vectors to dict, list and bytes.
#pragma once

#include <cstddef>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Copies a Table to a dict, a Vector to a list, a memoryview of bytes to bytes and one of other numbers to a list,
/// recursively; other values are kept. `budget_bytes` bounds the copy: a small result may refer to one part of itself
/// many times, and the copy repeats it each time. A new reference, or null with an exception set.
[[nodiscard]] PyObject* plain(PyObject* value, std::size_t& budget_bytes);
/// The same for a whole table, with a budget that no honest result exceeds.
[[nodiscard]] PyObject* plain_table(PyObject* table);

}  // namespace tenon::python

/// python/native/vector.hpp: the type `Vector` of the module: a vector of a result, read where it lies.
#pragma once

#include <cstdint>

#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// Items of one type. Those of scalars and structs can be had as a buffer, which keeps the result alive.
struct VectorObject {
  PyObject ob_base;
  PyObject* root;    ///< Keeps the bytes alive.
  PyObject* schema;  ///< The SchemaObject that owns `plan`.
  SchemaPlan* plan;
  internal::TypeRef item;
  const std::uint8_t* items;
  const std::uint8_t* tags;  ///< Of a vector of unions; else null.
  Py_ssize_t count;
  Py_ssize_t item_bytes;
};

/// A vector of `count` items at `items`. `parent` is the table that it belongs to. A new reference, or null with an
/// exception set.
[[nodiscard]] PyObject* make_vector(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& item,
                                    const std::uint8_t* items, Py_ssize_t count, const std::uint8_t* tags = nullptr);
/// The vector behind an object; null when it is something else.
[[nodiscard]] const VectorObject* as_vector(PyObject* object) noexcept;

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_vector_type(PyObject* module);

}  // namespace tenon::python

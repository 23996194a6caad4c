/// python/native/vector.hpp: the type `Vector` of the module: a vector of a result that is read in place.
#pragma once

#include <cstdint>

#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// Items of one type. Items that are scalars or structs are also available as a buffer, which keeps the result alive.
struct VectorObject {
  PyObject ob_base;
  PyObject* root;    ///< Keeps the bytes alive.
  PyObject* schema;  ///< The SchemaObject that owns `plan`.
  SchemaPlan* plan;
  internal::TypeRef item;
  const std::uint8_t* items;
  const std::uint8_t* tags;  ///< For a vector of unions; otherwise null.
  Py_ssize_t count;
  Py_ssize_t item_bytes;
};

/// Creates a vector of `count` items at `items`. `parent` is the table that contains it. A new reference, or null with
/// an exception set.
[[nodiscard]] PyObject* make_vector(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& item,
                                    const std::uint8_t* items, Py_ssize_t count, const std::uint8_t* tags = nullptr);
/// The vector of an object; null for any other object.
[[nodiscard]] const VectorObject* as_vector(PyObject* object) noexcept;

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_vector_type(PyObject* module);

}  // namespace tenon::python

/// python/native/table.hpp: the type `Table` of the module: a result, read where it lies.
///
/// A result comes from a worker, which may run faulty or hostile code. It is verified once, as a whole, in memory that
/// the worker cannot write any more; afterwards every offset that the schema knows of may be followed. Reading a field
/// costs what the field costs, and what is not read costs nothing.
#pragma once

#include <cstdint>

#include <tenon/reply.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// A table or a struct. The root holds the reply; the others hold the root.
struct TableObject {
  PyObject ob_base;
  PyObject* root;    ///< Null in the root itself.
  PyObject* schema;  ///< The SchemaObject that owns `plan`.
  const ObjectPlan* plan;
  const std::uint8_t* at;
  ProcessBound<Reply> reply;  ///< Of the root.
};

/// The root table of a result, verified as `plan`. A new reference, or null with tenon.Corrupt or another exception
/// set.
[[nodiscard]] PyObject* make_root_table(PyObject* schema, const ObjectPlan& plan, Reply reply);
/// A table or struct inside of another, whose buffer has been verified. The same.
[[nodiscard]] PyObject* make_inner_table(PyObject* parent, const ObjectPlan& plan, const std::uint8_t* at);

/// The plan of a Table; null when the object is something else.
[[nodiscard]] const ObjectPlan* plan_of_table(PyObject* object) noexcept;
/// The reply of a root table; null for another one and in a child.
[[nodiscard]] const Reply* reply_of_table(PyObject* table) noexcept;
/// The object that keeps the bytes of a table.
[[nodiscard]] PyObject* root_of(PyObject* table) noexcept;

/// A field of a table; null without an exception when it is absent.
[[nodiscard]] Ref present_field(PyObject* table, const FieldPlan& field);
/// The same with its default; None where there is none. Null with an exception set.
[[nodiscard]] Ref read_field(PyObject* table, const FieldPlan& field);
/// A value of a verified buffer at `at`, where its parent has it. `parent` is the table that it belongs to.
[[nodiscard]] PyObject* read_value(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& type,
                                   const std::uint8_t* at);
/// A member of a union at `at`, the place of its offset; None for one that the schema does not know.
[[nodiscard]] PyObject* read_member(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& type,
                                    std::uint8_t tag, const std::uint8_t* at);

// Functions of the module, for tables that have fields of these names.
/// asdict(table)
[[nodiscard]] PyObject* table_asdict(PyObject* module, PyObject* table);
/// array(table, name, dtype)
[[nodiscard]] PyObject* table_array(PyObject* module, PyObject* arguments);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_table_type(PyObject* module);

}  // namespace tenon::python

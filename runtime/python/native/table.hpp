/// python/native/table.hpp: the type `Table` of the module: a result that is read in place.
///
/// A result comes from a worker, which may run faulty or hostile code. All of it is verified once, in memory that the
/// worker can no longer write; afterwards, every offset that the schema knows can be followed. Reading a field costs
/// only the access to that field; other fields cost nothing.
#pragma once

#include <cstdint>

#include <tenon/reply.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// A table or a struct. The root holds the reply; other tables hold the root.
struct TableObject {
  PyObject ob_base;
  PyObject* root;    ///< Null in the root itself.
  PyObject* schema;  ///< The SchemaObject that owns `plan`.
  const ObjectPlan* plan;
  const std::uint8_t* at;
  ProcessBound<Reply> reply;  ///< Only in the root.
};

/// Creates the root table of a result, verified as `plan`. A new reference, or null with tenon.Corrupt or another
/// exception set.
[[nodiscard]] PyObject* make_root_table(PyObject* schema, const ObjectPlan& plan, Reply reply);
/// Creates a table or struct inside another one, whose buffer has been verified. Returns as make_root_table.
[[nodiscard]] PyObject* make_inner_table(PyObject* parent, const ObjectPlan& plan, const std::uint8_t* at);

/// The plan of a Table; null for any other object.
[[nodiscard]] const ObjectPlan* plan_of_table(PyObject* object) noexcept;
/// The reply of a root table; null for other tables and in a child process.
[[nodiscard]] const Reply* reply_of_table(PyObject* table) noexcept;
/// The object that keeps the bytes of a table.
[[nodiscard]] PyObject* root_of(PyObject* table) noexcept;

/// A field of a table; null without an exception if it is absent.
[[nodiscard]] Ref present_field(PyObject* table, const FieldPlan& field);
/// The same, or its default; None if it has none. Null with an exception set.
[[nodiscard]] Ref read_field(PyObject* table, const FieldPlan& field);
/// A value at `at` in a verified buffer, as its parent stores it. `parent` is the table that contains it.
[[nodiscard]] PyObject* read_value(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& type,
                                   const std::uint8_t* at);
/// A union member whose offset is at `at`; None for a member that the schema does not know.
[[nodiscard]] PyObject* read_member(PyObject* parent, SchemaPlan& schema, const internal::TypeRef& type,
                                    std::uint8_t tag, const std::uint8_t* at);

// Functions of the module, for tables that have fields of these names.
/// asdict(table)
[[nodiscard]] PyObject* table_asdict(PyObject* module, PyObject* table);
/// array(table, name, dtype)
[[nodiscard]] PyObject* table_array(PyObject* module, PyObject* arguments);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_table_type(PyObject* module);

}  // namespace tenon::python

/// python/native/schema.hpp: a plugin's schema, prepared for Python: field names as interned str, enums as classes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/schema.hpp>

#include "python/native/ref.hpp"
#include "schema/schema_model.hpp"

namespace tenon::python {

class SchemaPlan;

/// A field that is visible to Python. Deprecated fields are not.
struct FieldPlan {
  const internal::FieldModel* model = nullptr;
  Ref name;  ///< Interned, so that comparing pointers usually finds it.
  /// The field with the type of this union, or of this vector of unions; null for other fields.
  const internal::FieldModel* tag = nullptr;
};

/// A table or a struct.
struct ObjectPlan {
  const internal::ObjectModel* model = nullptr;
  SchemaPlan* schema = nullptr;
  std::vector<FieldPlan> fields;  ///< Sorted by id.
  Ref positions;                  ///< dict: maps a name to its position in `fields`.
  std::string format;             ///< For a struct: its format in the buffer protocol, "T{<f:x:<f:y:}".

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  /// Position of a field by its name, which is a str; kNone if there is none. Never raises.
  [[nodiscard]] std::size_t find(PyObject* name) const;
};

/// The plans of one schema, each created at its first use. Needs the GIL. Owned by a Python object that tables share.
class SchemaPlan {
 public:
  explicit SchemaPlan(Schema schema);
  SchemaPlan(const SchemaPlan&) = delete;
  SchemaPlan& operator=(const SchemaPlan&) = delete;

  [[nodiscard]] const Schema& schema() const noexcept { return schema_; }
  [[nodiscard]] const internal::SchemaModel& model() const noexcept { return model_; }
  /// The plan of an object of the model. Null with an exception set if there is no memory.
  [[nodiscard]] const ObjectPlan* object(const internal::ObjectModel& object);
  /// The same, by name; null without an exception if the schema has no such object.
  [[nodiscard]] const ObjectPlan* find_object(std::string_view name);
  /// A value of an enum as a member of its Python class, or as an int if the enum does not have it. Returns a new
  /// reference.
  [[nodiscard]] PyObject* enum_value(const internal::TypeRef& type, std::int64_t value);

 private:
  [[nodiscard]] bool fill(ObjectPlan& plan);
  [[nodiscard]] std::string struct_format(const internal::ObjectModel& object) const;

  Schema schema_;
  const internal::SchemaModel& model_;
  std::vector<std::unique_ptr<ObjectPlan>> objects_;
  std::vector<Ref> enums_;
};

/// The Python object that owns a plan.
struct SchemaObject {
  PyObject ob_base;
  SchemaPlan* plan;
};

[[nodiscard]] inline SchemaPlan& plan_of(PyObject* schema) noexcept {
  return *reinterpret_cast<SchemaObject*>(schema)->plan;
}
/// The object for a schema; it is cached while it is among the latest few. Null with an exception set.
[[nodiscard]] Ref shared_schema(const Schema& schema);
/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_schema_type(PyObject* module);

/// The letter for a scalar in the buffer protocol and in the module struct.
[[nodiscard]] char format_letter(internal::BaseType type) noexcept;

}  // namespace tenon::python

// Values of a verified FlatBuffer as Python objects.
#include "python/native/errors.hpp"
#include "python/native/table.hpp"
#include "python/native/vector.hpp"
#include "schema/buffer_view.hpp"

namespace tenon::python {

using internal::BaseType;
using internal::EnumValueModel;
using internal::TypeRef;

namespace {

const TableObject& as_table(PyObject* object) {
  return *reinterpret_cast<TableObject*>(object);
}

PyObject* read_integer(SchemaPlan& schema, const TypeRef& type, std::int64_t value) {
  if (type.index >= 0) {
    return schema.enum_value(type, value);
  }
  switch (type.base) {
    case BaseType::kBool:
      return PyBool_FromLong(value != 0);
    case BaseType::kULong:
      return PyLong_FromUnsignedLongLong(static_cast<std::uint64_t>(value));
    case BaseType::kUInt:
      return PyLong_FromLongLong(static_cast<std::uint32_t>(value));
    default:
      return PyLong_FromLongLong(value);
  }
}

/// Numbers are returned as a memoryview, which supports reading, slicing and comparing without a copy. Enum values are
/// returned as a Vector, which knows their names.
PyObject* read_items(PyObject* parent, SchemaPlan& schema, const TypeRef& item, const std::uint8_t* items,
                     Py_ssize_t count) {
  Ref vector = Ref::steal(make_vector(parent, schema, item, items, count));
  if (!vector || !internal::is_scalar(item.base) || item.index >= 0) {
    return vector.release();
  }
  return PyMemoryView_FromObject(vector.get());
}

/// The location of a field; null if it is absent.
const std::uint8_t* place_of(const TableObject& table, const internal::FieldModel& field) {
  return table.plan->model->is_struct ? table.at + field.offset : internal::field_at(table.at, field);
}

PyObject* read_union(PyObject* self, const FieldPlan& field, const std::uint8_t* place) {
  const TableObject& table = as_table(self);
  const std::uint8_t* const tag = place_of(table, *field.tag);
  const TypeRef& type = field.model->type;
  if (tag == nullptr) {
    return Py_NewRef(Py_None);
  }
  if (type.base == BaseType::kUnion) {
    return read_member(self, *table.plan->schema, type, *tag, place);
  }
  const std::uint8_t* const items = internal::follow(place);
  const TypeRef item{BaseType::kUnion, BaseType::kNone, type.index, 0};
  return make_vector(self, *table.plan->schema, item, items + 4, internal::vector_length(items),
                     internal::follow(tag) + 4);
}

}  // namespace

PyObject* read_member(PyObject* parent, SchemaPlan& schema, const TypeRef& type, std::uint8_t tag,
                      const std::uint8_t* at) {
  const EnumValueModel* const member = schema.model().enumeration(type).find_value(tag);
  if (member == nullptr || member->type.base == BaseType::kNone) {
    Py_RETURN_NONE;
  }
  if (member->type.base == BaseType::kObject && schema.model().object(member->type).is_struct) {
    const ObjectPlan* const plan = schema.object(schema.model().object(member->type));
    return plan == nullptr ? nullptr : make_inner_table(parent, *plan, internal::follow(at));
  }
  return read_value(parent, schema, member->type, at);
}

PyObject* read_value(PyObject* parent, SchemaPlan& schema, const TypeRef& type, const std::uint8_t* at) {
  if (internal::is_float(type.base)) {
    return PyFloat_FromDouble(internal::real_at(type.base, at));
  }
  if (internal::is_scalar(type.base)) {
    return read_integer(schema, type, internal::integer_at(type.base, at));
  }
  switch (type.base) {
    case BaseType::kString:
      return text(internal::string_at(internal::follow(at))).release();
    case BaseType::kObject: {
      const ObjectPlan* const plan = schema.object(schema.model().object(type));
      if (plan == nullptr) {
        return nullptr;
      }
      return make_inner_table(parent, *plan, plan->model->is_struct ? at : internal::follow(at));
    }
    case BaseType::kArray:
      return read_items(parent, schema, type.element_type(), at, type.fixed_length);
    default: {
      const std::uint8_t* const items = internal::follow(at);
      return read_items(parent, schema, type.element_type(), items + 4, internal::vector_length(items));
    }
  }
}

Ref present_field(PyObject* self, const FieldPlan& field) {
  const TableObject& table = as_table(self);
  const std::uint8_t* const place = place_of(table, *field.model);
  if (place == nullptr) {
    return {};
  }
  return Ref::steal(field.tag != nullptr ? read_union(self, field, place)
                                         : read_value(self, *table.plan->schema, field.model->type, place));
}

Ref read_field(PyObject* self, const FieldPlan& field) {
  Ref value = present_field(self, field);
  if (value || PyErr_Occurred() != nullptr) {
    return value;
  }
  const internal::FieldModel& model = *field.model;
  if (internal::is_scalar(model.type.base) && !model.optional) {
    return Ref::steal(internal::is_float(model.type.base)
                          ? PyFloat_FromDouble(model.default_real)
                          : read_integer(*as_table(self).plan->schema, model.type, model.default_integer));
  }
  return Ref::share(Py_None);
}

}  // namespace tenon::python

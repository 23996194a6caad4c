#include "python/native/schema.hpp"

#include <algorithm>
#include <utility>

#include "python/native/errors.hpp"

namespace tenon::python {

using internal::BaseType;
using internal::EnumModel;
using internal::FieldModel;
using internal::ObjectModel;
using internal::TypeRef;

char format_letter(BaseType type) noexcept {
  switch (type) {
    case BaseType::kBool:
      return '?';
    case BaseType::kByte:
      return 'b';
    case BaseType::kShort:
      return 'h';
    case BaseType::kUShort:
      return 'H';
    case BaseType::kInt:
      return 'i';
    case BaseType::kUInt:
      return 'I';
    case BaseType::kLong:
      return 'q';
    case BaseType::kULong:
      return 'Q';
    case BaseType::kFloat:
      return 'f';
    case BaseType::kDouble:
      return 'd';
    default:
      return 'B';
  }
}

std::size_t ObjectPlan::find(PyObject* name) const {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name.get() == name) {
      return i;
    }
  }
  PyObject* const position = PyUnicode_Check(name) ? PyDict_GetItemWithError(positions.get(), name) : nullptr;
  if (position == nullptr) {
    PyErr_Clear();
    return kNone;
  }
  return PyLong_AsSize_t(position);
}

SchemaPlan::SchemaPlan(Schema schema)
    : schema_(std::move(schema)),
      model_(internal::SchemaAccess::model(schema_)),
      objects_(model_.objects.size()),
      enums_(model_.enums.size()) {}

const ObjectPlan* SchemaPlan::object(const ObjectModel& object) {
  const auto index = static_cast<std::size_t>(&object - model_.objects.data());
  if (objects_[index] == nullptr) {
    auto plan = std::make_unique<ObjectPlan>();
    plan->model = &object;
    plan->schema = this;
    if (!fill(*plan)) {
      return nullptr;
    }
    objects_[index] = std::move(plan);
  }
  return objects_[index].get();
}

const ObjectPlan* SchemaPlan::find_object(std::string_view name) {
  const ObjectModel* const found = model_.find_object(name);
  return found == nullptr ? nullptr : object(*found);
}

bool SchemaPlan::fill(ObjectPlan& plan) {
  plan.positions = Ref::steal(PyDict_New());
  if (!plan.positions) {
    return false;
  }
  for (std::size_t i = 0; i < plan.model->fields.size(); ++i) {
    const FieldModel& field = plan.model->fields[i];
    if (field.deprecated) {
      continue;
    }
    FieldPlan& added = plan.fields.emplace_back();
    added.model = &field;
    added.name = Ref::steal(PyUnicode_InternFromString(field.name.c_str()));
    // The type of a union is directly before it.
    if (field.type.base == BaseType::kUnion || field.type.element == BaseType::kUnion) {
      added.tag = &plan.model->fields[i - 1];
    }
    const Ref position = Ref::steal(PyLong_FromSize_t(plan.fields.size() - 1));
    if (!added.name || !position || PyDict_SetItem(plan.positions.get(), added.name.get(), position.get()) != 0) {
      return false;
    }
  }
  if (plan.model->is_struct) {
    plan.format = struct_format(*plan.model);
  }
  return true;
}

std::string SchemaPlan::struct_format(const ObjectModel& object) const {
  std::string format = "T{";
  std::size_t at = 0;
  const auto pad_to = [&](std::size_t offset) {
    if (offset > at) {
      format += std::to_string(offset - at) + "x";
    }
  };
  for (const FieldModel& field : object.fields) {
    pad_to(field.offset);
    TypeRef type = field.type;
    std::size_t count = 1;
    if (type.base == BaseType::kArray) {
      count = type.fixed_length;
      format += "(" + std::to_string(count) + ")";
      type = type.element_type();
    }
    std::size_t size = internal::scalar_size_bytes(type.base);
    if (type.base == BaseType::kObject) {
      format += struct_format(model_.object(type));
      size = model_.object(type).size_bytes;
    } else {
      // An explicit byte order means standard sizes and no hidden gaps.
      format += std::string("<") + format_letter(type.base);
    }
    format += ":" + field.name + ":";
    at = field.offset + size * count;
  }
  pad_to(object.size_bytes);
  return format + "}";
}

PyObject* SchemaPlan::enum_value(const TypeRef& type, std::int64_t value) {
  const EnumModel& model = model_.enumeration(type);
  Ref& known = enums_[static_cast<std::size_t>(type.index)];
  if (!known) {
    const Ref module = Ref::steal(PyImport_ImportModule("tenon._enums"));
    const Ref values = Ref::steal(PyList_New(0));
    if (!module || !values) {
      return nullptr;
    }
    for (const internal::EnumValueModel& entry : model.values) {
      const Ref pair = Ref::steal(Py_BuildValue("(sL)", entry.name.c_str(), static_cast<long long>(entry.value)));
      if (!pair || PyList_Append(values.get(), pair.get()) != 0) {
        return nullptr;
      }
    }
    known = Ref::steal(PyObject_CallMethod(module.get(), "make", "sOO", model.name.c_str(), values.get(),
                                           model.bit_flags ? Py_True : Py_False));
    if (!known) {
      return nullptr;
    }
  }
  const Ref number =
      Ref::steal(type.base == BaseType::kULong ? PyLong_FromUnsignedLongLong(static_cast<std::uint64_t>(value))
                                               : PyLong_FromLongLong(value));
  if (!number) {
    return nullptr;
  }
  // dict: maps values to members; for flags, a class whose members can be combined.
  if (PyDict_Check(known.get())) {
    PyObject* const member = PyDict_GetItemWithError(known.get(), number.get());
    return member != nullptr ? Py_NewRef(member) : PyErr_Occurred() != nullptr ? nullptr : Py_NewRef(number.get());
  }
  return PyObject_CallOneArg(known.get(), number.get());
}

namespace {

/// Enough for the plugins of a program, and another version or two of each.
constexpr std::size_t kRecentSchemas = 32;

PyTypeObject* g_schema_type = nullptr;
/// The latest is first. Never destroyed, because the interpreter is gone when static objects are destroyed.
std::vector<Ref>* g_recent = nullptr;

void schema_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  delete reinterpret_cast<SchemaObject*>(self)->plan;
  type->tp_free(self);
  Py_DECREF(type);
}

}  // namespace

Ref shared_schema(const Schema& schema) {
  // The address of a model stays the same while any copy of its schema exists, and the plan has a copy.
  const internal::SchemaModel* const model = &internal::SchemaAccess::model(schema);
  std::vector<Ref>& recent = *g_recent;
  for (std::size_t i = 0; i < recent.size(); ++i) {
    if (&plan_of(recent[i].get()).model() == model) {
      std::rotate(recent.begin(), recent.begin() + static_cast<std::ptrdiff_t>(i),
                  recent.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      return Ref::share(recent.front().get());
    }
  }
  auto plan = std::make_unique<SchemaPlan>(schema);
  Ref object = Ref::steal(g_schema_type->tp_alloc(g_schema_type, 0));
  if (object) {
    reinterpret_cast<SchemaObject*>(object.get())->plan = plan.release();
    recent.insert(recent.begin(), Ref::share(object.get()));
    if (recent.size() > kRecentSchemas) {
      recent.pop_back();
    }
  }
  return object;
}

Ref make_schema_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(schema_dealloc)},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Schema", sizeof(SchemaObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_schema_type = reinterpret_cast<PyTypeObject*>(type.get());
  if (g_recent == nullptr) {
    g_recent = new std::vector<Ref>();
  }
  return type;
}

}  // namespace tenon::python

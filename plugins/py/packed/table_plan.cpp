#include "table_plan.hpp"

#include <tenon/plugin.hpp>

namespace py {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  PyErr_Clear();
  throw tenon::TaskError(TENON_INCOMPATIBLE, "the plugin's description does not match its schema (" + what +
                                                 "); pack it again with this tenon");
}

std::string text_of(PyObject* name) {
  const char* const text = PyUnicode_AsUTF8(name);
  if (text == nullptr) {
    refuse("a name is not text");
  }
  return text;
}

bool is_integer(reflection::BaseType type) {
  return type >= reflection::UType && type <= reflection::ULong;
}

}  // namespace

std::size_t size_of(reflection::BaseType type) noexcept {
  switch (type) {
    case reflection::Short:
    case reflection::UShort:
      return 2;
    case reflection::Int:
    case reflection::UInt:
    case reflection::Float:
      return 4;
    case reflection::Long:
    case reflection::ULong:
    case reflection::Double:
      return 8;
    case reflection::String:
    case reflection::Obj:
    case reflection::Vector:
      return sizeof(flatbuffers::uoffset_t);
    default:
      return 1;
  }
}

Plans::Plans(const reflection::Schema& schema, PyObject* tables, PyObject* enums) {
  Py_ssize_t at = 0;
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  while (PyDict_Next(enums, &at, &name, &value) != 0) {
    EnumPlan& plan = enums_.emplace_back();
    plan.name = text_of(name);
    plan.members = Ref::share(PyTuple_GetItem(value, 0));
    plan.numbers = Ref::share(PyTuple_GetItem(value, 1));
    if (!plan.members || !plan.numbers) {
      refuse("enum " + plan.name);
    }
  }
  at = 0;
  while (PyDict_Next(tables, &at, &name, &value) != 0) {
    TablePlan& plan = tables_.emplace_back();
    plan.name = text_of(name);
    PyObject* const type = PyTuple_GetItem(value, 0);
    plan.type = Ref::share(type == Py_None ? nullptr : type);
  }
  // All of them exist before any is filled in: a table may have any other as a field.
  for (TablePlan& plan : tables_) {
    PyObject* const entry = PyDict_GetItemString(tables, plan.name.c_str());
    fill(schema, plan, entry != nullptr ? PyTuple_GetItem(entry, 1) : nullptr);
  }
}

void Plans::fill(const reflection::Schema& schema, TablePlan& plan, PyObject* absent) {
  const reflection::Object* object = nullptr;
  for (const reflection::Object* const one : *schema.objects()) {
    if (one->name()->string_view() == plan.name) {
      object = one;
    }
  }
  if (object == nullptr || absent == nullptr ||
      PyTuple_Size(absent) != static_cast<Py_ssize_t>(object->fields()->size())) {
    refuse("table " + plan.name);
  }
  std::vector<const reflection::Field*> by_id(object->fields()->size());
  for (const reflection::Field* const field : *object->fields()) {
    by_id[field->id()] = field;
  }
  for (std::size_t i = 0; i < by_id.size(); ++i) {
    const reflection::Field& field = *by_id[i];
    const auto how = static_cast<Absent>(PyLong_AsLong(PyTuple_GetItem(absent, static_cast<Py_ssize_t>(i))));
    if (how == Absent::kHidden || field.deprecated()) {
      continue;
    }
    FieldPlan& added = plan.fields.emplace_back();
    added.text = field.name()->c_str();
    added.name = Ref(PyUnicode_InternFromString(added.text));
    added.type = field.type()->base_type();
    added.element = field.type()->element();
    added.offset = field.offset();
    added.absent = how;
    added.required = field.required();
    added.optional = field.optional();
    added.default_integer = field.default_integer();
    added.default_real = field.default_real();
    const std::int32_t index = field.type()->index();
    const reflection::BaseType item = added.type == reflection::Vector ? added.element : added.type;
    if (item == reflection::Obj) {
      added.table = &table(schema.objects()->Get(static_cast<flatbuffers::uoffset_t>(index))->name()->string_view());
    } else if (index >= 0 && is_integer(item)) {
      added.enumeration =
          &enumeration(schema.enums()->Get(static_cast<flatbuffers::uoffset_t>(index))->name()->string_view());
    } else if (item != reflection::String && !is_integer(item) && item != reflection::Bool &&
               item != reflection::Float && item != reflection::Double) {
      refuse("field " + plan.name + "." + added.text);
    }
    if (!added.name) {
      throw std::bad_alloc();
    }
  }
  plan.names = Ref(PyTuple_New(static_cast<Py_ssize_t>(plan.fields.size())));
  if (!plan.names) {
    throw std::bad_alloc();
  }
  for (std::size_t i = 0; i < plan.fields.size(); ++i) {
    PyTuple_SET_ITEM(plan.names.get(), static_cast<Py_ssize_t>(i), Py_NewRef(plan.fields[i].name.get()));
  }
}

const TablePlan& Plans::table(std::string_view name) const {
  for (const TablePlan& plan : tables_) {
    if (plan.name == name) {
      return plan;
    }
  }
  refuse("table " + std::string(name));
}

const EnumPlan& Plans::enumeration(std::string_view name) const {
  for (const EnumPlan& plan : enums_) {
    if (plan.name == name) {
      return plan;
    }
  }
  refuse("enum " + std::string(name));
}

}  // namespace py

// Assigns values to fields: from mappings, dataclasses, named tuples and tables.
#include "base/text.hpp"
#include "python/native/encode.hpp"
#include "python/native/errors.hpp"
#include "python/native/table.hpp"

namespace tenon::python {

bool TableEncoder::place(const ObjectPlan& plan, PyObject* name, Ref value, Values& values) {
  const std::size_t position = plan.find(name);
  if (position != ObjectPlan::kNone) {
    if (value.get() != Py_None) {
      values[position] = std::move(value);
    }
    return true;
  }
  if (!PyUnicode_Check(name)) {
    return refuse_type("a str as the name of a field of " + plan.model->name, name);
  }
  const char* const utf8 = PyUnicode_AsUTF8(name);
  PyErr_Clear();
  const std::string given = utf8 == nullptr ? shown(name) : utf8;
  if (const internal::FieldModel* const field = plan.model->find_field(given); field != nullptr && field->deprecated) {
    return refuse("field '" + given + "' of " + plan.model->name + " is deprecated and no longer read");
  }
  std::vector<std::string> known;
  std::string listed;
  for (const FieldPlan& field : plan.fields) {
    known.push_back(field.model->name);
    if (known.size() <= 20) {
      listed += (listed.empty() ? "" : ", ") + field.model->name;
    }
  }
  const auto nearest = internal::nearest_names(given, known, 1);
  return refuse(plan.model->name + " has no field '" + internal::printable(given, 80) + "'" +
                (!nearest.empty() ? "; did you mean '" + std::string(nearest.front()) + "'?"
                 : listed.empty() ? "; it has none"
                                  : "; it has " + listed));
}

bool TableEncoder::gather(const ObjectPlan& plan, PyObject* value, Values& values) {
  if (plan.model->is_any) {
    return refuse("tenon.Any stands for any table, so a mapping cannot say which; pass the result of a call, or bytes");
  }
  if (PyDict_Check(value)) {
    // No foreign code runs here: dicts with keys that are not str fail before any comparison.
    PyObject* name = nullptr;
    PyObject* item = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(value, &at, &name, &item) != 0;) {
      const Ref held = Ref::share(name);
      if (!place(plan, name, Ref::share(item), values)) {
        return false;
      }
    }
    return true;
  }
  if (plan_of_table(value) != nullptr) {
    return gather_table(plan, value, values);
  }
  if (!PyType_Check(value)) {
    for (const char* const attribute : {"__dataclass_fields__", "_fields"}) {
      const Ref names = Ref::steal(PyObject_GetAttrString(value, attribute));
      if (names && (PyDict_Check(names.get()) || PyTuple_Check(names.get()))) {
        return gather_attributes(plan, value, names.get(), values);
      }
      if (!names && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return false;
      }
      PyErr_Clear();
    }
    if (PyMapping_Check(value) && PyObject_HasAttrString(value, "keys")) {
      return gather_items(plan, value, values);
    }
  }
  return refuse_type("a dict or a dataclass (" + plan.model->name + ")", value);
}

bool TableEncoder::gather_items(const ObjectPlan& plan, PyObject* mapping, Values& values) {
  const Ref names = Ref::steal(PyMapping_Keys(mapping));
  const Ref items = names ? Ref::steal(PySequence_Fast(names.get(), "keys() of a mapping")) : Ref();
  if (!items) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    const Ref name = Ref::share(PySequence_Fast_GET_ITEM(items.get(), i));
    Ref item = Ref::steal(PyObject_GetItem(mapping, name.get()));
    if (!item || !place(plan, name.get(), std::move(item), values)) {
      return false;
    }
  }
  return true;
}

bool TableEncoder::gather_attributes(const ObjectPlan& plan, PyObject* value, PyObject* names, Values& values) {
  const Ref items = Ref::steal(PySequence_List(names));
  if (!items) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.get()); ++i) {
    PyObject* const name = PyList_GET_ITEM(items.get(), i);
    Ref item = Ref::steal(PyObject_GetAttr(value, name));
    if (!item || !place(plan, name, std::move(item), values)) {
      return false;
    }
  }
  return true;
}

bool TableEncoder::gather_table(const ObjectPlan& plan, PyObject* table, Values& values) {
  const ObjectPlan& given = *plan_of_table(table);
  if (given.model->name != plan.model->name) {
    return refuse("expected " + plan.model->name + ", not " + given.model->name);
  }
  for (const FieldPlan& field : given.fields) {
    Ref item = present_field(table, field);
    if (!item && PyErr_Occurred() != nullptr) {
      return false;
    }
    if (item && !place(plan, field.name.get(), std::move(item), values)) {
      return false;
    }
  }
  return true;
}

}  // namespace tenon::python

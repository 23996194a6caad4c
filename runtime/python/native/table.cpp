#include "python/native/table.hpp"

#include <utility>

#include "base/text.hpp"
#include "python/native/errors.hpp"
#include "python/native/gil.hpp"
#include "python/native/plain.hpp"
#include "python/native/vector.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::python {
namespace {

/// While a result of at least this size is verified, other Python threads may run.
constexpr std::size_t kLongVerifyBytes = std::size_t{256} << 10;
/// Maximum length of a str or of bytes in repr().
constexpr Py_ssize_t kShownLength = 80;

/// A table without fields, for results without bytes: the offset of the root, its vtable, the table.
alignas(16) constexpr std::uint8_t kEmptyTable[] = {8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0};

PyTypeObject* g_table_type = nullptr;

TableObject* as_table(PyObject* object) {
  return reinterpret_cast<TableObject*>(object);
}

PyObject* allocate(PyObject* schema, const ObjectPlan& plan, const std::uint8_t* at, Reply reply) {
  PyObject* const self = g_table_type->tp_alloc(g_table_type, 0);
  if (self != nullptr) {
    TableObject& table = *as_table(self);
    table.root = nullptr;
    table.schema = Py_NewRef(schema);
    table.plan = &plan;
    table.at = at;
    new (&table.reply) ProcessBound<Reply>(std::move(reply));
  }
  return self;
}

void table_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  TableObject& table = *as_table(self);
  table.reply.~ProcessBound();
  Py_XDECREF(table.root);
  Py_DECREF(table.schema);
  type->tp_free(self);
  Py_DECREF(type);
}

/// A field by its name, or its default. Null without an exception if there is no such field.
Ref field_by_name(PyObject* self, PyObject* name) {
  const ObjectPlan& plan = *as_table(self)->plan;
  const std::size_t position = plan.find(name);
  return position == ObjectPlan::kNone ? Ref() : read_field(self, plan.fields[position]);
}

std::string unknown_field(PyObject* self, PyObject* name) {
  const ObjectPlan& plan = *as_table(self)->plan;
  const char* const utf8 = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  PyErr_Clear();
  const std::string given = utf8 == nullptr ? "?" : utf8;
  std::vector<std::string> known;
  for (const FieldPlan& field : plan.fields) {
    known.push_back(field.model->name);
  }
  const auto nearest = internal::nearest_names(given, known, 1);
  return plan.model->name + " has no field '" + internal::printable(given, 80) + "'" +
         (nearest.empty() ? "" : "; did you mean '" + std::string(nearest.front()) + "'?");
}

PyObject* table_getattr(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    // Fields take precedence, because a schema may have a field 'values'.
    if (Ref value = field_by_name(self, name); value || PyErr_Occurred() != nullptr) {
      return value.release();
    }
    PyObject* const attribute = PyObject_GenericGetAttr(self, name);
    if (attribute == nullptr && PyErr_ExceptionMatches(PyExc_AttributeError)) {
      PyErr_Clear();
      PyErr_SetString(PyExc_AttributeError, unknown_field(self, name).c_str());
    }
    return attribute;
  });
}

PyObject* table_subscript(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    Ref value = field_by_name(self, name);
    if (!value && PyErr_Occurred() == nullptr) {
      PyErr_SetString(PyExc_KeyError, unknown_field(self, name).c_str());
    }
    return value.release();
  });
}

Py_ssize_t table_length(PyObject* self) {
  return static_cast<Py_ssize_t>(as_table(self)->plan->fields.size());
}

int table_contains(PyObject* self, PyObject* name) {
  return as_table(self)->plan->find(name) == ObjectPlan::kNone ? 0 : 1;
}

int table_bool(PyObject* /*self*/) {
  return 1;  // This also holds for a table without fields.
}

/// A list of the results of `make` for each field.
template <typename Make>
PyObject* list_of_fields(PyObject* self, Make make) {
  return guarded([&]() -> PyObject* {
    const ObjectPlan& plan = *as_table(self)->plan;
    Ref list = Ref::steal(PyList_New(table_length(self)));
    for (std::size_t i = 0; list && i < plan.fields.size(); ++i) {
      Ref item = make(plan.fields[i]);
      if (!item) {
        return nullptr;
      }
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item.release());
    }
    return list.release();
  });
}

PyObject* table_keys(PyObject* self, PyObject* /*none*/) {
  return list_of_fields(self, [](const FieldPlan& field) { return Ref::share(field.name.get()); });
}

PyObject* table_values(PyObject* self, PyObject* /*none*/) {
  return list_of_fields(self, [self](const FieldPlan& field) { return read_field(self, field); });
}

PyObject* table_items(PyObject* self, PyObject* /*none*/) {
  return list_of_fields(self, [self](const FieldPlan& field) {
    const Ref value = read_field(self, field);
    return value ? Ref::steal(PyTuple_Pack(2, field.name.get(), value.get())) : Ref();
  });
}

PyObject* table_iter(PyObject* self) {
  const Ref names = Ref::steal(table_keys(self, nullptr));
  return names ? PyObject_GetIter(names.get()) : nullptr;
}

PyObject* table_get(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count < 1 || count > 2) {
      PyErr_SetString(PyExc_TypeError, "get takes a field's name and a default");
      return nullptr;
    }
    Ref value = field_by_name(self, arguments[0]);
    if (!value && PyErr_Occurred() == nullptr) {
      value = Ref::share(count == 2 ? arguments[1] : Py_None);
    }
    return value.release();
  });
}

PyObject* asdict_method(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* { return plain_table(self); });
}

/// A vector of numbers or structs as a numpy array.
PyObject* array_of(PyObject* self, PyObject* name, PyObject* dtype) {
  return guarded([&]() -> PyObject* {
    const ObjectPlan& plan = *as_table(self)->plan;
    const std::size_t position = plan.find(name);
    if (position == ObjectPlan::kNone) {
      return raise(ErrorCode::kNotFound, unknown_field(self, name));
    }
    const Ref numpy = Ref::steal(PyImport_ImportModule("numpy"));
    if (!numpy) {
      PyErr_Clear();
      return raise(ErrorCode::kUnsupported,
                   "arrays need numpy, which is not installed; the field itself is a memoryview, which works without");
    }
    const Ref value = present_field(self, plan.fields[position]);
    if (!value) {
      if (PyErr_Occurred() != nullptr) {
        return nullptr;
      }
      return dtype == Py_None ? PyObject_CallMethod(numpy.get(), "empty", "i", 0)
                              : PyObject_CallMethod(numpy.get(), "empty", "iO", 0, dtype);
    }
    if (PyObject_CheckBuffer(value.get()) == 0) {
      return raise_type("field '" + plan.fields[position].model->name + "' is not a vector of numbers or of structs");
    }
    if (dtype == Py_None) {
      return PyObject_CallMethod(numpy.get(), "asarray", "O", value.get());
    }
    // numpy treats an empty buffer differently.
    const Py_ssize_t count = PyObject_Size(value.get());
    return count == 0 ? PyObject_CallMethod(numpy.get(), "empty", "iO", 0, dtype)
                      : PyObject_CallMethod(numpy.get(), "frombuffer", "OO", value.get(), dtype);
  });
}

/// array(name, dtype=None)
PyObject* array_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* const names[] = {"", "dtype", nullptr};
  PyObject* name = nullptr;
  PyObject* dtype = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "U|O:array", const_cast<char**>(names), &name, &dtype) == 0) {
    return nullptr;
  }
  return array_of(self, name, dtype);
}

PyObject* table_compare(PyObject* self, PyObject* other, int operation) {
  if (operation != Py_EQ && operation != Py_NE) {
    Py_RETURN_NOTIMPLEMENTED;
  }
  return guarded([&]() -> PyObject* {
    const ObjectPlan* const theirs = plan_of_table(other);
    if (theirs == nullptr && PyDict_Check(other)) {
      const Ref mine = Ref::steal(plain_table(self));
      return mine ? PyObject_RichCompare(mine.get(), other, operation) : nullptr;
    }
    if (theirs == nullptr) {
      Py_RETURN_NOTIMPLEMENTED;
    }
    const ObjectPlan& plan = *as_table(self)->plan;
    bool equal = plan.model->name == theirs->model->name && plan.fields.size() == theirs->fields.size();
    for (std::size_t i = 0; equal && i < plan.fields.size(); ++i) {
      const Ref mine = read_field(self, plan.fields[i]);
      const Ref other_value = mine ? field_by_name(other, plan.fields[i].name.get()) : Ref();
      if (!other_value && PyErr_Occurred() != nullptr) {
        return nullptr;
      }
      const int same = other_value ? PyObject_RichCompareBool(mine.get(), other_value.get(), Py_EQ) : 0;
      if (same < 0) {
        return nullptr;
      }
      equal = same == 1;
    }
    return PyBool_FromLong(equal == (operation == Py_EQ));
  });
}

/// The repr() of a value, shortened if it is large.
Ref short_repr(PyObject* value) {
  if (PyMemoryView_Check(value)) {
    const Py_buffer& view = *PyMemoryView_GET_BUFFER(value);
    if (view.itemsize == 1 && view.len > kShownLength) {
      return Ref::steal(PyUnicode_FromFormat("<%zd bytes>", view.len));
    }
    if (PyObject_Size(value) > kShownLength / 4) {
      return Ref::steal(PyUnicode_FromFormat("<%zd numbers>", PyObject_Size(value)));
    }
    const bool bytes = view.format == nullptr || view.format[0] == 'B';
    const Ref copy = Ref::steal(PyObject_CallMethod(value, bytes ? "tobytes" : "tolist", nullptr));
    return copy ? Ref::steal(PyObject_Repr(copy.get())) : Ref();
  }
  if (PyUnicode_Check(value) && PyUnicode_GET_LENGTH(value) > kShownLength) {
    const Ref start = Ref::steal(PyUnicode_Substring(value, 0, kShownLength));
    return start ? Ref::steal(PyUnicode_FromFormat("%R...", start.get())) : Ref();
  }
  return Ref::steal(PyObject_Repr(value));
}

PyObject* table_repr(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const ObjectPlan& plan = *as_table(self)->plan;
    if (Py_EnterRecursiveCall(" while a table is shown") != 0) {
      return nullptr;
    }
    const Ref parts = Ref::steal(PyList_New(0));
    bool ok = static_cast<bool>(parts);
    for (std::size_t i = 0; ok && i < plan.fields.size(); ++i) {
      const Ref value = present_field(self, plan.fields[i]);
      if (!value) {
        ok = PyErr_Occurred() == nullptr;
        continue;
      }
      const Ref shown = short_repr(value.get());
      const Ref part =
          shown ? Ref::steal(PyUnicode_FromFormat("%U=%U", plan.fields[i].name.get(), shown.get())) : Ref();
      ok = part && PyList_Append(parts.get(), part.get()) == 0;
    }
    Py_LeaveRecursiveCall();
    const Ref comma = ok ? Ref::steal(PyUnicode_FromString(", ")) : Ref();
    const Ref joined = comma ? Ref::steal(PyUnicode_Join(comma.get(), parts.get())) : Ref();
    return joined ? PyUnicode_FromFormat("%s(%U)", plan.model->name.c_str(), joined.get()) : nullptr;
  });
}

int table_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  const TableObject& table = *as_table(self);
  if (table.root != nullptr) {
    PyErr_SetString(PyExc_BufferError, "only a whole result is a buffer, not a table inside of it");
    return -1;
  }
  const BytesView bytes = table.reply->bytes();
  return PyBuffer_FillInfo(view, self, const_cast<std::uint8_t*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()),
                           1, flags);
}

PyObject* table_type(PyObject* self, void* /*closure*/) {
  return PyUnicode_FromString(as_table(self)->plan->model->name.c_str());
}

PyObject* table_dir(PyObject* self, PyObject* /*none*/) {
  const Ref own =
      Ref::steal(PyObject_CallMethod(reinterpret_cast<PyObject*>(&PyBaseObject_Type), "__dir__", "O", self));
  const Ref names = Ref::steal(table_keys(self, nullptr));
  return own && names ? PySequence_InPlaceConcat(own.get(), names.get()) : nullptr;
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef table_methods[] = {
    {"keys", table_keys, METH_NOARGS, "keys($self, /)\n--\n\nThe names of all fields, in the order of the schema."},
    {"values", table_values, METH_NOARGS, "values($self, /)\n--\n\nThe values of all fields."},
    {"items", table_items, METH_NOARGS, "items($self, /)\n--\n\nPairs of name and value."},
    {"get", as_method(table_get), METH_FASTCALL,
     "get($self, name, default=None, /)\n--\n\nA field, or the default if the "
     "table has no such field."},
    {"asdict", asdict_method, METH_NOARGS,
     "asdict($self, /)\n--\n\nA copy as a dict, with tables as dicts, bytes as bytes and other vectors as lists."},
    {"array", as_method(array_method), METH_VARARGS | METH_KEYWORDS,
     "array($self, name, /, dtype=None)\n--\n\nA vector of numbers or structs as a numpy array, which is not a copy, "
     "cannot "
     "be written and keeps the result alive. A dtype reads the same bytes as other numbers."},
    {"__dir__", table_dir, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef table_properties[] = {
    {"__tenon_type__", table_type, nullptr, "The name of the table in its schema.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

PyObject* make_root_table(PyObject* schema, const ObjectPlan& plan, Reply reply) {
  BytesView bytes = reply.bytes();
  if (bytes.empty() && reply.size_bytes() != 0) {
    return raise(ErrorCode::kOutOfMemory, "there is no memory for a copy of the result");
  }
  if (bytes.empty()) {
    bytes = kEmptyTable;
  }
  const internal::SchemaModel& model = plan.schema->model();
  Result<void> verified;
  if (bytes.size() < kLongVerifyBytes) {
    verified = internal::verify_buffer(model, *plan.model, bytes);
  } else {
    const WithoutGil without_gil;
    verified = internal::verify_buffer(model, *plan.model, bytes);
  }
  if (!verified) {
    return raise(verified.error());
  }
  return allocate(schema, plan, bytes.data() + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(bytes.data()),
                  std::move(reply));
}

PyObject* make_inner_table(PyObject* parent, const ObjectPlan& plan, const std::uint8_t* at) {
  PyObject* const root = root_of(parent);
  PyObject* const self = allocate(as_table(root)->schema, plan, at, {});
  if (self != nullptr) {
    as_table(self)->root = Py_NewRef(root);
  }
  return self;
}

const ObjectPlan* plan_of_table(PyObject* object) noexcept {
  return Py_TYPE(object) == g_table_type ? as_table(object)->plan : nullptr;
}

const Reply* reply_of_table(PyObject* table) noexcept {
  TableObject& object = *as_table(table);
  return object.root == nullptr && object.reply.usable() ? &object.reply.get() : nullptr;
}

PyObject* root_of(PyObject* table) noexcept {
  TableObject& object = *as_table(table);
  return object.root == nullptr ? table : object.root;
}

PyObject* table_asdict(PyObject* /*module*/, PyObject* table) {
  return plan_of_table(table) != nullptr ? asdict_method(table, nullptr)
                                         : raise_type(std::string("expected a Table, not ") + Py_TYPE(table)->tp_name);
}

PyObject* table_array(PyObject* /*module*/, PyObject* arguments) {
  PyObject* table = nullptr;
  PyObject* name = nullptr;
  PyObject* dtype = Py_None;
  if (PyArg_ParseTuple(arguments, "O!U|O:array", g_table_type, &table, &name, &dtype) == 0) {
    return nullptr;
  }
  return array_of(table, name, dtype);
}

Ref make_table_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(table_dealloc)},
      {Py_tp_getattro, reinterpret_cast<void*>(table_getattr)},
      {Py_tp_richcompare, reinterpret_cast<void*>(table_compare)},
      {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
      {Py_tp_repr, reinterpret_cast<void*>(table_repr)},
      {Py_tp_iter, reinterpret_cast<void*>(table_iter)},
      {Py_mp_length, reinterpret_cast<void*>(table_length)},
      {Py_mp_subscript, reinterpret_cast<void*>(table_subscript)},
      {Py_sq_contains, reinterpret_cast<void*>(table_contains)},
      {Py_nb_bool, reinterpret_cast<void*>(table_bool)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(table_buffer)},
      {Py_tp_methods, table_methods},
      {Py_tp_getset, table_properties},
      {Py_tp_doc,
       const_cast<char*>("A result: its fields are attributes and items, read where they lie. Absent strings, "
                         "tables and vectors are None; numbers have the defaults of the schema. A field "
                         "hides a method of its name; tenon.asdict and tenon.array work in any case.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Table", sizeof(TableObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_MAPPING | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_table_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

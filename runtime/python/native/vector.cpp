#include "python/native/vector.hpp"

#include "python/native/errors.hpp"
#include "python/native/plain.hpp"
#include "python/native/table.hpp"
#include "schema/buffer_view.hpp"

namespace tenon::python {

using internal::BaseType;
using internal::TypeRef;

namespace {

/// Number of items that repr() shows.
constexpr Py_ssize_t kShownItems = 6;

PyTypeObject* g_vector_type = nullptr;

VectorObject* vector_at(PyObject* object) {
  return reinterpret_cast<VectorObject*>(object);
}

void vector_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  Py_DECREF(vector_at(self)->root);
  Py_DECREF(vector_at(self)->schema);
  type->tp_free(self);
  Py_DECREF(type);
}

Py_ssize_t vector_length(PyObject* self) {
  return vector_at(self)->count;
}

PyObject* vector_item(PyObject* self, Py_ssize_t i) {
  return guarded([&]() -> PyObject* {
    const VectorObject& vector = *vector_at(self);
    if (i < 0 || i >= vector.count) {
      PyErr_SetString(PyExc_IndexError, "index out of range");
      return nullptr;
    }
    const std::uint8_t* const at = vector.items + i * vector.item_bytes;
    return vector.tags == nullptr ? read_value(vector.root, *vector.plan, vector.item, at)
                                  : read_member(vector.root, *vector.plan, vector.item, vector.tags[i], at);
  });
}

PyObject* vector_subscript(PyObject* self, PyObject* key) {
  const Py_ssize_t count = vector_at(self)->count;
  if (!PySlice_Check(key)) {
    const Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred() != nullptr) {
      return nullptr;
    }
    return vector_item(self, i < 0 ? i + count : i);
  }
  Py_ssize_t start = 0;
  Py_ssize_t stop = 0;
  Py_ssize_t step = 0;
  if (PySlice_Unpack(key, &start, &stop, &step) != 0) {
    return nullptr;
  }
  const Py_ssize_t length = PySlice_AdjustIndices(count, &start, &stop, step);
  Ref list = Ref::steal(PyList_New(length));
  for (Py_ssize_t i = 0; list && i < length; ++i) {
    PyObject* const item = vector_item(self, start + i * step);
    if (item == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(list.get(), i, item);
  }
  return list.release();
}

PyObject* vector_compare(PyObject* self, PyObject* other, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) ||
      (as_vector(other) == nullptr && !PyList_Check(other) && !PyTuple_Check(other))) {
    Py_RETURN_NOTIMPLEMENTED;
  }
  const Py_ssize_t count = vector_at(self)->count;
  bool equal = PySequence_Size(other) == count;
  for (Py_ssize_t i = 0; equal && i < count; ++i) {
    const Ref mine = Ref::steal(vector_item(self, i));
    const Ref theirs = mine ? Ref::steal(PySequence_GetItem(other, i)) : Ref();
    const int same = theirs ? PyObject_RichCompareBool(mine.get(), theirs.get(), Py_EQ) : -1;
    if (same < 0) {
      return nullptr;
    }
    equal = same == 1;
  }
  return PyBool_FromLong(equal == (operation == Py_EQ));
}

PyObject* vector_repr(PyObject* self) {
  const Py_ssize_t count = vector_at(self)->count;
  const Ref slice = Ref::steal(PySequence_GetSlice(self, 0, std::min(count, kShownItems)));
  if (!slice || count <= kShownItems) {
    return slice ? PyObject_Repr(slice.get()) : nullptr;
  }
  const Ref text = Ref::steal(PyObject_Repr(slice.get()));
  const Ref shown = text ? Ref::steal(PyUnicode_Substring(text.get(), 0, PyUnicode_GET_LENGTH(text.get()) - 1)) : Ref();
  return shown ? PyUnicode_FromFormat("%U, ... %zd in all]", shown.get(), count) : nullptr;
}

PyObject* vector_tolist(PyObject* self, PyObject* /*none*/) {
  std::size_t budget_bytes = static_cast<std::size_t>(PY_SSIZE_T_MAX);
  return guarded([&]() -> PyObject* { return plain(self, budget_bytes); });
}

int vector_buffer(PyObject* self, Py_buffer* view, int flags) {
  VectorObject& vector = *vector_at(self);
  const bool is_struct = vector.item.base == BaseType::kObject && vector.plan->model().object(vector.item).is_struct;
  view->obj = nullptr;
  if (!is_struct && !internal::is_scalar(vector.item.base)) {
    PyErr_SetString(PyExc_BufferError, "only vectors of numbers and of structs are buffers");
    return -1;
  }
  if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE) {
    PyErr_SetString(PyExc_BufferError, "a result cannot be written; copy it first");
    return -1;
  }
  static char formats[][2] = {"?", "b", "h", "H", "i", "I", "q", "Q", "f", "d", "B"};
  char* format = formats[10];
  if (is_struct) {
    const ObjectPlan* const plan = vector.plan->object(vector.plan->model().object(vector.item));
    if (plan == nullptr) {
      return -1;
    }
    format = const_cast<char*>(plan->format.c_str());  // The format lives as long as the schema.
  } else {
    for (auto& candidate : formats) {
      if (candidate[0] == format_letter(vector.item.base)) {
        format = candidate;
      }
    }
  }
  view->buf = const_cast<std::uint8_t*>(vector.items);
  view->obj = Py_NewRef(self);
  view->len = vector.count * vector.item_bytes;
  view->readonly = 1;
  view->itemsize = vector.item_bytes;
  view->format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? format : nullptr;
  view->ndim = 1;
  view->shape = (flags & PyBUF_ND) == PyBUF_ND ? &vector.count : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &vector.item_bytes : nullptr;
  view->suboffsets = nullptr;
  view->internal = nullptr;
  return 0;
}

PyMethodDef vector_methods[] = {
    {"tolist", vector_tolist, METH_NOARGS, "tolist($self, /)\n--\n\nA list of the items, with tables as dicts."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyObject* make_vector(PyObject* parent, SchemaPlan& schema, const TypeRef& item, const std::uint8_t* items,
                      Py_ssize_t count, const std::uint8_t* tags) {
  PyObject* const self = g_vector_type->tp_alloc(g_vector_type, 0);
  if (self == nullptr) {
    return nullptr;
  }
  VectorObject& vector = *vector_at(self);
  vector.root = Py_NewRef(root_of(parent));
  vector.schema = Py_NewRef(reinterpret_cast<TableObject*>(vector.root)->schema);
  vector.plan = &schema;
  vector.item = item;
  vector.items = items;
  vector.tags = tags;
  vector.count = count;
  const std::uint32_t scalar_bytes = internal::scalar_size_bytes(item.base);
  const bool is_struct = item.base == BaseType::kObject && schema.model().object(item).is_struct;
  vector.item_bytes = scalar_bytes != 0 ? scalar_bytes : is_struct ? schema.model().object(item).size_bytes : 4;
  return self;
}

const VectorObject* as_vector(PyObject* object) noexcept {
  return Py_TYPE(object) == g_vector_type ? vector_at(object) : nullptr;
}

Ref make_vector_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(vector_dealloc)},
      {Py_sq_length, reinterpret_cast<void*>(vector_length)},
      {Py_sq_item, reinterpret_cast<void*>(vector_item)},
      {Py_mp_length, reinterpret_cast<void*>(vector_length)},
      {Py_mp_subscript, reinterpret_cast<void*>(vector_subscript)},
      {Py_tp_richcompare, reinterpret_cast<void*>(vector_compare)},
      {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
      {Py_tp_repr, reinterpret_cast<void*>(vector_repr)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(vector_buffer)},
      {Py_tp_methods, vector_methods},
      {Py_tp_doc, const_cast<char*>("A vector of a result: a sequence whose items are made when they are read.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Vector", sizeof(VectorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_vector_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

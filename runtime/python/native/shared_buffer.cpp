#include "python/native/shared_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "python/native/errors.hpp"

namespace tenon::python {
namespace {

/// Smaller arguments are sent differently, with a copy in any case.
constexpr std::size_t kLeastSharedBytes = std::size_t{64} << 10;

PyTypeObject* g_shared_buffer_type = nullptr;

/// All unused buffers by the start of their memory, because a numpy array does not reveal what it is a view of. With
/// the GIL.
std::map<const void*, SharedBufferObject*>& unused_buffers() {
  static auto* const buffers = new std::map<const void*, SharedBufferObject*>();  // Never destroyed.
  return *buffers;
}

SharedBufferObject* as_buffer(PyObject* object) {
  return reinterpret_cast<SharedBufferObject*>(object);
}

void shared_buffer_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  set_unused(*as_buffer(self), false);
  as_buffer(self)->state.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

int shared_buffer_get(PyObject* self, Py_buffer* view, int flags) {
  const SharedBufferObject& buffer = *as_buffer(self);
  return PyBuffer_FillInfo(view, self, buffer.data, buffer.size_bytes, 0, flags);
}

PyObject* shared_buffer_used(PyObject* self, void* /*closure*/) {
  auto& state = as_buffer(self)->state;
  return PyBool_FromLong(!state.usable() || !state->builder);
}

PyGetSetDef shared_buffer_properties[] = {
    {"used", shared_buffer_used, nullptr, "Whether a call has used it, so that further ones copy.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

SharedBufferObject* find_viewed(PyObject* value) noexcept {
  Py_buffer view;
  if (PyObject_GetBuffer(value, &view, PyBUF_FULL_RO) != 0) {
    PyErr_Clear();
    return nullptr;
  }
  const auto found = unused_buffers().find(view.buf);
  SharedBufferObject* buffer = found == unused_buffers().end() ? nullptr : found->second;
  if (buffer != nullptr && (view.len != buffer->size_bytes || view.itemsize != buffer->item_bytes ||
                            PyBuffer_IsContiguous(&view, 'C') == 0 || !buffer->state.usable())) {
    buffer = nullptr;
  }
  PyBuffer_Release(&view);
  return buffer;
}

}  // namespace

SharedBufferObject* find_shared_buffer(PyObject* value, int depth) noexcept {
  if (unused_buffers().empty()) {
    return nullptr;
  }
  if (PyDict_Check(value)) {
    PyObject* name = nullptr;
    PyObject* item = nullptr;
    for (Py_ssize_t at = 0; depth > 0 && PyDict_Next(value, &at, &name, &item) != 0;) {
      if (SharedBufferObject* const found = find_shared_buffer(item, depth - 1)) {
        return found;
      }
    }
    return nullptr;
  }
  const bool has_buffer = PyObject_CheckBuffer(value) != 0 && !PyBytes_Check(value);
  return has_buffer ? find_viewed(value) : nullptr;
}

void set_unused(SharedBufferObject& buffer, bool unused) {
  if (unused) {
    unused_buffers()[buffer.data] = &buffer;
  } else {
    unused_buffers().erase(buffer.data);
  }
}

namespace {

/// Makes the memory the last vector of an argument. False: the memory must stay separate.
bool place_in_argument(ArgumentBuilder& argument, std::size_t count, std::size_t size_bytes,
                       SharedBufferObject& buffer) {
  const MutableBytesView block = argument.bytes();
  constexpr std::size_t kAlignment = 16;
  // Memory whose end is not aligned would be copied when the argument is finished, and memory outside the block is
  // private.
  if (block.empty() || reinterpret_cast<std::uintptr_t>(block.data() + block.size()) % kAlignment != 0) {
    return false;
  }
  flatbuffers::FlatBufferBuilder& builder = argument.flatbuffer();
  builder.ForceVectorAlignment(size_bytes, 1, kAlignment);
  std::uint8_t* data = nullptr;
  buffer.offset = builder.CreateUninitializedVector<std::uint8_t>(size_bytes, &data).o;
  // The builder counted bytes.
  flatbuffers::WriteScalar(builder.GetCurrentBufferPointer(), static_cast<flatbuffers::uoffset_t>(count));
  if (data < block.data() || data + size_bytes > block.data() + block.size()) {
    return false;
  }
  buffer.data = data;
  return true;
}

}  // namespace

PyObject* make_shared_buffer(Runtime& runtime, std::size_t count, std::size_t item_bytes) {
  const std::size_t size_bytes = count * item_bytes;
  Ref self = Ref::steal(g_shared_buffer_type->tp_alloc(g_shared_buffer_type, 0));
  if (!self) {
    return nullptr;
  }
  SharedBufferObject& buffer = *as_buffer(self.get());
  new (&buffer.state) ProcessBound<SharedBufferObject::State>();
  buffer.size_bytes = static_cast<Py_ssize_t>(size_bytes);
  buffer.item_bytes = static_cast<Py_ssize_t>(item_bytes);
  if (size_bytes >= kLeastSharedBytes) {
    auto argument = runtime.build_argument(size_bytes + kSharedBufferReserveBytes);
    if (argument && place_in_argument(*argument, count, size_bytes, buffer)) {
      std::memset(buffer.data, 0, size_bytes);  // Clears the data of earlier calls.
      buffer.state->builder.emplace(std::move(*argument));
      set_unused(buffer, true);
      return self.release();
    }
  }
  buffer.state->own.resize(std::max<std::size_t>(size_bytes, 1));
  buffer.data = buffer.state->own.data();
  return self.release();
}

Ref make_shared_buffer_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(shared_buffer_dealloc)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(shared_buffer_get)},
      {Py_tp_getset, shared_buffer_properties},
      {Py_tp_doc, const_cast<char*>("Memory that a caller fills and workers read.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.SharedBuffer", sizeof(SharedBufferObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_shared_buffer_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

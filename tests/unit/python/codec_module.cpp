#include "codec_module.hpp"

#include <vector>

#include "python/codec/decoder.hpp"
#include "python/codec/encoder.hpp"

namespace tenon::test {
namespace {

using python::BufferSource;
using python::BufferView;
using python::Decoder;
using python::Encoder;
using python::ObjectVector;
using python::Ref;

PyObject* as_bytes(std::span<const std::uint8_t> bytes) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()));
}

PyObject* encode(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"object", "out_of_band_min", "name", nullptr};
  PyObject* object = nullptr;
  Py_ssize_t out_of_band_min = 4096;
  const char* name = "value";
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "O|ns", const_cast<char**>(names), &object, &out_of_band_min, &name) ==
      0) {
    return nullptr;
  }
  Encoder encoder(static_cast<std::size_t>(out_of_band_min));
  if (!encoder.encode(object, name)) {
    return nullptr;
  }
  Ref buffers(PyList_New(0));
  for (std::size_t i = 0; i < encoder.buffers().size(); ++i) {
    const Ref one(as_bytes(encoder.buffers()[i]));
    if (!one || PyList_Append(buffers.get(), one.get()) < 0) {
      return nullptr;
    }
  }
  return Py_BuildValue("NN", as_bytes(encoder.bytes()), buffers.release());
}

PyObject* decode(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"data", "buffers", "shared", nullptr};
  PyObject* data = nullptr;
  PyObject* buffer_list = nullptr;
  int shared = 0;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "O|Op", const_cast<char**>(names), &data, &buffer_list, &shared) == 0) {
    return nullptr;
  }
  BufferView view;
  if (!view.take(data, PyBUF_SIMPLE)) {
    return nullptr;
  }
  std::vector<std::span<const std::uint8_t>> buffers;
  Ref owner;
  if (buffer_list != nullptr) {
    // All buffers are in one block, as in a reply.
    const Ref empty(PyBytes_FromStringAndSize(nullptr, 0));
    owner = Ref(PyObject_CallMethod(empty.get(), "join", "O", buffer_list));
    if (!owner) {
      return nullptr;
    }
    const auto* at = reinterpret_cast<const std::uint8_t*>(PyBytes_AS_STRING(owner.get()));
    const Py_ssize_t count = PySequence_Size(buffer_list);
    for (Py_ssize_t i = 0; i < count; ++i) {
      const Ref one(PySequence_GetItem(buffer_list, i));
      const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(one.get()));
      buffers.emplace_back(at, size);
      at += size;
    }
  }
  Decoder decoder({static_cast<const std::uint8_t*>(view->buf), static_cast<std::size_t>(view->len)},
                  BufferSource{buffers, shared != 0 ? owner.get() : nullptr});
  return decoder.decode();
}

PyObject* encode_arguments(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Encoder encoder;
  if (!encoder.encode_arguments(args, static_cast<std::size_t>(count))) {
    return nullptr;
  }
  Ref positional(as_bytes(encoder.bytes()));
  Ref keywords = Ref::share(Py_None);
  if (names != nullptr) {
    if (!encoder.encode_keywords(args + count, names)) {
      return nullptr;
    }
    keywords = Ref(as_bytes(encoder.bytes()));
  }
  return Py_BuildValue("NN", positional.release(), keywords.release());
}

PyObject* as_tuple(const ObjectVector& objects) {
  Ref tuple(PyTuple_New(static_cast<Py_ssize_t>(objects.size())));
  for (std::size_t i = 0; tuple && i < objects.size(); ++i) {
    Py_INCREF(objects.data()[i]);
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), objects.data()[i]);
  }
  return tuple.release();
}

Decoder decoder_of(const BufferView& view) {
  return Decoder({static_cast<const std::uint8_t*>(view->buf), static_cast<std::size_t>(view->len)});
}

PyObject* decode_arguments(PyObject*, PyObject* data) {
  BufferView view;
  if (!view.take(data, PyBUF_SIMPLE)) {
    return nullptr;
  }
  Decoder decoder = decoder_of(view);
  ObjectVector arguments;
  return decoder.decode_arguments(arguments) ? as_tuple(arguments) : nullptr;
}

PyObject* encode_many(PyObject*, PyObject* objects) {
  Encoder encoder;
  const Ref iterator(PyObject_GetIter(objects));
  if (!iterator || !encoder.begin_vector()) {
    return nullptr;
  }
  while (const Ref one{PyIter_Next(iterator.get())}) {
    const bool call = PyTuple_CheckExact(one.get());
    if (!(call ? encoder.encode_element_arguments(&PyTuple_GET_ITEM(one.get(), 0),
                                                  static_cast<std::size_t>(PyTuple_GET_SIZE(one.get())))
               : encoder.encode_element(one.get(), "value"))) {
      // A failed element leaves nothing behind; the next elements can still be encoded.
      if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) {
        return nullptr;
      }
      PyErr_Clear();
    }
  }
  if (PyErr_Occurred() != nullptr || !encoder.end_vector()) {
    return nullptr;
  }
  return as_bytes(encoder.bytes());
}

PyObject* decode_calls(PyObject*, PyObject* data) {
  BufferView view;
  if (!view.take(data, PyBUF_SIMPLE)) {
    return nullptr;
  }
  Decoder decoder = decoder_of(view);
  std::size_t count = 0;
  if (!decoder.open_calls(count)) {
    return nullptr;
  }
  Ref list(PyList_New(0));
  for (std::size_t i = 0; i < count; ++i) {
    ObjectVector arguments;
    const Ref tuple(decoder.decode_call(i, arguments) ? as_tuple(arguments) : nullptr);
    if (!tuple || PyList_Append(list.get(), tuple.get()) < 0) {
      return nullptr;
    }
  }
  return list.release();
}

template <typename Function>
PyCFunction as_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyObject* make_codec_module() {
  static PyMethodDef methods[] = {
      {"encode", as_function(&encode), METH_VARARGS | METH_KEYWORDS, nullptr},
      {"decode", as_function(&decode), METH_VARARGS | METH_KEYWORDS, nullptr},
      {"encode_arguments", as_function(&encode_arguments), METH_FASTCALL | METH_KEYWORDS, nullptr},
      {"decode_arguments", &decode_arguments, METH_O, nullptr},
      {"encode_many", &encode_many, METH_O, nullptr},
      {"decode_calls", &decode_calls, METH_O, nullptr},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyModuleDef module = {
      PyModuleDef_HEAD_INIT, "_codec_test", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&module);
}

}  // namespace tenon::test

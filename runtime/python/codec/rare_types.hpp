/// python/codec/rare_types.hpp: the Python half of the codec, and types of modules that may never be imported.
#pragma once

#include "python/codec/python_api.hpp"

namespace tenon::python {

/// The objects of Python modules that the codec needs, looked up at first use: a program without arrays never imports
/// numpy, and one without dates never imports datetime. There is one instance per process, because only one interpreter
/// of a process uses the codec. All results are borrowed references, valid until the process exits. Used with the GIL
/// held.
class RareTypes {
 public:
  static RareTypes& instance();

  /// `tenon._codec.encode(object)`: a tuple of a tag and its elements. Null with an exception if the package cannot be
  /// imported.
  PyObject* encode_function();
  /// `tenon._codec.decode(tag, elements)`.
  PyObject* decode_function();
  /// `tenon._codec.Refused`, which encode_function raises for objects that are not data.
  PyObject* refused_type();
  /// `tenon._codec.dtype_to_data(dtype)` and its inverse.
  PyObject* dtype_to_data_function();
  PyObject* dtype_from_data_function();

  /// Whether `type` is numpy.ndarray itself; never imports numpy, because without it there is no such object.
  bool is_ndarray(PyTypeObject* type);
  /// Whether `type` is array.array itself.
  bool is_array(PyTypeObject* type);

  /// `numpy.empty`, `numpy.ndarray` and `numpy.dtype`; import numpy. Null with an exception that says how to install
  /// it.
  PyObject* numpy_empty();
  PyObject* numpy_ndarray();
  PyObject* numpy_dtype();
  PyObject* array_type();

 private:
  bool load_codec();
  bool load_numpy();
  static PyObject* loaded_attribute(const char* module, const char* name);

  PyObject* encode_ = nullptr;
  PyObject* decode_ = nullptr;
  PyObject* refused_ = nullptr;
  PyObject* dtype_to_data_ = nullptr;
  PyObject* dtype_from_data_ = nullptr;
  PyObject* ndarray_ = nullptr;
  PyObject* dtype_ = nullptr;
  PyObject* empty_ = nullptr;
  PyObject* array_ = nullptr;
};

}  // namespace tenon::python

#include "python/codec/rare_types.hpp"

#include <cstring>

namespace tenon::python {

RareTypes& RareTypes::instance() {
  // Never destroyed: when the process exits, the interpreter may be gone before this object.
  static RareTypes* const kInstance = new RareTypes();
  return *kInstance;
}

bool RareTypes::load_codec() {
  if (decode_ != nullptr) {
    return true;
  }
  const Ref module(PyImport_ImportModule("tenon._codec"));
  if (!module) {
    return false;
  }
  const auto take = [&module](const char* name, PyObject*& into) {
    Ref found(PyObject_GetAttrString(module.get(), name));
    if (found && into == nullptr) {
      into = found.release();
    }
    return into != nullptr;
  };
  // `decode` is last: if it is set, all are set.
  return take("encode", encode_) && take("Refused", refused_) && take("dtype_to_data", dtype_to_data_) &&
         take("dtype_from_data", dtype_from_data_) && take("decode", decode_);
}

PyObject* RareTypes::encode_function() {
  return load_codec() ? encode_ : nullptr;
}
PyObject* RareTypes::decode_function() {
  return load_codec() ? decode_ : nullptr;
}
PyObject* RareTypes::refused_type() {
  return load_codec() ? refused_ : nullptr;
}
PyObject* RareTypes::dtype_to_data_function() {
  return load_codec() ? dtype_to_data_ : nullptr;
}
PyObject* RareTypes::dtype_from_data_function() {
  return load_codec() ? dtype_from_data_ : nullptr;
}

PyObject* RareTypes::loaded_attribute(const char* module, const char* name) {
  PyObject* const found = PyDict_GetItemString(PyImport_GetModuleDict(), module);
  PyObject* const attribute = found != nullptr ? PyObject_GetAttrString(found, name) : nullptr;
  PyErr_Clear();
  return attribute;
}

bool RareTypes::is_ndarray(PyTypeObject* type) {
  if (ndarray_ == nullptr) {
    if (std::strcmp(type->tp_name, "numpy.ndarray") != 0) {
      return false;
    }
    ndarray_ = loaded_attribute("numpy", "ndarray");
  }
  return reinterpret_cast<PyObject*>(type) == ndarray_;
}

bool RareTypes::is_array(PyTypeObject* type) {
  if (array_ == nullptr) {
    if (std::strcmp(type->tp_name, "array.array") != 0) {
      return false;
    }
    array_ = loaded_attribute("array", "array");
  }
  return reinterpret_cast<PyObject*>(type) == array_;
}

bool RareTypes::load_numpy() {
  if (empty_ != nullptr) {
    return true;
  }
  const Ref numpy(PyImport_ImportModule("numpy"));
  if (!numpy) {
    if (PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
      PyErr_SetString(PyExc_ModuleNotFoundError,
                      "an array was sent to this process, which cannot import numpy; install numpy into its "
                      "environment (Debian: python3-numpy), or send the array's tolist()");
    }
    return false;
  }
  if (ndarray_ == nullptr) {
    ndarray_ = PyObject_GetAttrString(numpy.get(), "ndarray");
  }
  if (dtype_ == nullptr) {
    dtype_ = PyObject_GetAttrString(numpy.get(), "dtype");
  }
  if (ndarray_ != nullptr && dtype_ != nullptr) {
    empty_ = PyObject_GetAttrString(numpy.get(), "empty");
  }
  return empty_ != nullptr;
}

PyObject* RareTypes::numpy_empty() {
  return load_numpy() ? empty_ : nullptr;
}
PyObject* RareTypes::numpy_dtype() {
  return load_numpy() ? dtype_ : nullptr;
}
PyObject* RareTypes::numpy_ndarray() {
  return load_numpy() ? ndarray_ : nullptr;
}

PyObject* RareTypes::array_type() {
  if (array_ == nullptr) {
    const Ref module(PyImport_ImportModule("array"));
    array_ = module ? PyObject_GetAttrString(module.get(), "array") : nullptr;
  }
  return array_;
}

}  // namespace tenon::python

/// python/codec/python_api.hpp: Python's C API, included the same way everywhere, and an owning reference.
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
// Python.h comes before every standard header, as its documentation requires.
#include <Python.h>

#include <utility>

namespace tenon::python {

/// Owns one reference, or none. Move-only. The thread must hold the GIL whenever a Ref is created, moved or destroyed.
class Ref {
 public:
  Ref() noexcept = default;
  /// Takes over a new reference, as most functions of the C API return it; null holds none.
  explicit Ref(PyObject* object) noexcept : object_(object) {}
  /// The same, for places where the type's name does not show this.
  [[nodiscard]] static Ref steal(PyObject* object) noexcept { return Ref(object); }
  /// Adds a reference to an object that another owner keeps alive meanwhile; null holds none.
  [[nodiscard]] static Ref share(PyObject* object) noexcept {
    Py_XINCREF(object);
    return Ref(object);
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    // The old object is released last, because its destructor may run any code.
    PyObject* const old = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(old);
    return *this;
  }
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  ~Ref() { Py_XDECREF(object_); }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

/// Returns the current exception with its traceback and clears it; null if there is none.
[[nodiscard]] inline Ref take_exception() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  return Ref(PyErr_GetRaisedException());
#else
  PyObject* type = nullptr;
  PyObject* exception = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &exception, &traceback);
  if (type == nullptr) {
    return Ref();
  }
  PyErr_NormalizeException(&type, &exception, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(exception, traceback);
  }
  Py_DECREF(type);
  Py_XDECREF(traceback);
  return Ref(exception);
#endif
}

/// Sets an exception that take_exception returned; null sets none.
inline void restore_exception(Ref exception) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(exception.release());
#else
  if (PyObject* const object = exception.release()) {
    PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(object))), object, PyException_GetTraceback(object));
  }
#endif
}

/// The buffer of an object, released by the destructor. Used with the GIL held.
class BufferView {
 public:
  BufferView() noexcept = default;
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;
  ~BufferView() {
    if (held_) {
      PyBuffer_Release(&view_);
    }
  }

  /// Like PyObject_GetBuffer; false with an exception. Once.
  bool take(PyObject* object, int flags) {
    held_ = PyObject_GetBuffer(object, &view_, flags) == 0;
    return held_;
  }
  [[nodiscard]] const Py_buffer& operator*() const noexcept { return view_; }
  [[nodiscard]] const Py_buffer* operator->() const noexcept { return &view_; }
  /// Passes the view to the caller, who must release it.
  [[nodiscard]] Py_buffer release() noexcept {
    held_ = false;
    return view_;
  }

 private:
  Py_buffer view_;
  bool held_ = false;
};

}  // namespace tenon::python

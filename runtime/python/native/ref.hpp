/// python/native/ref.hpp: owned references to Python objects.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace tenon::python {

/// Owns one reference, or none. Move-only. The thread holds the GIL wherever one is made, copied or destroyed.
class Ref {
 public:
  Ref() noexcept = default;
  /// Takes over a new reference, as most functions of the C API return it; null holds none.
  [[nodiscard]] static Ref steal(PyObject* object) noexcept { return Ref(object); }
  /// A further reference to an object that someone else keeps alive meanwhile; null holds none.
  [[nodiscard]] static Ref share(PyObject* object) noexcept {
    Py_XINCREF(object);
    return Ref(object);
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    // The old object goes last: its destructor may run any code.
    PyObject* const old = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(old);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  /// Hands the reference over to the caller.
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  explicit Ref(PyObject* object) noexcept : object_(object) {}
  PyObject* object_ = nullptr;
};

}  // namespace tenon::python

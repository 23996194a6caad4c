/// python/native/gil.hpp: giving the GIL up while a thread waits, and taking it back.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace tenon::python {

/// Gives the GIL up from construction to destruction. Nothing of Python may be touched meanwhile.
class [[nodiscard]] WithoutGil {
 public:
  WithoutGil() noexcept : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() { take_back(); }

  /// Takes the GIL for a moment, for what has to be done in between.
  void take_back() noexcept;
  void give_up() noexcept { state_ = PyEval_SaveThread(); }

 private:
  PyThreadState* state_;
};

}  // namespace tenon::python

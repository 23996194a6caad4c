/// python/native/gil.hpp: releases the GIL while a thread waits, and takes it back.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace tenon::python {

/// Releases the GIL from construction to destruction. No Python object may be used meanwhile.
class [[nodiscard]] WithoutGil {
 public:
  WithoutGil() noexcept : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() { take_back(); }

  /// Takes the GIL back early, for work that needs it.
  void take_back() noexcept;
  void give_up() noexcept { state_ = PyEval_SaveThread(); }

 private:
  PyThreadState* state_;
};

}  // namespace tenon::python

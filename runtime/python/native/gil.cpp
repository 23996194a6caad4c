#include "python/native/gil.hpp"

#include <cxxabi.h>

#include <chrono>
#include <thread>
#include <utility>

namespace tenon::python {

void WithoutGil::take_back() noexcept {
  if (state_ == nullptr) {
    return;
  }
  try {
    PyEval_RestoreThread(std::exchange(state_, nullptr));
  } catch (abi::__forced_unwind&) {
    // Until Python 3.13, an interpreter that is exiting ends each other thread that asks for the GIL. The destructors
    // of the frames above would then run without the GIL, so the thread sleeps until the process is gone, as it does
    // from Python 3.14 on.
    for (;;) {
      std::this_thread::sleep_for(std::chrono::hours(24));
    }
  }
}

}  // namespace tenon::python

/// host.hpp: the interpreter of this process, shared by all Python plugins of its worker.
///
/// Each plugin has its own copy of this code. The first one starts Python and stores a table of
/// functions in the module `_tenon_worker`; later ones use that table.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstdint>
#include <string>

#include <tenon/plugin.h>

#include "start.hpp"

namespace py {

/// The functions that plugins share. Grows only at its end: plugins of several versions share it.
struct SharedHost {
  std::uint32_t size_bytes;
  /// The interpreter's file, as named in the first plugin's settings.
  const char* executable;
  /// A plugin starts or stops using the interpreter; the last one stops the background threads.
  /// Needs the GIL.
  void (*join)();
  void (*leave)();
  /// Makes a call the running one (null for none) and returns the previous one. On the task thread,
  /// with the GIL.
  tenon_call_t* (*enter)(tenon_call_t* call);
  /// Forwards Python's `logging` to the host's log once that module has been imported. With the
  /// GIL.
  void (*connect_logging)(const char* level);
};

/// A plugin's handle to the interpreter. Used on the task thread.
class Host {
 public:
  /// Starts Python, or joins a running one. The GIL is released afterwards. Throws
  /// tenon::TaskError: errors of start_python; TENON_INCOMPATIBLE if another plugin of this worker
  /// has started another Python than `options` names.
  Host(const StartOptions& options, const tenon_worker_t* worker);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  /// Holds the GIL during its lifetime. The task thread is Python's main thread.
  class WithGil {
   public:
    WithGil() noexcept : state_(PyGILState_Ensure()) {}
    WithGil(const WithGil&) = delete;
    WithGil& operator=(const WithGil&) = delete;
    ~WithGil() { PyGILState_Release(state_); }

   private:
    PyGILState_STATE state_;
  };

  /// Marks a call as the running one during its lifetime: a task may call another one, which runs
  /// inside it.
  class Running {
   public:
    Running(const Host& host, tenon_call_t* call) : shared_(*host.shared_), outer_(shared_.enter(call)) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { shared_.enter(outer_); }

   private:
    const SharedHost& shared_;
    tenon_call_t* outer_;
  };

  void connect_logging() const { shared_->connect_logging(log_level_.c_str()); }

 private:
  const SharedHost* shared_ = nullptr;
  std::string log_level_;
};

/// The traceback of the pending exception, which is cleared. Needs the GIL.
std::string take_traceback();

/// Whether the exception's class stands for cancellation or a passed deadline. Needs the GIL; no
/// exception is pending.
bool is_about_stopping(PyObject* type);

}  // namespace py

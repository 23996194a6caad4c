/// host.hpp: the interpreter of this process, which all plugins in Python share that its worker runs.
///
/// Each plugin has its own copy of this code. The first one starts Python and leaves a table of functions in the module
/// `_tenon_worker`; those that come later use that table.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstdint>
#include <string>

#include <tenon/plugin.h>

#include "start.hpp"

namespace py {

/// What plugins share. Only ever grows at its end: plugins of several versions meet on it.
struct SharedHost {
  std::uint32_t size_bytes;
  /// The interpreter's file, as the first plugin's settings named it.
  const char* executable;
  /// One more plugin uses the interpreter, and one less; the last one stops what runs beside it. With the GIL.
  void (*join)();
  void (*leave)();
  /// Makes a call the running one, null for none, and returns the one before. On the task thread, with the GIL.
  tenon_call_t* (*enter)(tenon_call_t* call);
  /// Passes what `logging` gets to the host's log, once that module has been imported. With the GIL.
  void (*connect_logging)(const char* level);
};

/// A plugin's hold on the interpreter. On the task thread.
class Host {
 public:
  /// Starts Python, or joins the one that runs. The GIL is free afterwards. Throws tenon::TaskError: what start_python
  /// throws; TENON_INCOMPATIBLE when another plugin of this worker has started another Python than `options` names.
  Host(const StartOptions& options, const tenon_worker_t* worker);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  /// Holds the GIL as long as it lives. The task thread is Python's main thread.
  class WithGil {
   public:
    WithGil() noexcept : state_(PyGILState_Ensure()) {}
    WithGil(const WithGil&) = delete;
    WithGil& operator=(const WithGil&) = delete;
    ~WithGil() { PyGILState_Release(state_); }

   private:
    PyGILState_STATE state_;
  };

  /// Marks a call as the running one as long as it lives: a task may call another one, which runs inside it.
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

/// The traceback of the exception that is set, which is cleared. With the GIL.
std::string take_traceback();

/// Whether the exception's class says that the call was cancelled or is late. With the GIL; no exception is set.
bool is_about_stopping(PyObject* type);

}  // namespace py

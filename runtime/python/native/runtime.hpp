/// python/native/runtime.hpp: the type `Runtime` of the module, over tenon::Runtime.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include <tenon/runtime.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// Counts the events of a runtime, so that a thread can wait for the next. [any-thread]
struct EventCount {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t events = 0;  ///< Guarded by the mutex.
  bool ended = false;        ///< The same.
};

/// A started runtime with what belongs to it, none of it Python's. Shared by the Python object and by threads that shut
/// it down.
struct RuntimeCore {
  explicit RuntimeCore(Runtime started, bool blocks_when_full);
  RuntimeCore(const RuntimeCore&) = delete;
  RuntimeCore& operator=(const RuntimeCore&) = delete;
  void shutdown(Shutdown how);

  const bool blocks;  ///< Calls wait for room in the queue; false: they are rejected.
  // Relaxed: it is a hint, and the runtime itself refuses calls after its end.
  std::atomic<bool> closed{false};
  // Rises with each change of the catalog. Relaxed: a plan that is late by one change is still right for its result.
  std::atomic<std::uint64_t> catalog_version{0};
  EventCount events;
  Runtime runtime;
  EventSubscription subscription;  // Last: it ends first.
};

/// The Python object. `core` is null until __init__ has succeeded; it stays when the runtime has been closed, which
/// refuses calls by itself.
struct RuntimeObject {
  PyObject ob_base;
  PyObject* weak_references;
  PyObject* plans;  ///< dict: task's name to its plan.
  ProcessBound<std::shared_ptr<RuntimeCore>> core;
};

[[nodiscard]] inline RuntimeObject* as_runtime(PyObject* object) noexcept {
  return reinterpret_cast<RuntimeObject*>(object);
}
/// The runtime behind a Python object, for a call. Null with an exception set: it was never started, or belongs to the
/// process that this one was forked from.
[[nodiscard]] RuntimeCore* usable_core(PyObject* runtime);
/// The plan of a task, current as far as is known. Borrowed from the runtime; null with an exception set.
[[nodiscard]] PyObject* plan_for(PyObject* runtime, RuntimeCore& core, PyObject* name);

/// The class that `submit` returns objects of; it derives from the module's Future.
void set_future_class(PyObject* type);

// Methods of the type, by file.
extern PyMethodDef runtime_call_methods[];     // runtime_calls.cpp
extern PyMethodDef runtime_catalog_methods[];  // runtime_catalog.cpp
extern PyMethodDef runtime_session_methods[];  // runtime_sessions.cpp
extern PyMethodDef runtime_swap_methods[];     // runtime_swap.cpp

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_runtime_type(PyObject* module);

}  // namespace tenon::python

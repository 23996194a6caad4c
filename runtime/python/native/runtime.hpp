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

/// Counts the events of a runtime, so that a thread can wait for the next one. [any-thread]
struct EventCount {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t events = 0;  ///< Guarded by the mutex.
  bool ended = false;        ///< Guarded by the mutex.
};

/// A started runtime with the objects that belong to it; none of them are Python objects. Shared by the Python object
/// and by threads that shut it down.
struct RuntimeCore {
  explicit RuntimeCore(Runtime started, bool blocks_when_full);
  RuntimeCore(const RuntimeCore&) = delete;
  RuntimeCore& operator=(const RuntimeCore&) = delete;
  void shutdown(Shutdown how);

  const bool blocks;  ///< Whether calls wait for room in the queue; otherwise they are rejected.
  // Relaxed: this is a hint, and a runtime refuses calls after it has ended.
  std::atomic<bool> closed{false};
  // Increases with each change of the catalog. Relaxed: a plan that is one change behind is still correct for its
  // result.
  std::atomic<std::uint64_t> catalog_version{0};
  EventCount events;
  Runtime runtime;
  EventSubscription subscription;  // Last, so that it ends first.
};

/// The Python object. `core` is null until __init__ has succeeded; it stays after the runtime has been closed, because
/// a closed runtime refuses calls itself.
struct RuntimeObject {
  PyObject ob_base;
  PyObject* weak_references;
  PyObject* plans;  ///< dict: maps a task's name to its plan.
  ProcessBound<std::shared_ptr<RuntimeCore>> core;
};

[[nodiscard]] inline RuntimeObject* as_runtime(PyObject* object) noexcept {
  return reinterpret_cast<RuntimeObject*>(object);
}
/// The runtime of a Python object, for a call. Null with an exception set: it was never started, or it belongs to the
/// process from which this one was forked.
[[nodiscard]] RuntimeCore* usable_core(PyObject* runtime);
/// The plan of a task, as current as is known. Borrowed from the runtime; null with an exception set.
[[nodiscard]] PyObject* plan_for(PyObject* runtime, RuntimeCore& core, PyObject* name);

/// Sets the class of the objects that `submit` returns; it derives from the module's Future.
void set_future_class(PyObject* type);

// Methods of the type, by file.
extern PyMethodDef runtime_call_methods[];     // runtime_calls.cpp
extern PyMethodDef runtime_catalog_methods[];  // runtime_catalog.cpp
extern PyMethodDef runtime_session_methods[];  // runtime_sessions.cpp
extern PyMethodDef runtime_swap_methods[];     // runtime_swap.cpp

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_runtime_type(PyObject* module);

}  // namespace tenon::python

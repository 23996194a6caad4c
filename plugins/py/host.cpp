#include "host.hpp"

#include <atomic>

#include <tenon/plugin.hpp>

#include "current_call.hpp"
#include "worker_module.hpp"

namespace py {

using tenon::TaskError;
using tenon::python::Ref;

namespace {

constexpr const char* kCapsule = "_tenon_worker._shared";

/// Objects that exist once per process, in the plugin that started Python. Never destroyed, because
/// other plugins use them.
struct Own {
  CurrentCall current;
  const tenon_worker_t* worker = nullptr;
  std::string executable;
  SharedHost shared{};
  int users = 0;
  bool logging_connected = false;
};
Own* g_own = nullptr;

void join() {
  if (g_own->users++ == 0) {
    // The only plugin so far may have failed to start.
    g_own->current.resume();
  }
}

void leave() {
  if (--g_own->users > 0) {
    return;
  }
  {
    // The watcher does not take the GIL, but it may be about to interrupt a call; none is running.
    PyThreadState* const detached = PyEval_SaveThread();
    g_own->current.stop();
    PyEval_RestoreThread(detached);
  }
  // Functions registered with atexit still run; everything else ends with the process. Python is
  // never finalized: extension modules often crash then.
  const Ref atexit(PyImport_ImportModule("atexit"));
  const Ref done(atexit ? PyObject_CallMethod(atexit.get(), "_run_exitfuncs", nullptr) : nullptr);
  if (!done) {
    PyErr_Print();
  }
}

tenon_call_t* enter(tenon_call_t* call) {
  return g_own->current.exchange(call);
}

void connect_logging(const char* level) {
  if (g_own->logging_connected || PyDict_GetItemString(PyImport_GetModuleDict(), "logging") == nullptr) {
    return;
  }
  g_own->logging_connected = true;
  const Ref logs(PyImport_ImportModule("tenon._task_log"));
  const Ref connected(logs ? PyObject_CallMethod(logs.get(), "connect", "s", level) : nullptr);
  if (!connected) {
    g_own->worker->log(g_own->worker, TENON_LOG_WARNING,
                       ("logging of tasks does not reach the host: " + take_traceback()).c_str());
  }
}

/// Starts Python. The caller holds the GIL afterwards.
const SharedHost* start(const StartOptions& options, const tenon_worker_t* worker) {
  g_own = new Own;
  g_own->worker = worker;
  bind_worker_module(&g_own->current, worker);
  g_own->executable = start_python(options);
  g_own->shared = {sizeof(SharedHost), g_own->executable.c_str(), &join, &leave, &enter, &connect_logging};
  const Ref module(PyImport_ImportModule("_tenon_worker"));
  const Ref capsule(PyCapsule_New(&g_own->shared, kCapsule, nullptr));
  if (!module || !capsule || PyObject_SetAttrString(module.get(), "_shared", capsule.get()) != 0 ||
      !g_own->current.start()) {
    throw TaskError(TENON_FAILED, "the worker's half of the package tenon cannot be set up:\n" + take_traceback());
  }
  return &g_own->shared;
}

const SharedHost* find_running(const StartOptions& options) {
  const auto* const shared = static_cast<const SharedHost*>(PyCapsule_Import(kCapsule, 0));
  if (shared == nullptr || shared->size_bytes < sizeof(SharedHost)) {
    PyErr_Clear();
    throw TaskError(TENON_UNSUPPORTED,
                    "another plugin of this worker has started Python in a way that cannot be shared; load one of the "
                    "two in a separate runtime, or build both with the same tenon");
  }
  const std::string wanted = resolved_executable(options);
  if (!options.executable.empty() && wanted != shared->executable) {
    throw TaskError(TENON_INCOMPATIBLE, std::string("this worker already runs Python as ") + shared->executable +
                                            " for another plugin, but this plugin's settings name " + wanted +
                                            "; name the same one for both, or use separate runtimes");
  }
  extend_path(options);
  return shared;
}

}  // namespace

Host::Host(const StartOptions& options, const tenon_worker_t* worker) : log_level_(options.log_level) {
  if (Py_IsInitialized() != 0) {
    const WithGil gil;
    shared_ = find_running(options);
    shared_->join();
    return;
  }
  struct FreeGil {
    ~FreeGil() {
      if (Py_IsInitialized() != 0) {
        PyEval_SaveThread();
      }
    }
  } free_gil;
  shared_ = start(options, worker);
  shared_->join();
}

Host::~Host() {
  const WithGil gil;
  shared_->leave();
}

bool is_about_stopping(PyObject* type) {
  const Ref errors(PyImport_ImportModule("tenon.errors"));
  const Ref cancelled(errors ? PyObject_GetAttrString(errors.get(), "Cancelled") : nullptr);
  const Ref late(errors ? PyObject_GetAttrString(errors.get(), "DeadlineExceeded") : nullptr);
  PyErr_Clear();
  return (cancelled && PyErr_GivenExceptionMatches(type, cancelled.get()) != 0) ||
         (late && PyErr_GivenExceptionMatches(type, late.get()) != 0);
}

std::string take_traceback() {
  const Ref error = tenon::python::take_exception();
  if (!error) {
    return "no exception";
  }
  const Ref module(PyImport_ImportModule("traceback"));
  const Ref lines(module ? PyObject_CallMethod(module.get(), "format_exception", "O", error.get()) : nullptr);
  const Ref empty(PyUnicode_FromString(""));
  const Ref text(lines && empty ? PyUnicode_Join(empty.get(), lines.get()) : nullptr);
  const Ref bytes(text ? PyUnicode_AsEncodedString(text.get(), "utf-8", "backslashreplace") : nullptr);
  PyErr_Clear();
  if (!bytes) {
    return Py_TYPE(error.get())->tp_name;
  }
  // A message is limited to 4096 bytes; the relevant part is at the end.
  constexpr std::size_t kMaxBytes = 3500;
  std::string copy(PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  return copy.size() <= kMaxBytes ? copy : "..." + copy.substr(copy.size() - kMaxBytes);
}

}  // namespace py

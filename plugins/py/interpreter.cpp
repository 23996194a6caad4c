#include "interpreter.hpp"

#include <cstdio>
#include <utility>

#include "py_generated.h"
#include "python/codec/decoder.hpp"
#include "start.hpp"
#include "worker_module.hpp"

namespace py {

using tenon::TaskError;
using tenon::python::Decoder;
using tenon::python::Encoder;
using tenon::python::ObjectVector;
using tenon::python::Ref;

namespace {

[[noreturn]] void fail_with_traceback(const std::string& what) {
  throw TaskError(TENON_FAILED, what + ":\n" + take_traceback());
}

}  // namespace

std::string take_traceback() {
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &error, &traceback);
  if (type == nullptr) {
    return "no exception";
  }
  PyErr_NormalizeException(&type, &error, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(error, traceback);
  }
  const Ref held_type(type);
  const Ref held_error(error);
  const Ref held_traceback(traceback);
  const Ref module(PyImport_ImportModule("traceback"));
  const Ref lines(module ? PyObject_CallMethod(module.get(), "format_exception", "O", error) : nullptr);
  const Ref empty(PyUnicode_FromString(""));
  const Ref text(lines && empty ? PyUnicode_Join(empty.get(), lines.get()) : nullptr);
  const Ref bytes(text ? PyUnicode_AsEncodedString(text.get(), "utf-8", "backslashreplace") : nullptr);
  PyErr_Clear();
  if (!bytes) {
    return Py_TYPE(error)->tp_name;
  }
  // A message holds 4096 bytes; what matters stands at the end.
  constexpr std::size_t kMaxBytes = 3500;
  std::string copy(PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  return copy.size() <= kMaxBytes ? copy : "..." + copy.substr(copy.size() - kMaxBytes);
}

Interpreter::Interpreter(const tenon::WorkerContext& worker) : worker_(worker) {
  bind_worker_module(this);
  try {
    const auto& settings = worker.settings<Settings>();
    start_python(settings);
    set_up(settings);
  } catch (const TaskError& error) {
    failure_ = error.what();
    worker.log(TENON_LOG_ERROR, failure_);
  }
  if (Py_IsInitialized() != 0) {
    detached_ = PyEval_SaveThread();
  }
}

void Interpreter::require_start() const {
  if (!failure_.empty()) {
    throw TaskError(TENON_UNAVAILABLE, failure_);
  }
}

Interpreter::~Interpreter() {
  current_.stop();
  if (detached_ == nullptr) {
    return;
  }
  PyEval_RestoreThread(detached_);
  // What tasks registered with atexit still runs; the rest goes with the process.
  const Ref atexit(PyImport_ImportModule("atexit"));
  const Ref done(atexit ? PyObject_CallMethod(atexit.get(), "_run_exitfuncs", nullptr) : nullptr);
  if (!done) {
    PyErr_Print();
  }
  for (auto& [name, function] : functions_) {
    Py_DECREF(function);
  }
  idle_encoders_.clear();
  static_cast<void>(PyEval_SaveThread());
}

void Interpreter::set_up(const Settings& settings) {
  if (!Ref(PyImport_ImportModule("_tenon_worker")) || !current_.start()) {
    fail_with_traceback("the worker's half of the package tenon cannot be set up");
  }
  log_level_ = settings.log_level() != nullptr ? settings.log_level()->str() : std::string();
  if (settings.preload() != nullptr) {
    for (const flatbuffers::String* const module : *settings.preload()) {
      if (!Ref(PyImport_ImportModule(module->c_str()))) {
        fail_with_traceback("the module '" + module->str() + "' of the setting `preload` cannot be imported");
      }
    }
  }
  connect_logging();
  if (settings.initializer() == nullptr || settings.initializer()->size() == 0) {
    return;
  }
  const std::string name = settings.initializer()->str();
  PyObject* const initializer = function(name);
  ObjectVector arguments;
  const auto* const encoded = settings.initializer_args();
  const bool decoded = initializer != nullptr &&
                       (encoded == nullptr || Decoder({encoded->data(), encoded->size()}).decode_arguments(arguments));
  if (!decoded || !Ref(PyObject_Vectorcall(initializer, arguments.data(), arguments.size(), nullptr))) {
    fail_with_traceback("the initializer '" + name + "' failed");
  }
  connect_logging();
}

PyObject* Interpreter::function(std::string_view name) {
  if (const auto known = functions_.find(name); known != functions_.end()) {
    return known->second;
  }
  const std::size_t colon = name.find(':');
  Ref found;
  if (colon != std::string_view::npos && colon != 0 && colon + 1 != name.size()) {
    const Ref module(PyImport_ImportModule(std::string(name.substr(0, colon)).c_str()));
    found = Ref::share(module.get());
    std::string_view rest = name.substr(colon + 1);
    while (found && !rest.empty()) {
      const std::size_t dot = rest.find('.');
      found = Ref(PyObject_GetAttrString(found.get(), std::string(rest.substr(0, dot)).c_str()));
      rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    }
    const bool missing = !found && (!module ? PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)
                                            : PyErr_ExceptionMatches(PyExc_AttributeError)) != 0;
    if (!found && !missing) {
      return nullptr;
    }
  }
  if (!found) {
    // The package says what is missing, and where it was looked for.
    PyErr_Clear();
    const Ref names(PyImport_ImportModule("tenon._names"));
    found =
        Ref(names ? PyObject_CallMethod(names.get(), "resolve", "s#", name.data(), static_cast<Py_ssize_t>(name.size()))
                  : nullptr);
    if (!found) {
      return nullptr;
    }
  }
  if (PyCallable_Check(found.get()) == 0) {
    PyErr_Format(PyExc_TypeError, "'%s' is a %s and cannot be called; give the name of a function",
                 std::string(name).c_str(), Py_TYPE(found.get())->tp_name);
    return nullptr;
  }
  connect_logging();
  PyObject*& kept = functions_[std::string(name)];
  // A module that was imported may have asked for the same name.
  if (kept == nullptr) {
    kept = found.release();
  }
  return kept;
}

void Interpreter::connect_logging() {
  if (logging_connected_ || PyDict_GetItemString(PyImport_GetModuleDict(), "logging") == nullptr) {
    return;
  }
  logging_connected_ = true;
  const Ref logs(PyImport_ImportModule("tenon._task_log"));
  const Ref connected(logs ? PyObject_CallMethod(logs.get(), "connect", "s", log_level_.c_str()) : nullptr);
  if (!connected) {
    worker_.log(TENON_LOG_WARNING, "logging of tasks does not reach the host: " + take_traceback());
  }
}

Interpreter::EncoderLease::EncoderLease(Interpreter& interpreter) : interpreter_(interpreter) {
  if (interpreter.idle_encoders_.empty()) {
    encoder_ = std::make_unique<Encoder>();
  } else {
    encoder_ = std::move(interpreter.idle_encoders_.back());
    interpreter.idle_encoders_.pop_back();
  }
}

Interpreter::EncoderLease::~EncoderLease() {
  encoder_->clear();
  try {
    interpreter_.idle_encoders_.push_back(std::move(encoder_));
  } catch (const std::bad_alloc&) {
    // The next one is made anew.
  }
}

}  // namespace py

#include "interpreter.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "py_generated.h"
#include "python/codec/decoder.hpp"
#include "start.hpp"

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

/// A file that is there while the initializer runs.
class InitializerMark {
 public:
  explicit InitializerMark(const flatbuffers::String* directory) {
    if (directory != nullptr && directory->size() > 0) {
      file_ = std::filesystem::path(directory->str()) / std::to_string(getpid());
      std::ofstream{file_};
    }
  }
  InitializerMark(const InitializerMark&) = delete;
  InitializerMark& operator=(const InitializerMark&) = delete;
  ~InitializerMark() {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }

 private:
  std::filesystem::path file_;
};

/// Functions that look at the frame of their caller. A call of a worker has none below it.
bool needs_frame(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"builtins:dir",  "builtins:eval",    "builtins:exec",
                                                      "builtins:vars", "builtins:globals", "builtins:locals"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

StartOptions options_of(const Settings& settings) {
  const auto text = [](const flatbuffers::String* string) { return string != nullptr ? string->str() : std::string(); };
  StartOptions options;
  options.plugin = "py";
  options.executable = text(settings.executable());
  options.log_level = text(settings.log_level());
  if (settings.path() != nullptr) {
    for (const flatbuffers::String* const entry : *settings.path()) {
      options.path.push_back(entry->str());
    }
  }
  if (settings.environment() != nullptr) {
    for (const Variable* const variable : *settings.environment()) {
      options.environment.emplace_back(variable->name()->str(), variable->value() != nullptr
                                                                    ? std::optional(variable->value()->str())
                                                                    : std::nullopt);
    }
  }
  return options;
}

}  // namespace

Interpreter::Interpreter(const tenon::WorkerContext& worker) {
  try {
    const auto& settings = worker.settings<Settings>();
    host_.emplace(options_of(settings), worker.raw());
    const Host::WithGil gil;
    set_up(settings);
  } catch (const TaskError& error) {
    failure_ = error.what();
    worker.log(TENON_LOG_ERROR, failure_);
  }
}

void Interpreter::require_start() const {
  if (!failure_.empty()) {
    throw TaskError(TENON_UNAVAILABLE, failure_);
  }
}

Interpreter::~Interpreter() {
  if (!host_) {
    return;
  }
  {
    const Host::WithGil gil;
    for (auto& [name, function] : functions_) {
      Py_DECREF(function);
    }
    functions_.clear();
    idle_encoders_.clear();
  }
  host_.reset();
}

void Interpreter::set_up(const Settings& settings) {
  if (settings.preload() != nullptr) {
    for (const flatbuffers::String* const module : *settings.preload()) {
      if (!Ref(PyImport_ImportModule(module->c_str()))) {
        fail_with_traceback("the module '" + module->str() + "' of the setting `preload` cannot be imported");
      }
    }
  }
  host_->connect_logging();
  if (settings.initializer() == nullptr || settings.initializer()->size() == 0) {
    return;
  }
  const InitializerMark mark(settings.initializing());
  const std::string name = settings.initializer()->str();
  PyObject* const initializer = function(name);
  ObjectVector arguments;
  const auto* const encoded = settings.initializer_args();
  const bool decoded = initializer != nullptr &&
                       (encoded == nullptr || Decoder({encoded->data(), encoded->size()}).decode_arguments(arguments));
  if (!decoded || !Ref(PyObject_Vectorcall(initializer, arguments.data(), arguments.size(), nullptr))) {
    fail_with_traceback("the initializer '" + name + "' failed");
  }
  host_->connect_logging();
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
    // The package reports what is missing and where it was searched.
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
    PyErr_Format(PyExc_TypeError, "'%s' is of type %s and cannot be called; pass the name of a function",
                 std::string(name).c_str(), Py_TYPE(found.get())->tp_name);
    return nullptr;
  }
  if (needs_frame(name)) {
    const Ref names(PyImport_ImportModule("tenon._names"));
    found = Ref(names ? PyObject_CallMethod(names.get(), "with_frame", "O", found.get()) : nullptr);
    if (!found) {
      return nullptr;
    }
  }
  host_->connect_logging();
  PyObject*& kept = functions_[std::string(name)];
  // An imported module may have requested the same name.
  if (kept == nullptr) {
    kept = found.release();
  }
  return kept;
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
    // The next lease creates a new one.
  }
}

}  // namespace py

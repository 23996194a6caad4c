#include "host_module.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <tenon/runtime.hpp>

#include "py_generated.h"
#include "python/codec/decoder.hpp"
#include "python/codec/encoder.hpp"
#include "tenon_test/runtime.hpp"

namespace tenon::test {
namespace {

using python::BufferSource;
using python::Decoder;
using python::Encoder;
using python::ObjectVector;
using python::Ref;

struct Host {
  std::mutex mutex;
  std::vector<std::tuple<int, std::string, std::string>> lines;
  std::optional<Runtime> runtime;
};
Host& host() {
  static Host* const kHost = new Host();
  return *kHost;
}

std::span<const std::uint8_t> span_of(const flatbuffers::Vector<std::uint8_t>* octets) {
  return octets != nullptr ? std::span<const std::uint8_t>(octets->data(), octets->size())
                           : std::span<const std::uint8_t>();
}

PyObject* raise(const Error& error) {
  PyErr_Format(PyExc_RuntimeError, "%s: %s\n%s", std::string(error_code_name(error.code)).c_str(),
               error.message.c_str(), error.context.stderr_tail.c_str());
  return nullptr;
}

/// Returns the strings of a Python list.
std::optional<std::vector<std::string>> strings_of(PyObject* list) {
  std::vector<std::string> strings;
  for (Py_ssize_t i = 0; i < PyList_Size(list); ++i) {
    const char* const text = PyUnicode_AsUTF8(PyList_GetItem(list, i));
    if (text == nullptr) {
      return std::nullopt;
    }
    strings.emplace_back(text);
  }
  return strings;
}

PyObject* start(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"workers",          "executable",  "path",      "preload",         "initializer",
                                "initializer_args", "environment", "log_level", "cancel_grace_ms", nullptr};
  unsigned workers = 1;
  const char* executable = "";
  PyObject* path = nullptr;
  PyObject* preload = nullptr;
  const char* initializer = "";
  PyObject* initializer_args = nullptr;
  PyObject* environment = nullptr;
  const char* log_level = "";
  int cancel_grace_ms = 10'000;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|IsOOsOOsi", const_cast<char**>(names), &workers, &executable, &path,
                                  &preload, &initializer, &initializer_args, &environment, &log_level,
                                  &cancel_grace_ms) == 0) {
    return nullptr;
  }
  py::SettingsT settings;
  settings.executable = executable;
  settings.initializer = initializer;
  settings.log_level = log_level;
  if (path != nullptr) {
    settings.path = strings_of(path).value_or(std::vector<std::string>());
  }
  if (preload != nullptr) {
    settings.preload = strings_of(preload).value_or(std::vector<std::string>());
  }
  if (initializer_args != nullptr) {
    Encoder encoder;
    if (!encoder.encode_arguments(&PyTuple_GET_ITEM(initializer_args, 0),
                                  static_cast<std::size_t>(PyTuple_GET_SIZE(initializer_args)))) {
      return nullptr;
    }
    settings.initializer_args.assign(encoder.bytes().begin(), encoder.bytes().end());
  }
  if (environment != nullptr) {
    Py_ssize_t position = 0;
    PyObject* name = nullptr;
    PyObject* value = nullptr;
    while (PyDict_Next(environment, &position, &name, &value) != 0) {
      settings.environment.push_back(std::make_unique<py::VariableT>());
      settings.environment.back()->name = PyUnicode_AsUTF8(name);
      settings.environment.back()->value = PyUnicode_AsUTF8(value);
    }
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(py::Settings::Pack(builder, &settings));
  RuntimeOptions options = runtime_options(workers);
  options.plugin_settings["py"] = Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  options.cancel_grace = std::chrono::milliseconds(cancel_grace_ms);
  options.log = [](const LogRecord& record) {
    const std::lock_guard lock(host().mutex);
    host().lines.emplace_back(static_cast<int>(record.level), record.source, record.message);
  };
  std::optional<Result<Runtime>> started;
  Py_BEGIN_ALLOW_THREADS;
  host().runtime.reset();
  started.emplace(Runtime::start(std::move(options)));
  Py_END_ALLOW_THREADS;
  if (!*started) {
    return raise(started->error());
  }
  host().runtime.emplace(*std::move(*started));
  Py_RETURN_NONE;
}

PyObject* stop(PyObject*, PyObject*) {
  Py_BEGIN_ALLOW_THREADS;
  host().runtime.reset();
  Py_END_ALLOW_THREADS;
  Py_RETURN_NONE;
}

std::vector<flatbuffers::Offset<Bytes>> pack_buffers(flatbuffers::FlatBufferBuilder& builder, const Encoder& encoder) {
  std::vector<flatbuffers::Offset<Bytes>> tables;
  for (std::size_t i = 0; i < encoder.buffers().size(); ++i) {
    const auto bytes = encoder.buffers()[i];
    builder.ForceVectorAlignment(bytes.size(), 1, 16);
    tables.push_back(CreateBytes(builder, builder.CreateVector(bytes.data(), bytes.size())));
  }
  return tables;
}

template <typename Buffers>
std::vector<std::span<const std::uint8_t>> spans_of(const Buffers* buffers) {
  std::vector<std::span<const std::uint8_t>> spans;
  if (buffers != nullptr) {
    for (const auto* const one : *buffers) {
      spans.push_back(span_of(one->data()));
    }
  }
  return spans;
}

Result<Reply> run(const char* task, const flatbuffers::FlatBufferBuilder& argument, int timeout_ms,
                  int cancel_after_ms) {
  CallOptions options;
  if (timeout_ms > 0) {
    options.timeout = std::chrono::milliseconds(timeout_ms);
  }
  const BytesView bytes(argument.GetBufferPointer(), argument.GetSize());
  if (cancel_after_ms <= 0) {
    return host().runtime->call(task, bytes, options);
  }
  Future<Reply> future = host().runtime->submit(task, bytes, options);
  std::this_thread::sleep_for(std::chrono::milliseconds(cancel_after_ms));
  future.cancel();
  return future.get();
}

PyObject* set_error(const flatbuffers::Vector<std::uint8_t>* encoded) {
  const Ref error(Decoder(span_of(encoded)).decode());
  if (error) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  }
  return nullptr;
}

PyObject* call(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "args", "kwargs", "timeout_ms", "cancel_after_ms", nullptr};
  const char* function = nullptr;
  PyObject* arguments = nullptr;
  PyObject* keywords = nullptr;
  int timeout_ms = 0;
  int cancel_after_ms = 0;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "sO!O!|ii", const_cast<char**>(names), &function, &PyTuple_Type,
                                  &arguments, &PyDict_Type, &keywords, &timeout_ms, &cancel_after_ms) == 0) {
    return nullptr;
  }
  Encoder encoder;
  if (!encoder.encode_arguments(&PyTuple_GET_ITEM(arguments, 0),
                                static_cast<std::size_t>(PyTuple_GET_SIZE(arguments)))) {
    return nullptr;
  }
  const std::vector<std::uint8_t> positional(encoder.bytes().begin(), encoder.bytes().end());
  std::vector<std::uint8_t> named;
  if (PyDict_GET_SIZE(keywords) != 0) {
    if (!encoder.encode(keywords, "keyword arguments")) {
      return nullptr;
    }
    named.assign(encoder.bytes().begin(), encoder.bytes().end());
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto buffers = pack_buffers(builder, encoder);
  builder.Finish(py::CreateCallDirect(builder, function, &positional, named.empty() ? nullptr : &named,
                                      buffers.empty() ? nullptr : &buffers));
  std::optional<Result<Reply>> reply;
  Py_BEGIN_ALLOW_THREADS;
  reply.emplace(run("py.call", builder, timeout_ms, cancel_after_ms));
  Py_END_ALLOW_THREADS;
  if (!*reply) {
    return raise(reply->error());
  }
  const auto value = TypedReply<py::Value>::verify(**reply);
  if (!value) {
    return raise(value.error());
  }
  if ((*value)->error() != nullptr) {
    return set_error((*value)->error());
  }
  const auto spans = spans_of((*value)->buffers());
  return Decoder(span_of((*value)->value()), BufferSource{spans, nullptr}).decode();
}

PyObject* call_many(PyObject*, PyObject* args) {
  const char* function = nullptr;
  PyObject* calls = nullptr;
  int stop_at_error = 1;
  if (PyArg_ParseTuple(args, "sO!p", &function, &PyList_Type, &calls, &stop_at_error) == 0) {
    return nullptr;
  }
  Encoder encoder;
  encoder.begin_vector();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(calls); ++i) {
    PyObject* const one = PyList_GET_ITEM(calls, i);
    if (!encoder.encode_element_arguments(&PyTuple_GET_ITEM(one, 0), static_cast<std::size_t>(PyTuple_GET_SIZE(one)))) {
      return nullptr;
    }
  }
  if (!encoder.end_vector()) {
    return nullptr;
  }
  const std::vector<std::uint8_t> encoded(encoder.bytes().begin(), encoder.bytes().end());
  flatbuffers::FlatBufferBuilder builder;
  const auto buffers = pack_buffers(builder, encoder);
  builder.Finish(
      py::CreateCallsDirect(builder, function, &encoded, buffers.empty() ? nullptr : &buffers, stop_at_error != 0));
  std::optional<Result<Reply>> reply;
  Py_BEGIN_ALLOW_THREADS;
  reply.emplace(run("py.call_many", builder, 0, 0));
  Py_END_ALLOW_THREADS;
  if (!*reply) {
    return raise(reply->error());
  }
  const auto values = TypedReply<py::Values>::verify(**reply);
  if (!values) {
    return raise(values.error());
  }
  const auto spans = spans_of((*values)->buffers());
  Ref decoded(Decoder(span_of((*values)->values()), BufferSource{spans, nullptr}).decode());
  Ref failures(PyList_New(0));
  if (!decoded || !failures) {
    return nullptr;
  }
  if ((*values)->failures() != nullptr) {
    for (const py::Failure* const failure : *(*values)->failures()) {
      const Ref one(Py_BuildValue("IN", failure->index(), Decoder(span_of(failure->error())).decode()));
      if (!one || PyList_Append(failures.get(), one.get()) < 0) {
        return nullptr;
      }
    }
  }
  return Py_BuildValue("NN", decoded.release(), failures.release());
}

PyObject* log(PyObject*, PyObject*) {
  std::vector<std::tuple<int, std::string, std::string>> lines;
  {
    const std::lock_guard lock(host().mutex);
    lines.swap(host().lines);
  }
  Ref list(PyList_New(0));
  for (const auto& [level, source, message] : lines) {
    const Ref one(Py_BuildValue("iss", level, source.c_str(), message.c_str()));
    if (!one || PyList_Append(list.get(), one.get()) < 0) {
      return nullptr;
    }
  }
  return list.release();
}

template <typename Function>
PyCFunction as_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

PyObject* make_host_module() {
  static PyMethodDef methods[] = {
      {"start", as_function(&start), METH_VARARGS | METH_KEYWORDS, nullptr},
      {"stop", &stop, METH_NOARGS, nullptr},
      {"call", as_function(&call), METH_VARARGS | METH_KEYWORDS, nullptr},
      {"call_many", &call_many, METH_VARARGS, nullptr},
      {"log", &log, METH_NOARGS, nullptr},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyModuleDef module = {
      PyModuleDef_HEAD_INIT, "_host_test", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&module);
}

}  // namespace tenon::test

// The plugin `py`: see README.md.
#include "python/codec/python_api.hpp"

#include <algorithm>

#include <tenon/plugin.hpp>

#include "exchange.hpp"
#include "interpreter.hpp"
#include "py_generated.h"
#include "python/codec/decoder.hpp"

namespace py {
namespace {

using tenon::python::BufferSource;
using tenon::python::Decoder;
using tenon::python::ObjectVector;
using tenon::python::Ref;

std::string_view view_of(const flatbuffers::String* text) {
  return {text->c_str(), text->size()};
}

/// The function's return value; null with an exception. The arguments are released when this
/// returns.
Ref run(PyObject* function, const Call& request) {
  const auto buffers = spans_of(request.buffers());
  // Copies: the function may keep an argument, while the memory of the call is reused.
  const BufferSource source{buffers, nullptr};
  ObjectVector arguments;
  if (request.args() != nullptr && !Decoder(span_of(request.args()), source).decode_arguments(arguments)) {
    return Ref();
  }
  if (request.kwargs() == nullptr) {
    return Ref(PyObject_Vectorcall(function, arguments.data(), arguments.size(), nullptr));
  }
  const Ref keywords(Decoder(span_of(request.kwargs()), source).decode());
  if (!keywords) {
    return Ref();
  }
  if (!PyDict_CheckExact(keywords.get())) {
    PyErr_SetString(PyExc_ValueError, "the data are malformed: the keyword arguments are not a map");
    return Ref();
  }
  return Ref(PyObject_VectorcallDict(function, arguments.data(), arguments.size(), keywords.get()));
}

tenon::Offset<Value> failed(tenon::Call& call) {
  const std::vector<std::uint8_t> error = take_error(call);
  auto& builder = call.builder(error.size() + 128);
  return CreateValue(builder, 0, 0, write_octets(builder, error));
}

tenon::Offset<Value> call(tenon::Call& call, const Call& request) {
  auto& interpreter = call.state<Interpreter>();
  interpreter.require_start();
  const Host::WithGil gil;
  const Host::Running running(interpreter.host(), call.raw());
  PyObject* const function = interpreter.function(view_of(request.function()));
  const Ref result = function != nullptr ? run(function, request) : Ref();
  if (!result) {
    return failed(call);
  }
  const Interpreter::EncoderLease encoder(interpreter);
  if (!encoder->encode(result.get(), "result")) {
    return failed(call);
  }
  auto& builder = builder_for(call, encoder->bytes(), encoder->buffers());
  const auto buffers = write_buffers(builder, encoder->buffers());
  const auto value = write_octets(builder, encoder->bytes());
  return CreateValue(builder, value, buffers);
}

tenon::Offset<Values> call_many(tenon::Call& call, const Calls& request) {
  auto& interpreter = call.state<Interpreter>();
  interpreter.require_start();
  const Host::WithGil gil;
  const Host::Running running(interpreter.host(), call.raw());
  struct Failed {
    std::size_t index;
    std::vector<std::uint8_t> error;
  };
  std::vector<Failed> failures;
  const auto buffers = spans_of(request.buffers());
  Decoder decoder(span_of(request.calls()), BufferSource{buffers, nullptr});
  const Interpreter::EncoderLease encoder(interpreter);
  std::size_t count = 0;
  PyObject* const function = interpreter.function(view_of(request.function()));
  if (function == nullptr || !decoder.open_calls(count) || !encoder->begin_vector()) {
    failures.push_back({0, take_error(call)});
    count = 0;
  }
  for (std::size_t i = 0; i < count; ++i) {
    ObjectVector arguments;
    const Ref result(decoder.decode_call(i, arguments)
                         ? PyObject_Vectorcall(function, arguments.data(), arguments.size(), nullptr)
                         : nullptr);
    arguments.clear();
    if (!result || !encoder->encode_element(result.get(), "result")) {
      failures.push_back({i, take_error(call)});
      if (request.stop_at_error()) {
        break;
      }
      if (!encoder->encode_element(Py_None, "result")) {
        throw std::bad_alloc();
      }
    }
  }
  if (!encoder->end_vector()) {
    PyErr_Clear();
    throw std::bad_alloc();
  }
  auto& builder = builder_for(call, encoder->bytes(), encoder->buffers());
  std::vector<tenon::Offset<Failure>> failure_tables;
  failure_tables.reserve(failures.size());
  for (const Failed& one : failures) {
    const auto error = write_octets(builder, one.error);
    failure_tables.push_back(CreateFailure(builder, static_cast<std::uint32_t>(one.index), error));
  }
  const auto buffer_tables = write_buffers(builder, encoder->buffers());
  const auto values = write_octets(builder, encoder->bytes());
  const auto failure_vector = failure_tables.empty() ? 0 : builder.CreateVector(failure_tables);
  return CreateValues(builder, values, buffer_tables, failure_vector);
}

}  // namespace
}  // namespace py

TENON_PLUGIN(py) {
  plugin.settings<py::Settings>();
  plugin.state<py::Interpreter>();
  plugin.task<py::call>("call");
  plugin.task<py::call_many>("call_many");
  plugin.task<py::call>("call_again");
  plugin.task<py::call_many>("call_many_again");
}

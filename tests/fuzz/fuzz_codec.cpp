// Fuzzes the codec of the Python package: any bytes become an object or an exception, with and
// without out-of-band buffers. A decoded object can be encoded again, and decoded once more.
#include "embedded_python.hpp"

#include <cstdio>
#include <cstdlib>

#include "python/codec/decoder.hpp"
#include "python/codec/encoder.hpp"
#include "target.hpp"

namespace {

using tenon::python::BufferSource;
using tenon::python::Decoder;
using tenon::python::Encoder;
using tenon::python::ObjectVector;
using tenon::python::Ref;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  PyErr_Print();
  std::abort();
}

/// Names in the data must not import modules that are installed on this machine.
void start() {
  static const bool kStarted = [] {
    tenon::test::start_python();
    const int failed = PyRun_SimpleString(R"(
import gc, sys
import tenon._codec, tenon._names, tenon.errors
import codec_cases

def refuse(name):
    raise ImportError(f'{name} is not imported while fuzzing')

tenon._names.importlib = type('Importlib', (), {'import_module': staticmethod(refuse)})
sys.setrecursionlimit(2000)
)");
    if (failed != 0) {
      give_up("Python cannot be prepared");
    }
    return true;
  }();
  static_cast<void>(kStarted);
}

/// An exception is a valid outcome, but not one that reports a defect of the decoder itself.
void expect_exception() {
  if (PyErr_Occurred() == nullptr) {
    give_up("no object and no exception");
  }
  if (PyErr_ExceptionMatches(PyExc_SystemError) != 0) {
    give_up("SystemError");
  }
  PyErr_Clear();
}

void decode(std::span<const std::uint8_t> bytes, BufferSource source) {
  const Ref object(Decoder(bytes, source).decode());
  if (!object) {
    expect_exception();
  } else {
    Encoder encoder;
    if (!encoder.encode(object.get(), "value")) {
      // Data that an encoder never makes, such as a memoryview of an odd shape by itself, or a name
      // that is taken.
      expect_exception();
    } else {
      std::vector<std::span<const std::uint8_t>> buffers;
      for (std::size_t i = 0; i < encoder.buffers().size(); ++i) {
        buffers.push_back(encoder.buffers()[i]);
      }
      if (!Ref(Decoder(encoder.bytes(), BufferSource{buffers, nullptr}).decode())) {
        // For example a dataclass without one of its fields.
        expect_exception();
      }
    }
  }
  if (PyErr_Occurred() != nullptr) {
    give_up("an object and an exception");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  start();
  static const std::vector<std::uint8_t> kMemory(20'000, 'm');
  const std::span<const std::uint8_t> memory(kMemory);
  const std::span<const std::uint8_t> buffers[] = {memory.first(5000), memory.subspan(5008, 8000), {}};
  static PyObject* const kOwner =
      PyMemoryView_FromMemory(reinterpret_cast<char*>(const_cast<std::uint8_t*>(kMemory.data())),
                              static_cast<Py_ssize_t>(kMemory.size()), PyBUF_READ);
  const std::span<const std::uint8_t> bytes(data, size);
  decode(bytes, {});
  decode(bytes, BufferSource{buffers, nullptr});
  decode(bytes, BufferSource{buffers, kOwner});
  Decoder calls(bytes);
  std::size_t count = 0;
  bool good = calls.open_calls(count);
  for (std::size_t i = 0; good && i < count; ++i) {
    ObjectVector arguments;
    good = calls.decode_call(i, arguments);
  }
  if (!good) {
    expect_exception();
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  start();
  const Ref module(PyImport_ImportModule("codec_cases"));
  const Ref kinds(module ? PyObject_CallMethod(module.get(), "kinds", nullptr) : nullptr);
  if (!kinds) {
    give_up("no seeds");
  }
  std::vector<std::string> seeds;
  const auto add = [&seeds](PyObject* object) {
    Encoder encoder;
    if (!encoder.encode(object, "seed")) {
      give_up("a seed cannot be encoded");
    }
    seeds.emplace_back(encoder.bytes().begin(), encoder.bytes().end());
  };
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(kinds.get()); ++i) {
    add(PyList_GET_ITEM(kinds.get(), i));
  }
  add(kinds.get());
  const Ref records(PyRun_String("[{'id': i, 'b': 'x', 'a': [i, 0.5], 'c': (1, {'k': i})} for i in range(20)]",
                                 Py_eval_input, PyModule_GetDict(module.get()), PyModule_GetDict(module.get())));
  if (!records) {
    give_up("no seeds");
  }
  add(records.get());
  return seeds;
}

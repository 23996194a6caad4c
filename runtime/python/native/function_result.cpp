#include "python/native/function_result.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "py_generated.h"
#include "python/codec/decoder.hpp"
#include "python/native/errors.hpp"
#include "python/native/gil.hpp"
#include "python/native/process_bound.hpp"

namespace tenon::python {
namespace {

using Bytes = flatbuffers::Vector<std::uint8_t>;
using Buffers = flatbuffers::Vector<flatbuffers::Offset<tenon::Bytes>>;
using Span = std::span<const std::uint8_t>;

/// During copies of at least this size by Reply::bytes, other Python threads may run.
constexpr std::size_t kLongCopyBytes = std::size_t{256} << 10;

/// Provides the bytes of a reply as a buffer, and keeps them alive.
struct ReplyMemoryObject {
  PyObject ob_base;
  ProcessBound<Reply> reply;
};

PyTypeObject* g_reply_memory_type = nullptr;

void reply_memory_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  reinterpret_cast<ReplyMemoryObject*>(self)->reply.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

int reply_memory_buffer(PyObject* self, Py_buffer* view, int flags) {
  // In a child process, the pages still exist as copies.
  const BytesView bytes = reinterpret_cast<ReplyMemoryObject*>(self)->reply.get().bytes();
  // SUBTLE: writable, although a reply is not: these bytes are the host's own copy, which no other code uses, and
  // arrays that functions return are expected to be writable.
  return PyBuffer_FillInfo(view, self, const_cast<std::uint8_t*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()),
                           0, flags);
}

Span span_of(const Bytes* bytes) {
  return bytes == nullptr ? Span() : Span(bytes->data(), bytes->size());
}

/// A reply, verified as a T, with everything needed to decode its values.
template <typename T>
class Result {
 public:
  /// Null with an exception set.
  [[nodiscard]] const T* open(Reply reply) {
    BytesView bytes;
    if (reply.size_bytes() >= kLongCopyBytes) {
      const WithoutGil without_gil;
      bytes = reply.bytes();
    } else {
      bytes = reply.bytes();
    }
    if (bytes.empty() && reply.size_bytes() > 0) {
      return raise(ErrorCode::kOutOfMemory, "no memory for the copy of a result");
    }
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    if (!verifier.template VerifyBuffer<T>(nullptr)) {
      return raise(ErrorCode::kCorrupt,
                   "the result of a Python function does not verify; are the plugin py and this "
                   "package of one version?");
    }
    const T* const table = flatbuffers::GetRoot<T>(bytes.data());
    if (const Buffers* const buffers = table->buffers(); buffers != nullptr && buffers->size() > 0) {
      spans_.reserve(buffers->size());
      for (const tenon::Bytes* const buffer : *buffers) {
        spans_.push_back(span_of(buffer->data()));
      }
      owner_ = Ref::steal(g_reply_memory_type->tp_alloc(g_reply_memory_type, 0));
      if (!owner_) {
        return nullptr;
      }
      new (&reinterpret_cast<ReplyMemoryObject*>(owner_.get())->reply) ProcessBound<Reply>(reply);
    }
    reply_ = std::move(reply);
    return table;
  }
  /// A new reference; None if there are no bytes. Null with an exception set.
  [[nodiscard]] PyObject* decode(const Bytes* bytes) {
    return bytes == nullptr ? Py_NewRef(Py_None) : Decoder(span_of(bytes), {spans_, owner_.get()}).decode();
  }
  /// The exception that a function raised, as an object. Null with another exception set.
  [[nodiscard]] Ref decode_exception(const Bytes* bytes) {
    Ref exception = Ref::steal(decode(bytes));
    if (exception && PyExceptionInstance_Check(exception.get()) == 0) {
      raise(ErrorCode::kCorrupt, "a Python function failed with something that is not an exception");
      return {};
    }
    return exception;
  }

 private:
  Reply reply_;
  std::vector<Span> spans_;
  Ref owner_;
};

}  // namespace

PyObject* decode_function_value(PyObject* /*context*/, Reply reply, Ref& failure) {
  return guarded([&]() -> PyObject* {
    Result<py::Value> result;
    const py::Value* const value = result.open(std::move(reply));
    if (value == nullptr) {
      return nullptr;
    }
    if (value->error() == nullptr) {
      return result.decode(value->value());
    }
    failure = result.decode_exception(value->error());
    return nullptr;
  });
}

PyObject* decode_function_values(PyObject* /*context*/, Reply reply, Ref& /*failure*/) {
  return guarded([&]() -> PyObject* {
    Result<py::Values> result;
    const py::Values* const values = result.open(std::move(reply));
    if (values == nullptr) {
      return nullptr;
    }
    Ref list = Ref::steal(values->values() == nullptr ? PyList_New(0) : result.decode(values->values()));
    if (!list || PyList_Check(list.get()) == 0) {
      return list ? raise(ErrorCode::kCorrupt, "the results of a group are not a list") : nullptr;
    }
    Ref exception = Ref::share(Py_None);
    if (values->failures() != nullptr && values->failures()->size() > 0) {
      const py::Failure* const failure = values->failures()->Get(0);
      exception = result.decode_exception(failure->error());
      if (!exception ||
          PyList_SetSlice(list.get(), static_cast<Py_ssize_t>(failure->index()), PY_SSIZE_T_MAX, nullptr) != 0) {
        return nullptr;
      }
    }
    return PyTuple_Pack(2, list.get(), exception.get());
  });
}

Ref make_reply_memory_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(reply_memory_dealloc)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(reply_memory_buffer)},
      {Py_tp_doc, const_cast<char*>("Memory of a result, which arrays show.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.ReplyMemory", sizeof(ReplyMemoryObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_reply_memory_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

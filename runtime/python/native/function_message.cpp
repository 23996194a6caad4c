#include "python/native/function_message.hpp"

#include <string>
#include <utility>

#include "py_generated.h"
#include "python/native/errors.hpp"
#include "python/native/gil.hpp"

namespace tenon::python {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Bytes = flatbuffers::Vector<std::uint8_t>;
using Buffers = flatbuffers::Vector<Offset<tenon::Bytes>>;

/// Messages of at least this size are built in memory that workers can read, which saves a copy.
constexpr std::size_t kBulkBytes = std::size_t{64} << 10;
/// Space for the tables around the bulk data, so that the block need not grow.
constexpr std::size_t kBesideBulkBytes = std::size_t{16} << 10;
/// A FlatBuffer must be smaller than 2 GiB.
constexpr std::size_t kMaxMessageBytes = (std::size_t{1} << 31) - (std::size_t{1} << 20);
/// During copies of at least this size, other Python threads may run.
constexpr std::size_t kLongCopyBytes = std::size_t{256} << 10;
constexpr std::size_t kKeptEncoders = 8;

std::vector<std::unique_ptr<Encoder>>& encoders() {
  static auto* const kept = new std::vector<std::unique_ptr<Encoder>>();  // Never destroyed, as in submit.cpp.
  return *kept;
}

Offset<Bytes> add_bytes(FlatBufferBuilder& builder, std::span<const std::uint8_t> bytes) {
  // Arrays need the alignment that numpy gives them.
  builder.ForceVectorAlignment(bytes.size(), 1, 16);
  return builder.CreateVector(bytes.data(), bytes.size());
}

Offset<Buffers> add_buffers(FlatBufferBuilder& builder, const HeldBuffers& buffers) {
  std::vector<Offset<tenon::Bytes>> tables;
  tables.reserve(buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    std::uint8_t* to = nullptr;
    builder.ForceVectorAlignment(buffers[i].size(), 1, 16);
    const auto data = builder.CreateUninitializedVector(buffers[i].size(), &to);
    if (buffers[i].size() >= kLongCopyBytes) {
      // The views keep the memory alive, whatever other threads do to the objects.
      const WithoutGil without_gil;
      std::copy(buffers[i].begin(), buffers[i].end(), to);
    } else {
      std::copy(buffers[i].begin(), buffers[i].end(), to);
    }
    tables.push_back(tenon::CreateBytes(builder, data));
  }
  return builder.CreateVector(tables);
}

std::size_t size_of(const HeldBuffers& buffers) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    sum += buffers[i].size() + 64;
  }
  return sum;
}

}  // namespace

ScratchEncoder::ScratchEncoder() {
  if (encoders().empty()) {
    encoder_ = std::make_unique<Encoder>();
  } else {
    encoder_ = std::move(encoders().back());
    encoders().pop_back();
  }
}

ScratchEncoder::~ScratchEncoder() {
  encoder_->clear();
  if (encoders().size() < kKeptEncoders) {
    encoders().push_back(std::move(encoder_));
  }
}

template <typename Encode>
bool FunctionMessage::build(Runtime& runtime, std::size_t encoded_bytes, Encode encode) {
  const std::size_t size = encoded_bytes + size_of(encoder_.get().buffers());
  if (size > kMaxMessageBytes) {
    raise(ErrorCode::kTooLarge,
          "the arguments of a call are " + std::to_string(size) +
              " bytes, and one call takes less than 2 GiB; send them in parts, or put them into a "
              "file");
    return false;
  }
  if (size >= kBulkBytes) {
    auto block = runtime.build_argument(size + kBesideBulkBytes);
    if (!block) {
      raise(block.error());
      return false;
    }
    auto built = block->finish(encode(block->flatbuffer()));
    if (!built) {
      raise(built.error());
      return false;
    }
    argument_.use(std::move(*built));
    return true;
  }
  FlatBufferBuilder& builder = scratch_.emplace().get();
  builder.Finish(encode(builder));
  argument_.use(BytesView(builder.GetBufferPointer(), builder.GetSize()));
  return true;
}

bool FunctionMessage::encode_call(Runtime& runtime, std::string_view function, PyObject* const* values,
                                  std::size_t positional, PyObject* names) {
  Encoder& encoder = encoder_.get();
  const bool named = names != nullptr && PyTuple_GET_SIZE(names) > 0;
  std::vector<std::uint8_t> kept_arguments;
  std::span<const std::uint8_t> arguments;
  std::span<const std::uint8_t> keywords;
  if (positional > 0) {
    if (!encoder.encode_arguments(values, positional)) {
      return false;
    }
    arguments = encoder.bytes();
    if (named) {
      kept_arguments.assign(arguments.begin(), arguments.end());
      arguments = kept_arguments;
    }
  }
  if (named) {
    if (!encoder.encode_keywords(values + positional, names)) {
      return false;
    }
    keywords = encoder.bytes();
  }
  return build(runtime, function.size() + arguments.size() + keywords.size(), [&](FlatBufferBuilder& builder) {
    const Offset<Buffers> buffers = encoder.buffers().size() > 0 ? add_buffers(builder, encoder.buffers()) : 0;
    const Offset<Bytes> keyword_bytes = named ? add_bytes(builder, keywords) : 0;
    const Offset<Bytes> argument_bytes = positional > 0 ? add_bytes(builder, arguments) : 0;
    const auto name = builder.CreateString(function.data(), function.size());
    return py::CreateCall(builder, name, argument_bytes, keyword_bytes, buffers);
  });
}

bool FunctionMessage::encode_calls(Runtime& runtime, std::string_view function, PyObject* calls) {
  Encoder& encoder = encoder_.get();
  if (!encoder.begin_vector()) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(calls); ++i) {
    PyObject* const call = PyList_GET_ITEM(calls, i);
    if (PyTuple_Check(call) == 0) {
      raise_type("a group is a list of tuples of arguments");
      return false;
    }
    // Encoding may run code that changes the list.
    const Ref held = Ref::share(call);
    if (!encoder.encode_element_arguments(&PyTuple_GET_ITEM(call, 0),
                                          static_cast<std::size_t>(PyTuple_GET_SIZE(call)))) {
      return false;
    }
  }
  if (!encoder.end_vector()) {
    return false;
  }
  const std::span<const std::uint8_t> bytes = encoder.bytes();
  return build(runtime, function.size() + bytes.size(), [&](FlatBufferBuilder& builder) {
    const Offset<Buffers> buffers = encoder.buffers().size() > 0 ? add_buffers(builder, encoder.buffers()) : 0;
    const Offset<Bytes> encoded = add_bytes(builder, bytes);
    const auto name = builder.CreateString(function.data(), function.size());
    return py::CreateCalls(builder, name, encoded, buffers);
  });
}

PyObject* encode_arguments(PyObject* tuple) {
  if (PyTuple_Check(tuple) == 0) {
    return raise_type("expected a tuple of arguments");
  }
  // Settings have no separate buffers.
  Encoder encoder(static_cast<std::size_t>(-1));
  if (!encoder.encode_arguments(&PyTuple_GET_ITEM(tuple, 0), static_cast<std::size_t>(PyTuple_GET_SIZE(tuple)))) {
    return nullptr;
  }
  const std::span<const std::uint8_t> bytes = encoder.bytes();
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()));
}

}  // namespace tenon::python

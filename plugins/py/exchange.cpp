#include "exchange.hpp"

#include <cstring>
#include <limits>

namespace py {

using tenon::TaskError;
using tenon::python::Encoder;
using tenon::python::HeldBuffers;
using tenon::python::Ref;
using tenon::python::restore_exception;
using tenon::python::take_exception;

std::vector<std::span<const std::uint8_t>> spans_of(const Buffers* buffers) {
  std::vector<std::span<const std::uint8_t>> spans;
  if (buffers != nullptr) {
    spans.reserve(buffers->size());
    for (const tenon::Bytes* const one : *buffers) {
      spans.push_back(span_of(one->data()));
    }
  }
  return spans;
}

flatbuffers::FlatBufferBuilder& builder_for(tenon::Call& call, std::span<const std::uint8_t> bytes,
                                            const HeldBuffers& buffers) {
  // Overhead of a table and its vectors, including alignment.
  constexpr std::size_t kOverheadBytes = 128;
  std::size_t size = bytes.size() + kOverheadBytes;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    size += buffers[i].size() + kOverheadBytes;
  }
  if (size >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    throw TaskError(TENON_TOO_LARGE, "the result has " + std::to_string(size) +
                                         " bytes, but one call must return less than 2 GiB; return it in parts, or "
                                         "write a file and return its path");
  }
  return call.builder(size);
}

tenon::Offset<Octets> write_octets(flatbuffers::FlatBufferBuilder& builder, std::span<const std::uint8_t> bytes) {
  return builder.CreateVector(bytes.data(), bytes.size());
}

tenon::Offset<Buffers> write_buffers(flatbuffers::FlatBufferBuilder& builder, const HeldBuffers& buffers) {
  if (buffers.size() == 0) {
    return 0;
  }
  constexpr std::size_t kAlignment = 16;
  std::vector<tenon::Offset<tenon::Bytes>> tables;
  tables.reserve(buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const auto bytes = buffers[i];
    builder.ForceVectorAlignment(bytes.size(), 1, kAlignment);
    std::uint8_t* memory = nullptr;
    const auto data = builder.CreateUninitializedVector<std::uint8_t>(bytes.size(), &memory);
    if (!bytes.empty()) {
      std::memcpy(memory, bytes.data(), bytes.size());
    }
    tables.push_back(tenon::CreateBytes(builder, data));
  }
  return builder.CreateVector(tables);
}

std::vector<std::uint8_t> take_error(tenon::Call& call) {
  const Ref error = take_exception();
  if (!error) {
    throw TaskError(TENON_FAILED, "the function failed without an exception, which is a bug in an extension module");
  }
  const tenon_status_t status = call.poll();
  // Applies to any exception: the interruption may have hit an import, which then fails with
  // another exception.
  if (status != TENON_OK) {
    throw TaskError(status, status == TENON_DEADLINE ? "the deadline of the call passed" : "the call was cancelled");
  }
  // Uses a separate encoder: the one for values may be in the middle of a vector, and errors travel
  // without buffers.
  Encoder encoder(std::numeric_limits<std::size_t>::max());
  if (!encoder.encode(error.get(), "exception")) {
    const std::string why = take_traceback();
    restore_exception(Ref::share(error.get()));
    throw TaskError(TENON_FAILED, take_traceback() + "(the exception itself could not be sent: " + why + ")");
  }
  const auto bytes = encoder.bytes();
  return {bytes.begin(), bytes.end()};
}

}  // namespace py

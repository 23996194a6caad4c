/// exchange.hpp: converts tables of the schema to Python objects and back.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <tenon/plugin.hpp>

#include "interpreter.hpp"
#include "py_generated.h"

namespace py {

using Buffers = flatbuffers::Vector<flatbuffers::Offset<tenon::Bytes>>;
using Octets = flatbuffers::Vector<std::uint8_t>;

inline std::span<const std::uint8_t> span_of(const Octets* octets) noexcept {
  return octets != nullptr ? std::span<const std::uint8_t>(octets->data(), octets->size())
                           : std::span<const std::uint8_t>();
}

/// The out-of-band buffers of an argument.
std::vector<std::span<const std::uint8_t>> spans_of(const Buffers* buffers);

/// The result's builder, with room for all these bytes, so that nothing is moved later. Throws
/// tenon::TaskError TENON_TOO_LARGE beyond the limit of a table.
flatbuffers::FlatBufferBuilder& builder_for(tenon::Call& call, std::span<const std::uint8_t> bytes,
                                            const tenon::python::HeldBuffers& buffers);
tenon::Offset<Octets> write_octets(flatbuffers::FlatBufferBuilder& builder, std::span<const std::uint8_t> bytes);
/// Returns a null offset if there are none.
tenon::Offset<Buffers> write_buffers(flatbuffers::FlatBufferBuilder& builder,
                                     const tenon::python::HeldBuffers& buffers);

/// Clears the pending Python exception and returns it encoded. Throws tenon::TaskError if the call
/// was cancelled or its deadline passed, or if the exception itself cannot be encoded.
std::vector<std::uint8_t> take_error(tenon::Call& call);

}  // namespace py

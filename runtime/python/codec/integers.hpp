/// python/codec/integers.hpp: converts integers of any size to bytes and back; Python's functions for this differ
/// between versions.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tenon::python {

/// Two's complement, little endian, with a sign bit. False with an exception.
bool integer_to_bytes(PyObject* integer, std::vector<std::uint8_t>& bytes);
/// The inverse. Null with an exception.
PyObject* integer_from_bytes(std::span<const std::uint8_t> bytes);

}  // namespace tenon::python

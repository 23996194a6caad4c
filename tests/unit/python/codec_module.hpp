/// The codec as a Python module, for tests and measurements.
#pragma once

#include "python/codec/python_api.hpp"

namespace tenon::test {

/// The module `_codec_test`, for PyImport_AppendInittab:
///   encode(object, out_of_band_min=4096, name='value') -> (bytes, [bytes, ...])
///   decode(bytes, buffers=(), shared=False) -> object; shared: arrays use the buffers' memory
///   encode_arguments(*args, **kwargs) -> (bytes, bytes); decode_arguments(bytes) -> tuple
///   encode_many(objects) -> bytes, one vector built step by step
///   decode_calls(bytes) -> [tuple, ...]
PyObject* make_codec_module();

}  // namespace tenon::test

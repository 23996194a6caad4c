#include "python/codec/integers.hpp"

namespace tenon::python {

bool integer_to_bytes(PyObject* integer, std::vector<std::uint8_t>& bytes) {
  const Ref bits(PyObject_CallMethod(integer, "bit_length", nullptr));
  const Py_ssize_t bit_count = bits ? PyLong_AsSsize_t(bits.get()) : -1;
  if (bit_count < 0) {
    return false;
  }
  bytes.resize(static_cast<std::size_t>(bit_count) / 8 + 1);
#if PY_VERSION_HEX >= 0x030D0000
  return PyLong_AsNativeBytes(integer, bytes.data(), static_cast<Py_ssize_t>(bytes.size()),
                              Py_ASNATIVEBYTES_LITTLE_ENDIAN) >= 0;
#else
  return _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(integer), bytes.data(), bytes.size(), 1, 1) == 0;
#endif
}

PyObject* integer_from_bytes(std::span<const std::uint8_t> bytes) {
#if PY_VERSION_HEX >= 0x030D0000
  return PyLong_FromNativeBytes(bytes.data(), bytes.size(), Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
  return _PyLong_FromByteArray(bytes.data(), bytes.size(), 1, 1);
#endif
}

}  // namespace tenon::python

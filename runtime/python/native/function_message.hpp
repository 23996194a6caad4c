/// python/native/function_message.hpp: calls of Python functions as arguments of the plugin `py`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <tenon/runtime.hpp>

#include "python/codec/encoder.hpp"
#include "python/native/ref.hpp"
#include "python/native/submit.hpp"

namespace tenon::python {

/// An Encoder that is reused from call to call. Several exist at once if encoding an object makes another call. With
/// the GIL.
class ScratchEncoder {
 public:
  ScratchEncoder();
  ScratchEncoder(const ScratchEncoder&) = delete;
  ScratchEncoder& operator=(const ScratchEncoder&) = delete;
  ~ScratchEncoder();
  [[nodiscard]] Encoder& get() noexcept { return *encoder_; }

 private:
  std::unique_ptr<Encoder> encoder_;
};

/// The argument of one call of the plugin `py`. Large buffers are copied once, to memory that workers read. Needs the
/// GIL; a function that fails returns false with an exception set.
class FunctionMessage {
 public:
  /// Encodes a py.Call. `names` is a tuple with the names of keyword arguments, whose values follow the positional
  /// ones, or null.
  [[nodiscard]] bool encode_call(Runtime& runtime, std::string_view function, PyObject* const* values,
                                 std::size_t positional, PyObject* names);
  /// Encodes a py.Calls: `calls` is a list of tuples of positional arguments.
  [[nodiscard]] bool encode_calls(Runtime& runtime, std::string_view function, PyObject* calls);
  [[nodiscard]] const Argument& argument() const noexcept { return argument_; }

 private:
  template <typename Encode>
  [[nodiscard]] bool build(Runtime& runtime, std::size_t encoded_bytes, Encode encode);

  ScratchEncoder encoder_;
  std::optional<ScratchBuilder> scratch_;
  Argument argument_;
};

/// Encodes positional arguments as bytes, for the settings of the plugin. Null with an exception set.
[[nodiscard]] PyObject* encode_arguments(PyObject* tuple);

}  // namespace tenon::python

/// python/native/options.hpp: options that the Python half of the package has checked and put into a dict.
///
/// tenon/runtime.py turns durations and sizes into integers with a unit in the name, paths into str, and checks what a
/// user gave. What arrives here in another type is a mistake of the package, and raises a TypeError.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tenon/runtime.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Reads values out of a dict. Absent keys and None leave a value as it is. The first failure is kept, with the
/// exception set. With the GIL.
class OptionReader {
 public:
  explicit OptionReader(PyObject* options) noexcept : options_(options) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void read(const char* key, std::string& value);
  void read(const char* key, std::filesystem::path& value);
  void read(const char* key, std::vector<std::filesystem::path>& value);
  void read(const char* key, bool& value);
  void read(const char* key, double& value);
  void read(const char* key, unsigned& value);
  void read(const char* key, std::uint64_t& value);
  void read(const char* key, std::chrono::milliseconds& value);
  /// Borrowed; null when absent.
  [[nodiscard]] PyObject* find(const char* key);

 private:
  void fail() noexcept { ok_ = false; }
  PyObject* options_;
  bool ok_ = true;
};

/// str, with its lone surrogates as the bytes that they stand for. False with an exception set.
[[nodiscard]] bool read_text(PyObject* value, std::string& text);

/// The options of tenon.Runtime. Neither settings nor logs, which need more. False with an exception set.
[[nodiscard]] bool read_runtime_options(PyObject* options, RuntimeOptions& result);
[[nodiscard]] bool read_swap_options(PyObject* options, SwapOptions& result);

}  // namespace tenon::python

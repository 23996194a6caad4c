/// python/native/options.hpp: reads options that the Python half of the package has checked and put into a dict.
///
/// tenon/runtime.py converts durations and sizes to integers with a unit in the name and paths to str, and checks the
/// user's values. A value of another type here is a bug of the package, and raises a TypeError.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tenon/runtime.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Reads values from a dict. An absent key or None leaves a value unchanged. The first failure is remembered, with the
/// exception set. Needs the GIL.
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
  /// Borrowed; null if absent.
  [[nodiscard]] PyObject* find(const char* key);

 private:
  void fail() noexcept { ok_ = false; }
  PyObject* options_;
  bool ok_ = true;
};

/// Converts a str; its lone surrogates become the bytes for which they stand. False with an exception set.
[[nodiscard]] bool read_text(PyObject* value, std::string& text);

/// Reads the options of tenon.Runtime. Settings and logs are read elsewhere, because they need more. False with an
/// exception set.
[[nodiscard]] bool read_runtime_options(PyObject* options, RuntimeOptions& result);
[[nodiscard]] bool read_swap_options(PyObject* options, SwapOptions& result);

}  // namespace tenon::python

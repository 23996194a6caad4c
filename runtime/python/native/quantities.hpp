/// python/native/quantities.hpp: reads durations and counts given by users.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Reads a number of seconds; None and infinity become nullopt. False with an exception set that names `name`.
[[nodiscard]] bool read_seconds(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result);
/// The same for a waiting time, where a negative number counts as zero: it is often the rest of a longer time.
[[nodiscard]] bool read_wait(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result);
/// Reads an int between two bounds. False with an exception set that names `name`.
[[nodiscard]] bool read_integer(const char* name, PyObject* value, std::int64_t from, std::int64_t to,
                                std::int64_t& result);

}  // namespace tenon::python

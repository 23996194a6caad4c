/// python/native/quantities.hpp: durations and counts as users give them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Seconds as a number; None and infinity give nullopt. False with an exception set that names `name`.
[[nodiscard]] bool read_seconds(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result);
/// The same for how long to wait, where less than zero is zero: it is often what is left of a longer time.
[[nodiscard]] bool read_wait(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result);
/// An int between two bounds. False with an exception set that names `name`.
[[nodiscard]] bool read_integer(const char* name, PyObject* value, std::int64_t from, std::int64_t to,
                                std::int64_t& result);

}  // namespace tenon::python

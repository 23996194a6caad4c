/// Lets a long loop of plain C++ check whether it must continue.
#pragma once

#include <functional>

namespace tenon::plugins {

/// Call it regularly, at least once per MiB of work; it throws if the work must stop.
using Poll = std::function<void()>;

}  // namespace tenon::plugins

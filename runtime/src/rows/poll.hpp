/// Lets a long loop check whether it must continue.
#pragma once

#include <functional>

namespace tenon::rows {

/// Call it regularly, at least once per MiB of work; it throws if the work must stop.
using Poll = std::function<void()>;

}  // namespace tenon::rows

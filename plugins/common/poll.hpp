/// How a long loop of plain C++ asks whether it must go on.
#pragma once

#include <functional>

namespace tenon::plugins {

/// Called now and then, at least for each MiB of work; throws when the work must stop.
using Poll = std::function<void()>;

}  // namespace tenon::plugins

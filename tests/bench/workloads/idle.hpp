/// What a runtime costs while it has nothing to do.
#pragma once

#include <string>

#include "workloads/bench_runtime.hpp"

namespace tenon::bench {

/// Lets the runtime come to rest, watches it for two seconds and reports `<name>wakeups`, how often a second its
/// threads in all processes ran, and `<name>private`, the private memory of a worker.
void report_idle(const std::string& name, Runtime& runtime);

}  // namespace tenon::bench

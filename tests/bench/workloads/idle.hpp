/// The cost of an idle runtime.
#pragma once

#include <string>

#include "workloads/bench_runtime.hpp"

namespace tenon::bench {

/// Lets the runtime become idle, observes it for two seconds and reports `<name>wakeups`, how often
/// per second its threads in all processes ran, and `<name>private`, the private memory of a
/// worker.
void report_idle(const std::string& name, Runtime& runtime);

}  // namespace tenon::bench

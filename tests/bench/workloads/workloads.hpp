/// The workloads that measure tenon: one step for each file.
#pragma once

#include "harness/measure.hpp"

namespace tenon::bench {

/// Synchronous calls with a small argument, back to back.
void awake_calls(const Settings& settings);
/// The same with a pause between them, in which both sides go to sleep.
void sleeping_calls(const Settings& settings);
/// Synchronous echo of large arguments, built in place and copied in.
void echo(const Settings& settings);
/// Futures from 1, 2 and 4 submitting threads.
void futures(const Settings& settings);
/// Runtime::map over tiny arguments.
void map(const Settings& settings);
/// The time from Runtime::start to the first result.
void start(const Settings& settings);
/// Queues of 1 k, 100 k and 10 M calls: time and memory.
void queue(const Settings& settings);
/// Many workers: start, many calls, idle, stop.
void workers(const Settings& settings);
/// The cost of idle workers.
void idle(const Settings& settings);
/// Short calls beside long ones.
void mixed(const Settings& settings);
/// Calls of tasks by other tasks.
void nested(const Settings& settings);
/// Pipelines of stages that do nothing.
void pipeline(const Settings& settings);
/// A plugin that is swapped under load: the latency of calls meanwhile, and how soon a changed file
/// is in use.
void swap(const Settings& settings);

}  // namespace tenon::bench

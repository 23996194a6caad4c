/// What tenon is measured at: one step per file.
#pragma once

#include "harness/measure.hpp"

namespace tenon::bench {

/// Synchronous calls of a small argument, back to back.
void awake_calls(const Settings& settings);
/// The same with a pause between them, in which both sides go to sleep.
void sleeping_calls(const Settings& settings);
/// Synchronous echo of large arguments, built in place and copied in.
void echo(const Settings& settings);
/// Futures from 1, 2 and 4 submitting threads.
void futures(const Settings& settings);
/// Runtime::map over tiny arguments.
void map(const Settings& settings);
/// From Runtime::start to the first result.
void start(const Settings& settings);
/// Calls that are queued 1 k, 100 k and 10 M deep: time and memory.
void queue(const Settings& settings);
/// Many workers: start, many calls, idle, stop.
void workers(const Settings& settings);
/// What workers that have nothing to do cost.
void idle(const Settings& settings);
/// Short calls beside long ones.
void mixed(const Settings& settings);
/// Calls of tasks by tasks.
void nested(const Settings& settings);
/// Pipelines of stages that do nothing.
void pipeline(const Settings& settings);
/// A plugin is swapped under load: what calls take meanwhile, and how soon a changed file is in use.
void swap(const Settings& settings);

}  // namespace tenon::bench

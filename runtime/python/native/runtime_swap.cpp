// Runtime._swap, _rollback, generations and events.
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/options.hpp"
#include "python/native/quantities.hpp"
#include "python/native/runtime.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

template <typename TimePoint>
double since_epoch(TimePoint time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// A generation as a tuple, from which tenon/runtime.py makes a Generation.
Ref generation_tuple(const GenerationInfo& info) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  const Ref source = text(info.source.native());
  const Ref reason = text(info.reason);
  const Ref note = text(info.note);
  if (!source || !reason || !note) {
    return {};
  }
  return Ref::steal(Py_BuildValue("(KsssOsdOOKKKKd)", number(info.number), info.plugin.c_str(), info.version.c_str(),
                                  info.sha256.c_str(), source.get(), generation_state_name(info.state).data(),
                                  since_epoch(info.since), reason.get(), note.get(), number(info.workers),
                                  number(info.calls), number(info.failed), number(info.crashed), seconds(info.p99)));
}

PyObject* report_tuple(const SwapReport& report) {
  const Ref now = generation_tuple(report.now);
  const Ref before = generation_tuple(report.before);
  const Ref untried = text(report.untried);
  const Ref overridden = Ref::steal(PyList_New(0));
  if (!now || !before || !untried || !overridden) {
    return nullptr;
  }
  for (const std::string& line : report.overridden) {
    const Ref entry = text(line);
    if (!entry || PyList_Append(overridden.get(), entry.get()) != 0) {
      return nullptr;
    }
  }
  return Py_BuildValue("(OOOOdddd)", now.get(), before.get(), overridden.get(), untried.get(), seconds(report.staged),
                       seconds(report.examined), seconds(report.warmed), seconds(report.tried));
}

PyObject* report_outcome(const std::optional<Result<SwapReport>>& report) {
  if (!report) {
    return nullptr;
  }
  return *report ? report_tuple(**report) : raise(report->error());
}

/// _swap(what, options)
PyObject* runtime_swap(PyObject* self, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    PyObject* what = nullptr;
    PyObject* given = nullptr;
    std::string target;
    SwapOptions options;
    if (PyArg_ParseTuple(arguments, "UO!", &what, &PyDict_Type, &given) == 0 || usable_core(self) == nullptr ||
        !read_text(what, target) || !read_swap_options(given, options)) {
      return nullptr;
    }
    return report_outcome(run_interruptibly<Result<SwapReport>>(
        [core = as_runtime(self)->core.get(), target, options] { return core->runtime.swap(target, options); }));
  });
}

/// _rollback(plugin, reason)
PyObject* runtime_rollback(PyObject* self, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    PyObject* name = nullptr;
    PyObject* why = nullptr;
    std::string plugin;
    std::string reason;
    if (PyArg_ParseTuple(arguments, "UU", &name, &why) == 0 || usable_core(self) == nullptr ||
        !read_text(name, plugin) || !read_text(why, reason)) {
      return nullptr;
    }
    return report_outcome(run_interruptibly<Result<SwapReport>>(
        [core = as_runtime(self)->core.get(), plugin, reason] { return core->runtime.rollback(plugin, reason); }));
  });
}

PyObject* runtime_generations(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    const RuntimeCore* const core = usable_core(self);
    Ref list = core == nullptr ? Ref() : Ref::steal(PyList_New(0));
    if (!list) {
      return nullptr;
    }
    for (const GenerationInfo& info : core->runtime.generations()) {
      const Ref entry = generation_tuple(info);
      if (!entry || PyList_Append(list.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    return list.release();
  });
}

/// _events_since(number): tuples (number, time, kind, plugin, version, sha256, generation, message).
PyObject* runtime_events_since(PyObject* self, PyObject* after) {
  return guarded([&]() -> PyObject* {
    const RuntimeCore* const core = usable_core(self);
    const unsigned long long number = core == nullptr ? 0 : PyLong_AsUnsignedLongLong(after);
    Ref list = core == nullptr || PyErr_Occurred() != nullptr ? Ref() : Ref::steal(PyList_New(0));
    if (!list) {
      return nullptr;
    }
    for (const SwapEvent& event : core->runtime.events_since(number)) {
      const Ref message = text(event.message);
      const Ref entry =
          message ? Ref::steal(Py_BuildValue("(KdssssKO)", static_cast<unsigned long long>(event.number),
                                             since_epoch(event.time), swap_event_name(event.kind).data(),
                                             event.plugin.c_str(), event.version.c_str(), event.sha256.c_str(),
                                             static_cast<unsigned long long>(event.generation), message.get()))
                  : Ref();
      if (!entry || PyList_Append(list.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    return list.release();
  });
}

/// _wait_event(number, timeout): waits until there is an event with a higher number. False if the time is over or the
/// runtime has ended.
PyObject* runtime_wait_event(PyObject* self, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    unsigned long long number = 0;
    PyObject* timeout = nullptr;
    std::optional<std::chrono::nanoseconds> limit;
    if (PyArg_ParseTuple(arguments, "KO", &number, &timeout) == 0 || usable_core(self) == nullptr ||
        !read_seconds("timeout", timeout, limit)) {
      return nullptr;
    }
    const std::shared_ptr<RuntimeCore> core = as_runtime(self)->core.get();
    const auto deadline = limit ? internal::time_point_after(*limit) : std::nullopt;
    bool found = false;
    const Waited waited = wait_interruptibly(
        [&](Clock::time_point until) {
          std::uint64_t seen = 0;
          bool ended = false;
          {
            const std::lock_guard lock(core->events.mutex);
            seen = core->events.events;
            ended = core->events.ended;
          }
          found = !core->runtime.events_since(number).empty();
          if (found || ended) {
            return true;
          }
          std::unique_lock lock(core->events.mutex);
          // Waits at most for one slice, because wait_until() of the standard library does not accept the end of time.
          core->events.changed.wait_until(lock, std::min(until, Clock::now() + std::chrono::hours(1)),
                                          [&] { return core->events.events != seen || core->events.ended; });
          return false;
        },
        deadline);
    return waited == Waited::kInterrupted ? nullptr : PyBool_FromLong(found);
  });
}

}  // namespace

PyMethodDef runtime_swap_methods[] = {
    {"_swap", runtime_swap, METH_VARARGS, nullptr},
    {"_rollback", runtime_rollback, METH_VARARGS, nullptr},
    {"_generations", runtime_generations, METH_NOARGS, nullptr},
    {"_events_since", runtime_events_since, METH_O, nullptr},
    {"_wait_event", runtime_wait_event, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace tenon::python

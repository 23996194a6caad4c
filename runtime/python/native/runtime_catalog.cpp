// The contents of a runtime: plugins, tasks, workers.
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/runtime.hpp"

namespace tenon::python {
namespace {

PyObject* runtime_stats(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    const RuntimeCore* const core = usable_core(self);
    if (core == nullptr) {
      return nullptr;
    }
    const RuntimeStats stats = core->runtime.stats();
    const Ref workers = Ref::steal(PyList_New(0));
    for (const RuntimeStats::Worker& worker : stats.workers) {
      const Ref entry = Ref::steal(Py_BuildValue(
          "(KLKd)", static_cast<unsigned long long>(worker.id), static_cast<long long>(worker.pid),
          static_cast<unsigned long long>(worker.calls), std::chrono::duration<double>(worker.mean_run).count()));
      if (!workers || !entry || PyList_Append(workers.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    return Py_BuildValue("(KKKKKKO)", number(stats.submitted), number(stats.succeeded), number(stats.failed),
                         number(stats.crashed_workers), number(stats.queued), number(stats.running), workers.get());
  });
}

/// The names of all tasks that can be called.
PyObject* runtime_task_names(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    const RuntimeCore* const core = usable_core(self);
    Ref names = core == nullptr ? Ref() : Ref::steal(PyList_New(0));
    if (!names) {
      return nullptr;
    }
    const Catalog catalog = core->runtime.catalog();
    for (const auto& plugin : catalog.plugins()) {
      if (!plugin->usable()) {
        continue;
      }
      for (const TaskInfo& task : plugin->schema->tasks()) {
        const Ref name = text(task.full_name);
        if (!name || PyList_Append(names.get(), name.get()) != 0) {
          return nullptr;
        }
      }
    }
    return names.release();
  });
}

/// All plugins as (name, version, file, sha256, problem); problem is None if the plugin can be used.
PyObject* runtime_plugins(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    const RuntimeCore* const core = usable_core(self);
    Ref list = core == nullptr ? Ref() : Ref::steal(PyList_New(0));
    if (!list) {
      return nullptr;
    }
    const Catalog catalog = core->runtime.catalog();
    for (const auto& plugin : catalog.plugins()) {
      const Ref file = text(plugin->file.native());
      const Ref problem = plugin->problem ? make_exception(*plugin->problem) : Ref::share(Py_None);
      const Ref entry = file && problem
                            ? Ref::steal(Py_BuildValue("(ssOsO)", plugin->name.c_str(), plugin->version.c_str(),
                                                       file.get(), plugin->sha256.c_str(), problem.get()))
                            : Ref();
      if (!entry || PyList_Append(list.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    return list.release();
  });
}

PyObject* runtime_worker_count(PyObject* self, PyObject* /*none*/) {
  const RuntimeCore* const core = usable_core(self);
  return core == nullptr ? nullptr : PyLong_FromUnsignedLong(core->runtime.worker_count());
}

}  // namespace

PyMethodDef runtime_catalog_methods[] = {
    {"_stats", runtime_stats, METH_NOARGS, nullptr},
    {"_task_names", runtime_task_names, METH_NOARGS, nullptr},
    {"_plugins", runtime_plugins, METH_NOARGS, nullptr},
    {"_worker_count", runtime_worker_count, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace tenon::python

#include "python/native/pipeline.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <tenon/pipeline.hpp>

#include "pipeline/plugin_dirs.hpp"
#include "pipeline/plugin_limits.hpp"
#include "python/native/errors.hpp"
#include "python/native/log_queue.hpp"
#include "python/native/options.hpp"
#include "python/native/pipeline_report.hpp"
#include "python/native/process_bound.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

/// One run, shared with the thread that executes it.
struct Run {
  explicit Run(Runtime started) : runtime(std::move(started)) {}
  Runtime runtime;
  std::shared_ptr<RunControl> control = std::make_shared<RunControl>();
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<RunReport> report;  ///< Guarded by the mutex; set at the end.
};

struct Loaded {
  Graph graph;
  RuntimeOptions options;
  std::shared_ptr<Run> run = {};
};

struct PipelineObject {
  PyObject ob_base;
  ProcessBound<std::unique_ptr<Loaded>> loaded;
};

PyTypeObject* g_pipeline_type = nullptr;

PipelineObject* as_pipeline(PyObject* object) {
  return reinterpret_cast<PipelineObject*>(object);
}

Loaded* usable_pipeline(PyObject* self) {
  auto& loaded = as_pipeline(self)->loaded;
  if (!loaded.usable()) {
    return raise(ErrorCode::kUnavailable,
                 "this pipeline belongs to the process that this one was forked from; load another one here");
  }
  return loaded->get();
}

Run* usable_run(PyObject* self) {
  const Loaded* const loaded = usable_pipeline(self);
  if (loaded != nullptr && loaded->run == nullptr) {
    return raise(ErrorCode::kInvalidArgument, "the pipeline has not been started");
  }
  return loaded == nullptr ? nullptr : loaded->run.get();
}

void pipeline_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  auto& loaded = as_pipeline(self)->loaded;
  if (loaded.usable() && loaded->get() != nullptr && loaded->get()->run != nullptr) {
    loaded->get()->run->control->cancel();  // The thread shuts down the runtime.
  }
  loaded.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

/// start(): starts workers, and the run on a separate thread.
PyObject* pipeline_start(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    Loaded* const loaded = usable_pipeline(self);
    if (loaded == nullptr) {
      return nullptr;
    }
    if (loaded->run != nullptr) {
      return raise(ErrorCode::kInvalidArgument, "the pipeline has been started already; load it again");
    }
    using Started = Result<std::shared_ptr<Run>>;
    auto started = run_interruptibly<Started>([options = loaded->options]() mutable -> Started {
      return Runtime::start(std::move(options)).map([](Runtime runtime) {
        return std::make_shared<Run>(std::move(runtime));
      });
    });
    if (!started) {
      return nullptr;
    }
    if (!*started) {
      return raise(started->error());
    }
    loaded->run = **started;
    std::thread([run = loaded->run, graph = loaded->graph] {
      RunOptions options;
      options.control = run->control;
      RunReport report = run_pipeline(run->runtime, graph, options);
      // Not kKill: workers that stop close their sessions, which then remove their unfinished files.
      run->runtime.shutdown(report.end == RunReport::End::kDone ? Shutdown::kDrain : Shutdown::kCancel);
      const std::lock_guard lock(run->mutex);
      run->report.emplace(std::move(report));
      run->ended.notify_all();
    }).detach();
    Py_RETURN_NONE;
  });
}

/// wait(seconds): waits for the end of the run. False if the time is over first.
PyObject* pipeline_wait(PyObject* self, PyObject* seconds) {
  return guarded([&]() -> PyObject* {
    const double limit = PyFloat_AsDouble(seconds);
    const Loaded* const loaded =
        PyErr_Occurred() != nullptr || usable_run(self) == nullptr ? nullptr : usable_pipeline(self);
    if (loaded == nullptr) {
      return nullptr;
    }
    const std::shared_ptr<Run> run = loaded->run;
    const Waited waited = wait_interruptibly(
        [&run](Clock::time_point until) {
          std::unique_lock lock(run->mutex);
          return run->ended.wait_until(lock, until, [&run] { return run->report.has_value(); });
        },
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit)));
    return waited == Waited::kInterrupted ? nullptr : PyBool_FromLong(waited == Waited::kDone);
  });
}

/// report(): the counts so far, or the whole report once the run has ended.
PyObject* pipeline_report(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    Run* const run = usable_run(self);
    if (run == nullptr) {
      return nullptr;
    }
    std::optional<RunReport> report;
    {
      const std::lock_guard lock(run->mutex);
      report = run->report;
    }
    if (!report) {
      // A run is over when its workers have exited too.
      report = run->control->report();
      report->end = RunReport::End::kRunning;
    }
    return report_dict(*report);
  });
}

/// steer(what): "pause", "resume", "drain" or "cancel".
PyObject* pipeline_steer(PyObject* self, PyObject* what) {
  Run* const run = usable_run(self);
  const char* const name = run == nullptr ? nullptr : PyUnicode_AsUTF8(what);
  if (name == nullptr) {
    return nullptr;
  }
  const std::string_view word = name;
  if (word == "pause") {
    run->control->pause();
  } else if (word == "resume") {
    run->control->resume();
  } else if (word == "drain") {
    run->control->drain();
  } else if (word == "cancel") {
    run->control->cancel();
  } else {
    return raise(ErrorCode::kInvalidArgument, "a run can be told to pause, resume, drain or cancel");
  }
  Py_RETURN_NONE;
}

PyObject* pipeline_name(PyObject* self, void* /*closure*/) {
  const Loaded* const loaded = usable_pipeline(self);
  return loaded == nullptr ? nullptr : text(loaded->graph.name()).release();
}

PyMethodDef pipeline_methods[] = {
    {"start", pipeline_start, METH_NOARGS, nullptr},
    {"wait", pipeline_wait, METH_O, nullptr},
    {"report", pipeline_report, METH_NOARGS, nullptr},
    {"steer", pipeline_steer, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef pipeline_properties[] = {
    {"name", pipeline_name, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

/// The outcome of loading a file.
struct LoadOutcome {
  std::unique_ptr<Loaded> loaded;
  Diagnostics diagnostics;
};

Result<LoadOutcome> load(const std::filesystem::path& file, const LoadOptions& load_options, RuntimeOptions options) {
  CatalogOptions catalog_options;
  catalog_options.plugin_dirs = options.plugin_dirs;
  for (auto& directory : internal::read_plugin_dirs(file, load_options)) {
    catalog_options.plugin_dirs.push_back(std::move(directory));
  }
  catalog_options.cache_dir = options.cache_dir;
  catalog_options.worker_executable = options.worker_executable;
  catalog_options.limits = options.plugin_limits;
  catalog_options.limits_of = options.limits_of_plugins;
  for (auto& [plugin, limits] : internal::read_plugin_limits(file, load_options, options.plugin_limits)) {
    catalog_options.limits_of.emplace(plugin, limits);
  }
  auto catalog = Catalog::open(catalog_options);
  if (!catalog) {
    return fail(std::move(catalog.error()));
  }
  LoadOutcome outcome;
  auto graph = Graph::load(file, *catalog, load_options, outcome.diagnostics);
  if (graph) {
    options.catalog = std::move(*catalog);
    options.limits_of_plugins = catalog_options.limits_of;
    options.plugin_settings = graph->plugin_settings();
    outcome.loaded = std::make_unique<Loaded>(Loaded{std::move(*graph), std::move(options)});
  }
  return outcome;
}

bool read_overrides(PyObject* given, LoadOptions& options) {
  const Ref items = Ref::steal(PySequence_Fast(given, "overrides: expected a list of pairs"));
  if (!items) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    auto& entry = options.overrides.emplace_back();
    if (PyArg_ParseTuple(PySequence_Fast_GET_ITEM(items.get(), i), "UU", &key, &value) == 0 ||
        !read_text(key, entry.first) || !read_text(value, entry.second)) {
      return false;
    }
  }
  return true;
}

}  // namespace

PyObject* load_pipeline(PyObject* /*module*/, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    PyObject* path = nullptr;
    PyObject* overrides = nullptr;
    PyObject* given = nullptr;
    std::string file;
    LoadOptions load_options;
    RuntimeOptions options;
    if (PyArg_ParseTuple(arguments, "UOO!", &path, &overrides, &PyDict_Type, &given) == 0 || !read_text(path, file) ||
        !read_overrides(overrides, load_options) || !read_runtime_options(given, options)) {
      return nullptr;
    }
    OptionReader reader(given);
    if (PyObject* const log = reader.find("log"); log != nullptr && !read_log_sink(log, options.log)) {
      return nullptr;
    }
    options.overflow = Overflow::kBlock;
    using Outcome = Result<LoadOutcome>;
    auto outcome = run_interruptibly<Outcome>([file, load_options, options = std::move(options)]() mutable -> Outcome {
      return load(file, load_options, std::move(options));
    });
    if (!outcome) {
      return nullptr;
    }
    if (!*outcome) {
      return raise(outcome->error());
    }
    const Ref diagnostics = diagnostics_list((*outcome)->diagnostics);
    if (!diagnostics) {
      return nullptr;
    }
    if ((*outcome)->loaded == nullptr) {
      return PyTuple_Pack(2, Py_None, diagnostics.get());
    }
    const Ref object = Ref::steal(g_pipeline_type->tp_alloc(g_pipeline_type, 0));
    if (!object) {
      return nullptr;
    }
    new (&as_pipeline(object.get())->loaded) ProcessBound<std::unique_ptr<Loaded>>(std::move((*outcome)->loaded));
    return PyTuple_Pack(2, object.get(), diagnostics.get());
  });
}

Ref make_pipeline_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(pipeline_dealloc)},
      {Py_tp_methods, pipeline_methods},
      {Py_tp_getset, pipeline_properties},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Pipeline", sizeof(PipelineObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_pipeline_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

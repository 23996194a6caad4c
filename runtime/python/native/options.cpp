#include "python/native/options.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <utility>

namespace tenon::python {

bool read_text(PyObject* value, std::string& text) {
  Py_ssize_t size = 0;
  if (PyUnicode_Check(value)) {
    if (const char* const utf8 = PyUnicode_AsUTF8AndSize(value, &size)) {
      text.assign(utf8, static_cast<std::size_t>(size));
      return true;
    }
    PyErr_Clear();  // There are lone surrogates.
  }
  const Ref bytes = Ref::steal(PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape"));
  if (!bytes) {
    return false;
  }
  text.assign(PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  return true;
}

PyObject* OptionReader::find(const char* key) {
  if (!ok_) {
    return nullptr;
  }
  PyObject* const value = PyDict_GetItemString(options_, key);
  return value == Py_None ? nullptr : value;
}

void OptionReader::read(const char* key, std::string& value) {
  if (PyObject* const object = find(key); object != nullptr && !read_text(object, value)) {
    fail();
  }
}

void OptionReader::read(const char* key, std::filesystem::path& value) {
  std::string path;
  if (find(key) != nullptr) {
    read(key, path);
    value = path;
  }
}

void OptionReader::read(const char* key, std::vector<std::filesystem::path>& value) {
  PyObject* const object = find(key);
  if (object == nullptr) {
    return;
  }
  const Ref items = Ref::steal(PySequence_Fast(object, "a list of paths"));
  if (!items) {
    return fail();
  }
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    std::string path;
    if (!read_text(PySequence_Fast_GET_ITEM(items.get(), i), path)) {
      return fail();
    }
    value.emplace_back(path);
  }
}

void OptionReader::read(const char* key, bool& value) {
  if (PyObject* const object = find(key)) {
    const int truth = PyObject_IsTrue(object);
    if (truth < 0) {
      return fail();
    }
    value = truth != 0;
  }
}

void OptionReader::read(const char* key, double& value) {
  if (PyObject* const object = find(key)) {
    value = PyFloat_AsDouble(object);
    if (PyErr_Occurred() != nullptr) {
      fail();
    }
  }
}

void OptionReader::read(const char* key, std::uint64_t& value) {
  if (PyObject* const object = find(key)) {
    value = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred() != nullptr) {
      fail();
    }
  }
}

void OptionReader::read(const char* key, unsigned& value) {
  std::uint64_t wide = value;
  read(key, wide);
  if (ok_ && wide > std::numeric_limits<unsigned>::max()) {
    PyErr_Format(PyExc_OverflowError, "%s is too large", key);
    return fail();
  }
  value = static_cast<unsigned>(wide);
}

void OptionReader::read(const char* key, std::chrono::milliseconds& value) {
  if (PyObject* const object = find(key)) {
    value = std::chrono::milliseconds(PyLong_AsLongLong(object));
    if (PyErr_Occurred() != nullptr) {
      fail();
    }
  }
}

namespace {

bool read_limits(PyObject* options, PluginLimits& limits) {
  OptionReader reader(options);
  reader.read("start_timeout_ms", limits.start_timeout);
  reader.read("memory_bytes", limits.memory_bytes);
  return reader.ok();
}

/// Reads a list with one entry for each worker: pairs of a variable and its value. Workers beyond it get the last
/// entry. It is read here, because a thread of the runtime must not call Python.
bool read_worker_environment(PyObject* given, std::function<RuntimeOptions::WorkerEnvironment(unsigned)>& environment) {
  std::vector<RuntimeOptions::WorkerEnvironment> of_workers;
  const Ref items = Ref::steal(PySequence_Fast(given, "worker_environment: expected a list"));
  for (Py_ssize_t i = 0; items && i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    const Ref pairs = Ref::steal(PySequence_Fast(PySequence_Fast_GET_ITEM(items.get(), i), "expected a list of pairs"));
    auto& variables = of_workers.emplace_back();
    for (Py_ssize_t j = 0; pairs && j < PySequence_Fast_GET_SIZE(pairs.get()); ++j) {
      PyObject* name = nullptr;
      PyObject* value = nullptr;
      auto& [variable, text] = variables.emplace_back();
      if (PyArg_ParseTuple(PySequence_Fast_GET_ITEM(pairs.get(), j), "UU", &name, &value) == 0 ||
          !read_text(name, variable) || !read_text(value, text)) {
        return false;
      }
    }
    if (!pairs) {
      return false;
    }
  }
  if (!items) {
    return false;
  }
  if (!of_workers.empty()) {
    environment = [of_workers = std::move(of_workers)](unsigned index) {
      return of_workers[std::min<std::size_t>(index, of_workers.size() - 1)];
    };
  }
  return true;
}

bool read_hot_swap(PyObject* options, HotSwapOptions& result) {
  OptionReader reader(options);
  reader.read("store_dir", result.store_dir);
  reader.read("instance", result.instance);
  reader.read("max_store_bytes", result.max_store_bytes);
  std::uint64_t files = result.max_store_files;
  reader.read("max_store_files", files);
  result.max_store_files = static_cast<std::size_t>(files);
  reader.read("watch", result.watch);
  reader.read("debounce_ms", result.debounce);
  reader.read("rescan_ms", result.rescan);
  PyObject* const swaps = reader.find("swaps");
  return reader.ok() && (swaps == nullptr || read_swap_options(swaps, result.swaps));
}

}  // namespace

bool read_swap_options(PyObject* options, SwapOptions& result) {
  OptionReader reader(options);
  reader.read("force", result.force);
  reader.read("canary_share", result.canary_share);
  reader.read("shadow", result.shadow);
  reader.read("canary_calls", result.canary_calls);
  reader.read("canary_time_ms", result.canary_time);
  reader.read("probation_ms", result.probation);
  reader.read("max_crash_rate", result.max_crash_rate);
  reader.read("max_error_rate_increase", result.max_error_rate_increase);
  reader.read("max_p99_ratio", result.max_p99_ratio);
  reader.read("step_timeout_ms", result.step_timeout);
  reader.read("session_drain_ms", result.session_drain);
  return reader.ok();
}

bool read_runtime_options(PyObject* options, RuntimeOptions& result) {
  OptionReader reader(options);
  reader.read("workers", result.workers);
  reader.read("plugin_dirs", result.plugin_dirs);
  reader.read("worker_executable", result.worker_executable);
  reader.read("cache_dir", result.cache_dir);
  reader.read("max_queued_calls", result.max_queued_calls);
  reader.read("max_queued_bytes", result.max_queued_bytes);
  bool rejects = false;
  reader.read("rejects", rejects);
  result.overflow = rejects ? Overflow::kReject : Overflow::kBlock;
  reader.read("argument_arena_bytes", result.argument_arena_bytes);
  reader.read("result_arena_bytes", result.result_arena_bytes);
  reader.read("large_block_cache_bytes", result.large_block_cache_bytes);
  reader.read("worker_memory_limit_bytes", result.worker_memory_limit_bytes);
  reader.read("recycle_after_calls", result.recycle_after_calls);
  reader.read("recycle_above_bytes", result.recycle_above_bytes);
  if (PyObject* const environment = reader.find("worker_environment");
      environment != nullptr && !read_worker_environment(environment, result.worker_environment)) {
    return false;
  }
  reader.read("copy_results", result.copy_results);
  reader.read("cancel_grace_ms", result.cancel_grace);
  reader.read("drain_timeout_ms", result.drain_timeout);
  reader.read("start_timeout_ms", result.start_timeout);
  reader.read("stall_timeout_ms", result.stall_timeout);
  if (PyObject* const limits = reader.find("limits"); limits != nullptr && !read_limits(limits, result.plugin_limits)) {
    return false;
  }
  if (PyObject* const of_plugins = reader.find("limits_of_plugins")) {
    PyObject* name = nullptr;
    PyObject* limits = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(of_plugins, &at, &name, &limits) != 0;) {
      std::string plugin;
      PluginLimits own = result.plugin_limits;
      if (!read_text(name, plugin) || !read_limits(limits, own)) {
        return false;
      }
      result.limits_of_plugins[plugin] = own;
    }
  }
  if (PyObject* const hot_swap = reader.find("hot_swap")) {
    result.hot_swap.emplace();
    if (!read_hot_swap(hot_swap, *result.hot_swap)) {
      return false;
    }
  }
  return reader.ok();
}

}  // namespace tenon::python

#include "start.hpp"

#include "python/codec/python_api.hpp"

#include <dlfcn.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <tenon/plugin.hpp>

#include "host.hpp"
#include "worker_module.hpp"

namespace py {
namespace {

namespace fs = std::filesystem;
using tenon::TaskError;
using tenon::python::Ref;

constexpr const char* kVersion = Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(PY_MINOR_VERSION);

/// Extension modules do not link libpython: they find its symbols only if these are global, but a
/// plugin is loaded with local ones.
void make_symbols_global() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&Py_IsInitialized), &info) == 0 || info.dli_fname == nullptr ||
      dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) == nullptr) {
    const char* const why = dlerror();
    throw TaskError(TENON_UNSUPPORTED, std::string("extension modules of Python could not be loaded: ") +
                                           (why != nullptr ? why : "libpython is not a shared library here"));
  }
}

/// Rejects a virtual environment of another Python: loading its packages would crash this one.
void check_environment(const fs::path& configuration) {
  std::ifstream in(configuration);
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) {
      continue;
    }
    const auto strip = [](std::string text) {
      const std::size_t first = text.find_first_not_of(" \t\r");
      return first == std::string::npos ? std::string()
                                        : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
    };
    const std::string key = strip(line.substr(0, equals));
    const std::string value = strip(line.substr(equals + 1));
    const bool names_version = key == "version" || key == "version_info";
    if (names_version && value != kVersion && !value.starts_with(std::string(kVersion) + ".")) {
      throw TaskError(TENON_INCOMPATIBLE, "the virtual environment " + configuration.parent_path().string() +
                                              " is for Python " + value + ", but this plugin uses Python " + kVersion +
                                              "; create one with python" + kVersion + " -m venv");
    }
  }
}

/// The interpreter's file that the setting refers to: directly, or inside the directory of a
/// virtual environment.
fs::path find_executable(const StartOptions& options) {
  const std::string& setting = options.executable;
  if (setting.empty()) {
    // Not the first one in PATH, which may be another Python than the linked one.
    return TENON_PY_EXECUTABLE;
  }
  std::error_code failed;
  fs::path executable = setting;
  if (fs::is_directory(executable, failed)) {
    if (!fs::exists(executable / "pyvenv.cfg", failed)) {
      throw TaskError(TENON_NOT_FOUND,
                      "the directory " + setting +
                          " is not a virtual environment (it has no pyvenv.cfg); create one with python" + kVersion +
                          " -m venv " + setting + ", or change `executable` of the settings");
    }
    executable /= "bin/python";
  }
  if (!fs::exists(executable, failed)) {
    throw TaskError(TENON_NOT_FOUND, "there is no Python at " + executable.string() +
                                         "; create a virtual environment with python" + kVersion +
                                         " -m venv DIRECTORY, or change `executable` of the settings of the plugin " +
                                         options.plugin);
  }
  for (const fs::path& directory : {executable.parent_path(), executable.parent_path().parent_path()}) {
    if (fs::exists(directory / "pyvenv.cfg", failed)) {
      check_environment(directory / "pyvenv.cfg");
    }
  }
  return fs::absolute(executable, failed);
}

class Config {
 public:
  Config() { PyConfig_InitPythonConfig(&config_); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  ~Config() { PyConfig_Clear(&config_); }
  PyConfig* operator->() noexcept { return &config_; }
  PyConfig* get() noexcept { return &config_; }

 private:
  PyConfig config_;
};

void check(PyStatus status, const StartOptions& options) {
  if (PyStatus_Exception(status) != 0) {
    throw TaskError(TENON_FAILED, std::string("Python did not start: ") +
                                      (status.err_msg != nullptr ? status.err_msg : "no reason given") +
                                      "; check `executable` and `environment` of the settings of the plugin " +
                                      options.plugin + ", and PYTHONHOME and PYTHONPATH");
  }
}

[[noreturn]] void fail_with_traceback(const std::string& what) {
  throw TaskError(TENON_FAILED, what + ":\n" + take_traceback());
}

PyObject* sys_path() {
  PyObject* const path = PySys_GetObject("path");
  if (path == nullptr || !PyList_Check(path)) {
    throw TaskError(TENON_FAILED, "Python has no sys.path");
  }
  return path;
}

/// Directories that may contain the package `tenon`. The plugin itself may have been loaded from a
/// store, so its own location does not help.
std::vector<fs::path> package_places() {
  std::error_code failed;
  const fs::path worker = fs::read_symlink("/proc/self/exe", failed);
  const fs::path prefix = worker.parent_path().parent_path();
  std::vector<fs::path> places;
  if (!prefix.empty()) {
    places = {prefix, prefix / "python", prefix / TENON_PY_INSTALL_DIR};  // a wheel, the build tree, installed
  }
  places.emplace_back(TENON_PY_BUILT_PACKAGE);
  return places;
}

/// Appends the package `tenon`, which tasks may use, to the end of the path: an installed one has
/// priority.
void add_package() {
  PyObject* const path = sys_path();
  std::error_code failed;
  for (const fs::path& directory : package_places()) {
    if (fs::exists(directory / "tenon" / "_codec.py", failed)) {
      const Ref text(PyUnicode_DecodeFSDefault(directory.c_str()));
      if (!text || PyList_Append(path, text.get()) < 0) {
        fail_with_traceback("sys.path cannot be set");
      }
      break;
    }
  }
}

}  // namespace

std::string start_python(const StartOptions& options) {
  make_symbols_global();
  for (const auto& [name, value] : options.environment) {
    if (value) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
  // Python code expects an error when a pipe breaks, not the death of the process.
  struct sigaction now {};
  if (sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
    signal(SIGPIPE, SIG_IGN);
  }
  PyImport_AppendInittab("_tenon_worker", &make_worker_module);

  const fs::path executable = find_executable(options);
  Config config;
  // Python must not parse the worker's arguments or handle its signals.
  config->parse_argv = 0;
  config->install_signal_handlers = 0;
  // A line must reach the host's log before a crash; buffering has no advantage here.
  config->buffered_stdio = 0;
  // Shows the position of the Python code when a signal kills the worker: the end of stderr becomes
  // part of the error.
  config->faulthandler = 1;
  config->pathconfig_warnings = 0;
  check(PyConfig_SetBytesString(config.get(), &config->program_name, executable.c_str()), options);
  check(PyConfig_SetBytesString(config.get(), &config->executable, executable.c_str()), options);
  check(Py_InitializeFromConfig(config.get()), options);
  extend_path(options);
  add_package();
  return executable.string();
}

std::string resolved_executable(const StartOptions& options) {
  return find_executable(options).string();
}

void extend_path(const StartOptions& options) {
  PyObject* const path = sys_path();
  Py_ssize_t at = 0;
  for (const std::string& entry : options.path) {
    const Ref text(PyUnicode_DecodeFSDefaultAndSize(entry.data(), static_cast<Py_ssize_t>(entry.size())));
    if (!text || PyList_Insert(path, at++, text.get()) < 0) {
      fail_with_traceback("sys.path cannot be set");
    }
  }
}

}  // namespace py

/// interpreter.hpp: CPython inside a worker, as the state of the plugin.
#pragma once

#include "python/codec/python_api.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tenon/plugin.hpp>

#include "current_call.hpp"
#include "python/codec/encoder.hpp"

namespace py {

struct Settings;

/// The interpreter of this process. Made on the task thread, which is Python's main thread from then on; between calls
/// the GIL is free, so that threads that a task started keep running. Never finalized: what extension modules do then
/// is the most common reason for a crash at the end, and the process ends anyway.
class Interpreter {
 public:
  /// Starts it by the plugin's settings. A failure does not make the plugin unusable, which would tell callers nothing:
  /// it is kept, and each call fails with it.
  explicit Interpreter(const tenon::WorkerContext& worker);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  /// Throws tenon::TaskError TENON_UNAVAILABLE with what failed at the start, if anything did.
  void require_start() const;

  /// Holds the GIL on the task thread as long as it lives.
  class WithGil {
   public:
    explicit WithGil(Interpreter& interpreter) noexcept : interpreter_(interpreter) {
      PyEval_RestoreThread(interpreter_.detached_);
    }
    WithGil(const WithGil&) = delete;
    WithGil& operator=(const WithGil&) = delete;
    ~WithGil() { interpreter_.detached_ = PyEval_SaveThread(); }

   private:
    Interpreter& interpreter_;
  };
  /// Gives the GIL up on the task thread as long as it lives; another call may run meanwhile, inside this one.
  class WithoutGil {
   public:
    explicit WithoutGil(Interpreter& interpreter) noexcept : interpreter_(interpreter) {
      interpreter_.detached_ = PyEval_SaveThread();
    }
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;
    ~WithoutGil() { PyEval_RestoreThread(interpreter_.detached_); }

   private:
    Interpreter& interpreter_;
  };

  /// The function of a name, imported when it is first asked for; borrowed. Null with a Python exception.
  PyObject* function(std::string_view name);
  [[nodiscard]] CurrentCall& current() noexcept { return current_; }
  [[nodiscard]] const tenon::WorkerContext& worker() const noexcept { return worker_; }
  /// Passes what `logging` gets to the host, once that module has been imported.
  void connect_logging();

  /// An encoder that nothing else uses until the lease ends.
  class EncoderLease {
   public:
    explicit EncoderLease(Interpreter& interpreter);
    EncoderLease(const EncoderLease&) = delete;
    EncoderLease& operator=(const EncoderLease&) = delete;
    ~EncoderLease();
    tenon::python::Encoder& operator*() const noexcept { return *encoder_; }
    tenon::python::Encoder* operator->() const noexcept { return encoder_.get(); }

   private:
    Interpreter& interpreter_;
    std::unique_ptr<tenon::python::Encoder> encoder_;
  };

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };

  void set_up(const Settings& settings);

  const tenon::WorkerContext& worker_;
  /// The thread state of the task thread while it does not hold the GIL.
  PyThreadState* detached_ = nullptr;
  CurrentCall current_;
  std::unordered_map<std::string, PyObject*, Hash, std::equal_to<>> functions_;
  std::vector<std::unique_ptr<tenon::python::Encoder>> idle_encoders_;
  std::string log_level_;
  std::string failure_;
  bool logging_connected_ = false;
};

/// The traceback of the exception that is set, which is cleared.
std::string take_traceback();

}  // namespace py

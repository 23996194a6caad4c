#include "python/native/log_queue.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/process_bound.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

/// Maximum number of waiting lines; further ones are counted and dropped until Python has taken some.
constexpr std::size_t kMaxLines = 65'536;
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

struct Line {
  LogLevel level = LogLevel::kInfo;
  std::string message;
  std::string plugin;
  std::string version;
  std::string task;
  std::string source;
  std::uint64_t worker_id = 0;
  std::uint64_t call_id = 0;
  std::uint64_t dropped = 0;
};

/// [any-thread]
class LogLines {
 public:
  void add(const LogRecord& record) {
    const std::lock_guard lock(mutex_);
    if (closed_ || lines_.size() >= kMaxLines || bytes_ + record.message.size() > kMaxBytes) {
      dropped_ += 1 + record.dropped;
      return;
    }
    Line& line = lines_.emplace_back();
    line.level = record.level;
    line.message = record.message;
    line.plugin = record.plugin;
    line.version = record.version;
    line.task = record.task;
    line.source = record.source;
    line.worker_id = record.worker_id;
    line.call_id = record.call_id;
    line.dropped = record.dropped + std::exchange(dropped_, 0);
    bytes_ += line.message.size();
    arrived_.notify_one();
  }
  /// Returns whether there is a line, or the queue is closed.
  bool wait_until(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return closed_ || !lines_.empty(); };
    if (deadline == Clock::time_point::max()) {
      arrived_.wait(lock, ready);
      return true;
    }
    return arrived_.wait_until(lock, deadline, ready);
  }
  [[nodiscard]] std::deque<Line> take() {
    const std::lock_guard lock(mutex_);
    bytes_ = 0;
    return std::exchange(lines_, {});
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    arrived_.notify_all();
  }

 private:
  std::mutex mutex_;  // Guards the members below.
  std::condition_variable arrived_;
  std::deque<Line> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool closed_ = false;
};

struct LogQueueObject {
  PyObject ob_base;
  ProcessBound<std::shared_ptr<LogLines>> lines;
};

PyTypeObject* g_log_queue_type = nullptr;

LogQueueObject* as_queue(PyObject* object) {
  return reinterpret_cast<LogQueueObject*>(object);
}

PyObject* log_queue_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  return guarded([&]() -> PyObject* {
    auto lines = std::make_shared<LogLines>();
    PyObject* const object = type->tp_alloc(type, 0);
    if (object != nullptr) {
      new (&as_queue(object)->lines) ProcessBound<std::shared_ptr<LogLines>>(std::move(lines));
    }
    return object;
  });
}

void log_queue_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  if (as_queue(self)->lines.usable()) {
    as_queue(self)->lines.get()->close();
  }
  as_queue(self)->lines.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

/// take(): waits for lines, and returns them as tuples; an empty list once the queue is closed and empty.
PyObject* log_queue_take(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    if (!as_queue(self)->lines.usable()) {
      return PyList_New(0);
    }
    const std::shared_ptr<LogLines> lines = as_queue(self)->lines.get();
    if (wait_interruptibly([&](Clock::time_point until) { return lines->wait_until(until); }, std::nullopt) ==
        Waited::kInterrupted) {
      return nullptr;
    }
    Ref list = Ref::steal(PyList_New(0));
    for (const Line& line : lines->take()) {
      const Ref message = text(line.message);
      const Ref plugin = text(line.plugin);
      const Ref version = text(line.version);
      const Ref task = text(line.task);
      const Ref source = text(line.source);
      if (!list || !message || !plugin || !version || !task || !source) {
        return nullptr;
      }
      const Ref entry = Ref::steal(
          Py_BuildValue("(iOOOOOKKK)", static_cast<int>(line.level), message.get(), plugin.get(), version.get(),
                        task.get(), source.get(), static_cast<unsigned long long>(line.worker_id),
                        static_cast<unsigned long long>(line.call_id), static_cast<unsigned long long>(line.dropped)));
      if (!entry || PyList_Append(list.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    return list.release();
  });
}

PyObject* log_queue_close(PyObject* self, PyObject* /*none*/) {
  if (as_queue(self)->lines.usable()) {
    as_queue(self)->lines.get()->close();
  }
  Py_RETURN_NONE;
}

PyMethodDef log_queue_methods[] = {
    {"take", log_queue_take, METH_NOARGS, nullptr},
    {"close", log_queue_close, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool read_log_sink(PyObject* queue, LogSink& sink) {
  if (Py_TYPE(queue) != g_log_queue_type || !as_queue(queue)->lines.usable()) {
    PyErr_SetString(PyExc_TypeError, "log: expected a LogQueue of this process");
    return false;
  }
  sink = [lines = as_queue(queue)->lines.get()](const LogRecord& record) { lines->add(record); };
  return true;
}

Ref make_log_queue_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(log_queue_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(log_queue_dealloc)},
      {Py_tp_methods, log_queue_methods},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.LogQueue", sizeof(LogQueueObject), 0, Py_TPFLAGS_DEFAULT, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_log_queue_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

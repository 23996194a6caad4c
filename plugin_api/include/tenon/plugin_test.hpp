/// tenon/plugin_test.hpp: runs a plugin's tasks inside a test, without worker processes or
/// transport.
///
///   tenon::test::Worker worker;                                  // links plugin_<name>_objects
///   auto outcome = worker.call("greet", hello::NameT{.text = "you"});
///   CHECK(outcome.as<hello::Greeting>().text()->str() == "Hello, you");
///
///   auto session = worker.open("numbers", range);                // a source or a reduce
///   auto step = session.step(10);                                // up to ten results
///   auto later = worker.open("numbers", range, {}, session.checkpoint());
///
/// The worker is as strict as the contract in <tenon/plugin.h> permits: each block is a heap block
/// of exactly the requested size, moved at each growth and freed immediately, and arguments are
/// copies that are freed with the call. Run it under AddressSanitizer. Use it on one thread, and not in production.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/plugin.h>
#include <tenon/plugin/call.hpp>
#include <tenon/plugin/table.hpp>

namespace tenon::test {

/// Owned bytes, aligned to 16. Copies share them.
class Block {
 public:
  Block() = default;
  explicit Block(std::span<const std::uint8_t> bytes) : bytes_(std::make_shared<internal::AlignedBytes>(bytes)) {}
  explicit Block(const flatbuffers::FlatBufferBuilder& finished)
      : Block(std::span<const std::uint8_t>(finished.GetBufferPointer(), finished.GetSize())) {}
  template <internal::NativeTable N>
  Block(const N& native) {  // NOLINT: converts an object to its bytes
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(N::TableType::Pack(builder, &native));
    *this = Block(builder);
  }

  [[nodiscard]] bool empty() const noexcept { return !bytes_ || bytes_->span().empty(); }
  [[nodiscard]] std::span<const std::uint8_t> span() const noexcept {
    return bytes_ ? bytes_->span() : std::span<const std::uint8_t>();
  }
  /// data is NULL for a default-constructed block.
  [[nodiscard]] tenon_bytes_t raw() const noexcept { return bytes_ ? bytes_->raw() : tenon_bytes_t{nullptr, 0}; }
  /// A copy at another address.
  [[nodiscard]] Block clone() const { return bytes_ ? Block(span()) : Block(); }
  /// The verified root. Throws TaskError if verification fails.
  template <typename T>
  [[nodiscard]] const T& as() const {
    return internal::verified_root<T>(span(), "block");
  }

 private:
  std::shared_ptr<const internal::AlignedBytes> bytes_;
};

/// The outcome of a call or step.
struct Outcome {
  tenon_status_t status = TENON_OK;
  /// The message passed to `fail`; empty otherwise.
  std::string message;
  /// The committed results, in order.
  std::vector<Block> results;

  [[nodiscard]] bool ok() const noexcept { return status == TENON_OK || status == TENON_END; }
  /// The only result. Throws std::logic_error with status and message if there is not exactly one.
  template <typename T>
  [[nodiscard]] const T& as() const {
    if (!ok() || results.size() != 1) {
      throw std::logic_error("status " + std::to_string(status) + ", " + std::to_string(results.size()) +
                             " results: " + message);
    }
    return results.front().as<T>();
  }
};

/// A test's settings for calls.
struct Settings {
  /// How many times `poll` returns TENON_OK before it returns `stop_status`.
  std::uint64_t polls_before_stop = UINT64_MAX;
  tenon_status_t stop_status = TENON_CANCELLED;
  std::int64_t deadline_ns = INT64_MAX;
  std::uint32_t attempt = 1;
  /// Limit of block sizes; larger blocks fail with TENON_TOO_LARGE.
  std::uint64_t result_limit_bytes = UINT64_MAX;
  /// The number of the `reserve` or `grow_down` of a call that fails with TENON_OUT_OF_MEMORY, from
  /// 1; 0 for none.
  std::uint64_t failing_allocation = 0;
};

class Worker;

namespace detail {

/// One call or step: the state behind the functions of the ABI.
struct Serving {
  Worker* worker = nullptr;
  const Settings* settings = nullptr;
  const tenon_task_t* task = nullptr;
  Outcome outcome;
  std::uint32_t results_allowed = 1;
  std::unique_ptr<internal::AlignedBytes> open;
  std::vector<Block> nested;
  std::string last_error;
  std::uint64_t polls = 0;
  std::uint64_t allocations = 0;
};

inline Serving& serving(tenon_call_t* call) {
  return *static_cast<Serving*>(call->worker_data);
}

}  // namespace detail

/// An open source or reduce. Must not outlive its worker.
class Session {
 public:
  Session(Session&& other) noexcept
      : worker_(other.worker_),
        task_(other.task_),
        session_(std::exchange(other.session_, nullptr)),
        params_(other.params_),
        opened_(std::move(other.opened_)) {}
  Session& operator=(Session&&) = delete;
  ~Session() { close(); }

  /// The outcome of `open`. The other functions may be called only if it succeeded.
  [[nodiscard]] const Outcome& opened() const noexcept { return opened_; }
  /// Runs a source's step: up to `max_results` results. The status is TENON_END at the end.
  Outcome step(std::uint32_t max_results);
  /// Runs a reduce's step with one argument.
  Outcome take(const Block& argument);
  /// Runs a reduce's last step: no more arguments; returns its result.
  Outcome finish() { return take(Block()); }
  /// The session's checkpoint as bytes. Throws std::logic_error if there is none.
  Block checkpoint();
  /// Like checkpoint, with status and message.
  Outcome try_checkpoint();
  void close() {
    if (session_ != nullptr) {
      task_->close(session_);
      session_ = nullptr;
    }
  }

 private:
  friend class Worker;
  Session(Worker& worker, const tenon_task_t& task, Block params)
      : worker_(&worker), task_(&task), params_(std::move(params)) {}

  Worker* worker_;
  const tenon_task_t* task_;
  void* session_ = nullptr;
  Block params_;
  Outcome opened_;
};

/// A worker inside the test. Neither copyable nor movable: the plugin keeps its address.
class Worker {
 public:
  /// Initialises the plugin that is linked into the test by calling its `init`. Throws
  /// std::runtime_error if that fails.
  explicit Worker(Block plugin_settings = {}, tenon_plugin_entry_fn entry = &tenon_plugin_entry) {
    raw_.size_bytes = sizeof(raw_);
    raw_.abi_major = TENON_ABI_MAJOR;
    raw_.abi_minor = TENON_ABI_MINOR;
    raw_.worker_id = 1;
    raw_.log = [](const tenon_worker_t* worker, tenon_log_level_t, const char* message) {
      static_cast<Worker*>(worker->worker_data)->logs.emplace_back(message);
    };
    raw_.extension = [](const tenon_worker_t*, const char*) -> const void* { return nullptr; };
    raw_.worker_data = this;
    plugin_ = entry(&raw_);
    if (plugin_ == nullptr) {
      throw std::runtime_error("the plugin refused this worker: " + last_log());
    }
    if (plugin_->init != nullptr && plugin_->init(&raw_, plugin_settings.raw(), &state_) != TENON_OK) {
      throw std::runtime_error("the plugin's init failed: " + last_log());
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    if (plugin_->quiesce != nullptr) {
      plugin_->quiesce(state_);
    }
    if (plugin_->fini != nullptr) {
      plugin_->fini(state_);
    }
  }

  /// Settings for the following calls.
  Settings settings;
  /// The logged lines.
  std::vector<std::string> logs;
  /// The reported progress: done, total.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> progress;
  /// Handles nested calls to tasks of other plugins, by full name. Tasks of this plugin run
  /// directly.
  std::map<std::string, std::function<Outcome(const Block& argument, const Block& params)>> others;

  [[nodiscard]] const tenon_plugin_t& plugin() const noexcept { return *plugin_; }

  /// Runs a plain task by its method name.
  Outcome call(const std::string& method, const Block& argument, const Block& params = {}) {
    const tenon_task_t& task = find(method, true);
    const Block own_argument = argument.clone();
    const Block own_params = params.clone();
    return serve(task, own_argument.raw(), own_params.raw(), {}, 1, task.run, &own_argument);
  }

  /// Opens a source or a reduce. A reduce has no argument.
  Session open(const std::string& method, const Block& argument = {}, const Block& params = {},
               const Block& checkpoint = {}) {
    const tenon_task_t& task = find(method, false);
    Session session(*this, task, params);
    {
      const Block own_argument = argument.clone();
      const Block own_params = params.clone();
      const Block own_checkpoint = checkpoint.clone();
      session.opened_ = serve(task, own_argument.raw(), own_params.raw(), own_checkpoint.raw(), 0,
                              [&](tenon_call_t* call) { return task.open(call, &session.session_); });
    }
    if (!session.opened_.ok()) {
      session.session_ = nullptr;
    }
    return session;
  }

 private:
  friend class Session;

  const tenon_task_t& find(const std::string& method, bool plain) const {
    for (std::uint32_t i = 0; i < plugin_->task_count; ++i) {
      const auto* base = reinterpret_cast<const std::uint8_t*>(plugin_->tasks);
      const auto& task = *reinterpret_cast<const tenon_task_t*>(base + std::size_t{i} * plugin_->tasks->size_bytes);
      if (method == task.name) {
        if ((task.kind == TENON_TASK_PLAIN) != plain) {
          throw std::logic_error(method + (plain ? " is a session: open it" : " is a plain task: call it"));
        }
        return task;
      }
    }
    throw std::logic_error(std::string(plugin_->manifest->name) + " has no task " + method);
  }
  [[nodiscard]] std::string last_log() const { return logs.empty() ? "(no message)" : logs.back(); }

  Outcome serve(const tenon_task_t& task, tenon_bytes_t argument, tenon_bytes_t params, tenon_bytes_t checkpoint,
                std::uint32_t results_allowed, const std::function<tenon_status_t(tenon_call_t*)>& run,
                const Block* same = nullptr, std::uint32_t max_results = 0) {
    detail::Serving serving;
    serving.worker = this;
    serving.settings = &settings;
    serving.task = &task;
    serving.results_allowed = results_allowed;
    tenon_call_t call{};
    call.size_bytes = sizeof(call);
    call.attempt = settings.attempt;
    call.functions = &functions();
    call.argument = argument;
    call.params = params;
    call.checkpoint = checkpoint;
    call.deadline_ns = settings.deadline_ns;
    call.call_id = ++calls_;
    call.max_results = max_results;
    call.state = state_;
    call.worker_data = &serving;
    same_ = same;
    serving.outcome.status = run(&call);
    if (serving.outcome.ok()) {
      serving.outcome.message.clear();
    } else {
      serving.outcome.results.clear();
    }
    return std::move(serving.outcome);
  }

  static std::uint8_t* writable(detail::Serving& serving) {
    // NOLINTNEXTLINE: the block was created for writing
    return const_cast<std::uint8_t*>(serving.open->span().data());
  }
  static tenon_status_t refuse(detail::Serving& serving, tenon_status_t status, const char* message) {
    serving.last_error = message;
    return status;
  }
  static tenon_status_t allocate(detail::Serving& serving, std::uint64_t size_bytes) {
    if (++serving.allocations == serving.settings->failing_allocation) {
      return refuse(serving, TENON_OUT_OF_MEMORY, "the test makes this allocation fail");
    }
    if (size_bytes > serving.settings->result_limit_bytes) {
      return refuse(serving, TENON_TOO_LARGE, "larger than the test allows");
    }
    const std::vector<std::uint8_t> garbage(static_cast<std::size_t>(size_bytes), 0xa5);
    serving.open = std::make_unique<internal::AlignedBytes>(std::span<const std::uint8_t>(garbage));
    return TENON_OK;
  }

  static const tenon_call_functions_t& functions() {
    static const tenon_call_functions_t table = make_functions();
    return table;
  }
  static tenon_call_functions_t make_functions() {
    using detail::serving;
    tenon_call_functions_t f{};
    f.size_bytes = sizeof(f);
    f.poll = [](tenon_call_t* call) -> tenon_status_t {
      auto& s = serving(call);
      return s.polls++ < s.settings->polls_before_stop ? TENON_OK : s.settings->stop_status;
    };
    f.progress = [](tenon_call_t* call, std::uint64_t done, std::uint64_t total) {
      serving(call).worker->progress.emplace_back(done, total);
    };
    f.log = [](tenon_call_t* call, tenon_log_level_t, const char* message) {
      serving(call).worker->logs.emplace_back(message);
    };
    f.fail = [](tenon_call_t* call, tenon_status_t code, const char* message) {
      serving(call).outcome.message = message;
      return code;
    };
    f.reserve = [](tenon_call_t* call, std::uint64_t size_bytes, std::uint8_t** buffer) {
      auto& s = serving(call);
      s.open.reset();
      const tenon_status_t status = allocate(s, size_bytes);
      *buffer = status == TENON_OK ? writable(s) : nullptr;
      return status;
    };
    f.grow_down = [](tenon_call_t* call, std::uint64_t size_bytes, std::uint64_t back, std::uint64_t front,
                     std::uint8_t** buffer) -> tenon_status_t {
      auto& s = serving(call);
      if (!s.open || size_bytes < s.open->span().size() || back + front > s.open->span().size()) {
        return refuse(s, TENON_INVALID_ARGUMENT, "grow_down without an open block, or with sizes that do not fit");
      }
      const auto old = std::move(s.open);
      const tenon_status_t status = allocate(s, size_bytes);
      if (status != TENON_OK) {
        s.open = std::make_unique<internal::AlignedBytes>(old->span());
        return status;
      }
      std::uint8_t* data = writable(s);
      std::memcpy(data + size_bytes - back, old->span().data() + old->span().size() - back, back);
      std::memcpy(data, old->span().data(), front);
      *buffer = data;
      return TENON_OK;
    };
    f.commit = [](tenon_call_t* call, const std::uint8_t* data, std::uint64_t size_bytes) -> tenon_status_t {
      auto& s = serving(call);
      if (!s.open || data < s.open->span().data() ||
          data + size_bytes > s.open->span().data() + s.open->span().size()) {
        return refuse(s, TENON_INVALID_ARGUMENT, "the range lies outside the open block");
      }
      if (s.task->kind == TENON_TASK_SOURCE && s.outcome.results.size() >= s.results_allowed) {
        return refuse(s, TENON_INVALID_ARGUMENT, "more results than the step requested");
      }
      if (s.task->kind != TENON_TASK_SOURCE) {
        s.outcome.results.clear();
      }
      s.outcome.results.emplace_back(std::span<const std::uint8_t>(data, static_cast<std::size_t>(size_bytes)));
      s.open.reset();
      return TENON_OK;
    };
    f.commit_argument = [](tenon_call_t* call) -> tenon_status_t {
      auto& s = serving(call);
      if (s.task->kind != TENON_TASK_PLAIN) {
        return refuse(s, TENON_UNSUPPORTED, "a session has no argument to return");
      }
      s.outcome.results.assign(1, *s.worker->same_);
      return TENON_OK;
    };
    f.invoke = [](tenon_call_t* call, const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                  tenon_bytes_t* result) -> tenon_status_t {
      auto& s = serving(call);
      Outcome outcome = s.worker->nested(task, copy(argument), copy(params));
      if (!outcome.ok() || outcome.results.size() != 1) {
        s.last_error = outcome.message;
        return outcome.ok() ? TENON_INTERNAL : outcome.status;
      }
      s.nested.push_back(outcome.results.front());
      *result = s.nested.back().raw();
      return TENON_OK;
    };
    f.last_error = [](tenon_call_t* call) { return serving(call).last_error.c_str(); };
    return f;
  }

  static Block copy(tenon_bytes_t bytes) { return bytes.data == nullptr ? Block() : Block(internal::as_span(bytes)); }
  Outcome nested(const std::string& name, const Block& argument, const Block& params) {
    if (const auto other = others.find(name); other != others.end()) {
      return other->second(argument, params);
    }
    const std::string prefix = std::string(plugin_->manifest->name) + ".";
    if (name.compare(0, prefix.size(), prefix) != 0) {
      return {TENON_NOT_FOUND, "no task " + name + "; the test does not define it in `others`", {}};
    }
    const Block* const outer = same_;
    Outcome outcome;
    try {
      outcome = call(name.substr(prefix.size()), argument, params);
    } catch (const std::logic_error& error) {
      outcome = {TENON_NOT_FOUND, error.what(), {}};
    }
    same_ = outer;
    return outcome;
  }

  tenon_worker_t raw_{};
  const tenon_plugin_t* plugin_ = nullptr;
  void* state_ = nullptr;
  std::uint64_t calls_ = 0;
  const Block* same_ = nullptr;
};

inline Outcome Session::step(std::uint32_t max_results) {
  const Block own_params = params_.clone();
  return worker_->serve(
      *task_, {}, own_params.raw(), {}, max_results, [this](tenon_call_t* call) { return task_->step(call, session_); },
      nullptr, max_results);
}
inline Outcome Session::take(const Block& argument) {
  const Block own_argument = argument.clone();
  const Block own_params = params_.clone();
  return worker_->serve(*task_, own_argument.raw(), own_params.raw(), {}, 1,
                        [this](tenon_call_t* call) { return task_->step(call, session_); });
}
inline Outcome Session::try_checkpoint() {
  if (task_->checkpoint == nullptr) {
    return {TENON_UNSUPPORTED, "the task has no checkpoint", {}};
  }
  return worker_->serve(*task_, {}, {}, {}, 1,
                        [this](tenon_call_t* call) { return task_->checkpoint(call, session_); });
}
inline Block Session::checkpoint() {
  const Outcome outcome = try_checkpoint();
  if (!outcome.ok() || outcome.results.size() != 1) {
    throw std::logic_error("no checkpoint: " + outcome.message);
  }
  return outcome.results.front();
}

}  // namespace tenon::test

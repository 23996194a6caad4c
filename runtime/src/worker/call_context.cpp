#include "worker/call_context.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "base/hot.hpp"
#include "base/text.hpp"
#include "platform/debugger.hpp"
#include "platform/process.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxMessageBytes = 4096;
/// Stack that nested calls may use: half of the common 8 MiB, so that the innermost call still has
/// room to work.
constexpr std::uint64_t kNestingStackBytes = std::uint64_t{4} << 20;
/// Deeper nesting counts as endless recursion, whatever stack is left.
constexpr std::uint32_t kMaxDepth = 10000;

std::string_view cut(const char* message) {
  if (message == nullptr) {
    return "(no message)";
  }
  return std::string_view(message, ::strnlen(message, kMaxMessageBytes));
}

/// Shortens an error message by cutting out its middle: nested calls prepend their names, and the
/// cause is at the end.
std::string shorten(const char* message) {
  constexpr std::size_t kLongestBytes = std::size_t{1} << 20;
  constexpr std::string_view kGap = " ... ";
  constexpr std::size_t kHalfBytes = (kMaxMessageBytes - kGap.size()) / 2;
  if (message == nullptr) {
    return "(no message)";
  }
  const std::string_view text(message, ::strnlen(message, kLongestBytes));
  if (text.size() <= kMaxMessageBytes) {
    return std::string(text);
  }
  std::string shortened(text.substr(0, kHalfBytes));
  shortened.append(kGap).append(text.substr(text.size() - kHalfBytes));
  return shortened;
}

bool is_error(tenon_status_t status) {
  return status >= TENON_FAILED && status <= TENON_INTERNAL;
}

}  // namespace

tenon_bytes_t to_c(BytesView bytes, bool absent) noexcept {
  if (absent) {
    return {nullptr, 0};
  }
  // A present but empty value still has an address: null means absent.
  static constexpr std::uint8_t kEmpty alignas(16) = 0;
  return {bytes.data() != nullptr ? bytes.data() : &kEmpty, bytes.size()};
}

std::string status_name(tenon_status_t status) {
  if (status == TENON_OK) {
    return "ok";
  }
  return is_error(status) ? std::string(error_code_name(static_cast<ErrorCode>(status))) : std::to_string(status);
}

struct CallContext::Functions {
  static CallContext& context_of(tenon_call_t* call) {
    auto& context = *static_cast<CallContext*>(call->worker_data);
    context.core_.fork_guard.end_child();
    return context;
  }
  static tenon_status_t poll(tenon_call_t* call) { return context_of(call).poll(); }
  static void progress(tenon_call_t* call, std::uint64_t done, std::uint64_t total) {
    CallContext& context = context_of(call);
    // A report that collides with another one is skipped: the next one is more recent.
    const std::unique_lock lock(context.core_.progress_mutex, std::try_to_lock);
    if (lock.owns_lock()) {
      context.core_.end.report_progress(context.options_.call_id, done, total);
    }
  }
  static void log(tenon_call_t* call, tenon_log_level_t level, const char* message) {
    CallContext& context = context_of(call);
    const Route& route = *context.options_.route;
    context.core_.log.send(level, cut(message), route.slot->name, route.full_name, context.options_.call_id);
  }
  static tenon_status_t fail(tenon_call_t* call, tenon_status_t code, const char* message) {
    CallContext& context = context_of(call);
    context.failed_status_ = code;
    context.failed_message_ = shorten(message);
    return code;
  }
  static tenon_status_t reserve(tenon_call_t* call, std::uint64_t size_bytes, std::uint8_t** buffer) {
    CallContext& context = context_of(call);
    auto data = context.builder_.reserve(size_bytes);
    if (!data) {
      return context.report(data.error());
    }
    *buffer = *data;
    return TENON_OK;
  }
  static tenon_status_t grow_down(tenon_call_t* call, std::uint64_t size_bytes, std::uint64_t used_back_bytes,
                                  std::uint64_t used_front_bytes, std::uint8_t** buffer) {
    CallContext& context = context_of(call);
    auto data = context.builder_.grow_down(size_bytes, used_back_bytes, used_front_bytes);
    if (!data) {
      return context.report(data.error());
    }
    *buffer = *data;
    return TENON_OK;
  }
  static tenon_status_t commit(tenon_call_t* call, const std::uint8_t* data, std::uint64_t size_bytes) {
    CallContext& context = context_of(call);
    if (auto committed = context.builder_.commit(data, size_bytes); !committed) {
      return context.report(committed.error());
    }
    context.argument_committed_ = false;
    return TENON_OK;
  }
  static tenon_status_t commit_argument(tenon_call_t* call) {
    CallContext& context = context_of(call);
    if (!context.options_.plain) {
      return context.report(Error{
          ErrorCode::kUnsupported, "commit_argument is only for plain tasks; a session must build its results", {}});
    }
    context.argument_committed_ = true;
    return TENON_OK;
  }
  static tenon_status_t invoke(tenon_call_t* call, const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                               tenon_bytes_t* result) {
    return context_of(call).invoke(task, argument, params, result);
  }
  static const char* last_error(tenon_call_t* call) { return context_of(call).last_error_.c_str(); }

  static constexpr tenon_call_functions_t kTable = {sizeof(tenon_call_functions_t),
                                                    0,
                                                    poll,
                                                    progress,
                                                    log,
                                                    fail,
                                                    reserve,
                                                    grow_down,
                                                    commit,
                                                    commit_argument,
                                                    invoke,
                                                    last_error};
};

TENON_HOT CallContext::CallContext(WorkerCore& core, const Options& options)
    : core_(core), options_(options), builder_(options.results) {
  call_.size_bytes = sizeof(tenon_call_t);
  call_.attempt = options.attempt;
  call_.functions = &Functions::kTable;
  call_.argument = to_c(options.argument, options.argument_absent);
  call_.params = to_c(options.params, options.params.empty());
  call_.checkpoint = to_c(options.checkpoint, options.checkpoint.empty());
  call_.deadline_ns = options.deadline_ns;
  call_.call_id = options.call_id;
  call_.max_results = options.max_results;
  call_.state = options.route->slot->plugin->state();
  call_.worker_data = this;
  depth_ = options.parent != nullptr ? options.parent->depth_ + 1 : 0;
}

tenon_status_t CallContext::threw(tenon_status_t status, const char* what) noexcept {
  try {
    failed_message_ = "the task threw an exception across the plugin border: " + std::string(cut(what)) +
                      "; catch it in the plugin (tenon/plugin.hpp does so)";
  } catch (...) {
    failed_message_.clear();
  }
  failed_status_ = status;
  return status;
}

TENON_HOT CallOutcome CallContext::judge(tenon_status_t status, bool needs_result, bool may_end) {
  CallOutcome outcome;
  const std::string& name = options_.route->full_name;
  if (status == TENON_END && may_end) {
    outcome.session_ended = true;
    status = TENON_OK;
  }
  if (status == TENON_OK) {
    if (needs_result && !argument_committed_ && builder_.results().empty()) {
      outcome.status = TENON_INTERNAL;
      outcome.message = name + " returned TENON_OK without a result; it must commit a result first";
    }
    return outcome;
  }
  if (!is_error(status)) {
    outcome.status = TENON_INTERNAL;
    outcome.message = name + " returned " + std::to_string(status) + ", which is not a status of this function" +
                      (failed_message_.empty() ? std::string() : "; its message was: " + failed_message_);
    return outcome;
  }
  outcome.status = status;
  outcome.message = !failed_message_.empty()    ? failed_message_
                    : status == TENON_CANCELLED ? name + " was cancelled"
                    : status == TENON_DEADLINE  ? name + " stopped at its deadline"
                                                : name + " returned " + status_name(status) + " without a message";
  return outcome;
}

tenon_status_t CallContext::poll() const noexcept {
  if (core_.end.cancelled(options_.call_id) || core_.is_killed()) {
    return TENON_CANCELLED;
  }
  if (options_.deadline_ns != kNever && !debugged_ && monotonic_now_ns() >= options_.deadline_ns) {
    debugged_ = debugger_attached(current_process_id());
    return debugged_ ? TENON_OK : TENON_DEADLINE;
  }
  return TENON_OK;
}

tenon_status_t CallContext::report(const Error& error) {
  last_error_ = error.message;
  return static_cast<tenon_status_t>(error.code);
}

tenon_status_t CallContext::invoke(const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                                   tenon_bytes_t* result) {
  const char here = 0;
  const auto used = static_cast<std::uint64_t>(std::abs(core_.stack_base - &here));
  if (task == nullptr || result == nullptr) {
    return report(Error{ErrorCode::kInvalidArgument, "invoke needs a task name and a pointer for its result", {}});
  }
  *result = {nullptr, 0};
  if (depth_ + 1 > kMaxDepth || used > kNestingStackBytes) {
    return report(
        Error{ErrorCode::kFailed,
              std::string(cut(task)) + " would be nested " + std::to_string(depth_ + 1) +
                  " calls deep, which is more than the stack holds; the tasks seem to call each other endlessly",
              {}});
  }
  if (const tenon_status_t status = poll(); status != TENON_OK) {
    last_error_ = status == TENON_CANCELLED ? "the call was cancelled" : "the call's deadline has passed";
    return status;
  }
  auto route = core_.resolve_task(cut(task));
  if (!route) {
    return report(route.error());
  }
  if ((*route)->loaded->run == nullptr) {
    return report(Error{ErrorCode::kInvalidArgument,
                        (*route)->full_name + " is a streaming task; only plain tasks can be invoked",
                        {}});
  }
  if (!(*route)->loaded->info->idempotent) {
    core_.end.mark_unrepeatable();
  }
  Options options;
  options.route = *route;
  options.call_id = options_.call_id;
  options.deadline_ns = options_.deadline_ns;
  options.attempt = options_.attempt;
  options.argument = BytesView(argument.data, argument.size_bytes);
  options.argument_absent = argument.data == nullptr;
  options.params = BytesView(params.data, params.size_bytes);
  options.results = {.arena = nullptr, .scratch = nullptr, .limit_bytes = core_.result_limit_bytes, .max_results = 0};
  options.parent = this;
  CallContext nested(core_, options);
  CallOutcome outcome = nested.run((*route)->loaded->run, true, false);
  if (outcome.status != TENON_OK) {
    last_error_ = std::move(outcome.message);
    return outcome.status;
  }
  NestedResult kept;
  BytesView bytes;
  if (nested.argument_committed()) {
    // The caller may free its argument before it reads the result.
    kept.heap.reset(new (std::nothrow) std::uint8_t[std::max<std::uint64_t>(argument.size_bytes, 1)]);
    if (kept.heap == nullptr) {
      return report(Error{ErrorCode::kOutOfMemory, "no memory for the result of " + (*route)->full_name, {}});
    }
    if (argument.size_bytes > 0) {
      std::memcpy(kept.heap.get(), argument.data, argument.size_bytes);
    }
    bytes = BytesView(kept.heap.get(), argument.size_bytes);
  } else {
    ResultBlob blob = std::move(nested.results().back());
    nested.results().clear();
    bytes = blob.bytes;
    kept.heap = std::move(blob.heap);
  }
  nested_.push_back(std::move(kept));
  *result = to_c(bytes, false);
  return TENON_OK;
}

}  // namespace tenon::internal

/// worker/call_context.hpp: one running call as the plugin sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tenon/plugin.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "worker/core.hpp"
#include "worker/result_builder.hpp"
#include "worker/route_table.hpp"

namespace tenon::internal {

/// The normalised outcome of a plugin's function: a status from the known range, and a message if
/// it is an error.
struct CallOutcome {
  tenon_status_t status = TENON_OK;
  bool session_ended = false;
  std::string message;
};

/// Implements one tenon_call_t. Lives on the task thread's stack while the plugin's function runs;
/// nested calls are contexts with a parent.
class CallContext {
 public:
  struct Options {
    const Route* route = nullptr;
    std::uint64_t call_id = 0;
    std::int64_t deadline_ns = kNever;
    std::uint32_t attempt = 1;
    std::uint32_t max_results = 0;
    BytesView argument;
    bool argument_absent = false;
    BytesView params;
    BytesView checkpoint;
    /// Whether commit_argument may be used.
    bool plain = true;
    ResultBuilder::Options results;
    CallContext* parent = nullptr;
  };

  CallContext(WorkerCore& core, const Options& options);
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  [[nodiscard]] tenon_call_t* call() noexcept { return &call_; }
  [[nodiscard]] std::vector<ResultBlob>& results() noexcept { return builder_.results(); }
  [[nodiscard]] bool argument_committed() const noexcept { return argument_committed_; }

  /// Calls `function` (one of the plugin's) and normalises its outcome. Catches every exception.
  /// `needs_result`: TENON_OK without a commit is an error. `may_end`: TENON_END is allowed.
  template <typename Function>
  [[nodiscard]] CallOutcome run(Function function, bool needs_result, bool may_end) {
    const tenon_status_t status = run_guarded(function);
    core_.fork_guard.end_child();
    return judge(status, needs_result, may_end);
  }

 private:
  struct Functions;
  friend struct Functions;

  // Nested results are kept until the function that requested them returns.
  struct NestedResult {
    std::unique_ptr<std::uint8_t[]> heap;
  };

  template <typename Function>
  [[nodiscard]] tenon_status_t run_guarded(Function& function) noexcept {
    try {
      return function(&call_);
    } catch (const std::bad_alloc&) {
      return threw(TENON_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& exception) {
      return threw(TENON_FAILED, exception.what());
    } catch (...) {
      return threw(TENON_FAILED, "something that is not a std::exception");
    }
  }
  tenon_status_t threw(tenon_status_t status, const char* what) noexcept;
  [[nodiscard]] CallOutcome judge(tenon_status_t status, bool needs_result, bool may_end);

  [[nodiscard]] tenon_status_t poll() const noexcept;
  [[nodiscard]] tenon_status_t invoke(const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                                      tenon_bytes_t* result);
  [[nodiscard]] tenon_status_t report(const Error& error);

  WorkerCore& core_;
  Options options_;
  tenon_call_t call_{};
  ResultBuilder builder_;
  bool argument_committed_ = false;
  // A debugger was attached when the deadline had passed: the host, which then allows more time,
  // decides.
  mutable bool debugged_ = false;
  std::optional<tenon_status_t> failed_status_;
  std::string failed_message_;
  std::string last_error_;
  std::vector<NestedResult> nested_;
  std::uint32_t depth_ = 0;
};

/// The bytes of a view in the C ABI's form: data is null if it is absent.
[[nodiscard]] tenon_bytes_t to_c(BytesView bytes, bool absent) noexcept;
/// Name of a status for messages, as in "not_found"; the number if it is unknown.
[[nodiscard]] std::string status_name(tenon_status_t status);

}  // namespace tenon::internal

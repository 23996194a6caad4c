/// tenon/plugin/error.hpp: errors of tasks, and the ABI boundary that no exception crosses.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <tenon/plugin.h>

namespace tenon {

/// Thrown by a task, or by functions that it calls, to end the call with a code and a message. The
/// message is one or two sentences that say what is wrong and what to do.
class TaskError : public std::runtime_error {
 public:
  /// `code` is an error code; TENON_OK, TENON_END and unknown numbers count as TENON_FAILED.
  TaskError(tenon_status_t code, const std::string& message)
      : std::runtime_error(message), code_(code > TENON_OK && code < TENON_END ? code : TENON_FAILED) {}

  /// The code with which the call ends.
  [[nodiscard]] tenon_status_t code() const noexcept { return code_; }

 private:
  tenon_status_t code_;
};

namespace internal {

/// Runs `body` and converts an exception to an error, which is passed to `report(code, message)`.
/// Returns the return value of `body`, or the code.
template <typename Body, typename Report>
tenon_status_t guard_border(Body&& body, Report&& report) {
  try {
    return std::forward<Body>(body)();
  } catch (const TaskError& error) {
    report(error.code(), error.what());
    return error.code();
  } catch (const std::bad_alloc&) {
    report(TENON_OUT_OF_MEMORY, "the task ran out of memory");
    return TENON_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    report(TENON_FAILED, error.what());
    return TENON_FAILED;
#if defined(__GLIBCXX__)
  } catch (const abi::__forced_unwind&) {
    // SUBTLE: pthread_exit and pthread_cancel unwind with this exception; swallowing it aborts the
    // process.
    throw;
#endif
  } catch (...) {
    report(TENON_FAILED, "the task threw something that is not a std::exception");
    return TENON_FAILED;
  }
}

/// guard_border for a function that serves `call`.
template <typename Body>
tenon_status_t guard_call(tenon_call_t* call, Body&& body) {
  return guard_border(std::forward<Body>(body),
                      [call](tenon_status_t code, const char* message) { call->functions->fail(call, code, message); });
}

}  // namespace internal
}  // namespace tenon

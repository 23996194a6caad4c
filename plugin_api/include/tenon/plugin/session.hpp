/// tenon/plugin/session.hpp: streaming tasks as coroutines.
///
/// A source produces many results from one argument:
///
///   tenon::Source<tenon::Number> numbers(tenon::SourceContext& s, const Range& range) {
///     auto& at = s.state<PositionT>();            // restored if an earlier session continues
///     while (at.next < range.count()) {
///       const auto value = at.next++;                      // first the state ...
///       co_yield tenon::CreateNumber(s.builder(), value);  // ... then the result
///     }
///   }
///
/// A reduce takes many arguments and produces one result:
///
///   tenon::Reduce<tenon::Number> sum(tenon::ReduceContext<tenon::Number>& s) {
///     auto& total = s.state<tenon::NumberT>();
///     while (const tenon::Number* number = co_await s.next()) total.value += number->value();
///     co_return tenon::CreateNumber(s.builder(), total.value);
///   }
///
/// Checkpoints. A checkpoint may be taken whenever the coroutine is suspended: at a co_yield, at
/// s.pause(), at s.next(). The state must then contain everything that the rest of the session
/// needs:
///   * at a co_yield it already includes the result being yielded (advance, then yield);
///   * at s.next() it includes every argument taken so far;
///   * nothing that the rest needs is kept only in local variables.
/// A session that keeps no state has no checkpoint: it cannot be continued after it has started.
///
/// Lifetimes. The argument of a source, and the params, are copied into the session and valid as
/// long as the session. The argument of a reduce is valid until the next s.next(). Data built with
/// s.builder() is invalid after a suspension.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include <tenon/plugin.h>
#include <tenon/plugin/call.hpp>
#include <tenon/plugin/checkpoint.hpp>

namespace tenon {

namespace internal {

/// The common part of both kinds of session: the call of the running step, and the state.
class SessionContext : public Call {
 public:
  explicit SessionContext(tenon_call_t* raw) : Call(raw), session_state_(raw->checkpoint) {}

  /// The session's state, which is the whole content of a checkpoint: the object form of a table
  /// (`PositionT`), or a type with `std::vector<std::uint8_t> save() const` and `static T
  /// load(std::span<const std::uint8_t>)`. Created at the first use, from the checkpoint if there
  /// is one. Valid as long as the session. Request it before the first result or argument. Throws
  /// TaskError: TENON_CORRUPT.
  template <typename T>
  [[nodiscard]] T& state() {
    return session_state_.get<T>();
  }
  /// The plugin's state in this worker; see Call::state.
  template <typename T>
  [[nodiscard]] T& plugin_state() const {
    return Call::state<T>();
  }

  [[nodiscard]] SessionState& session_state() noexcept { return session_state_; }

 private:
  SessionState session_state_;
};

}  // namespace internal

/// The worker's services for a source. Like Call, and valid as long as the session.
class SourceContext : public internal::SessionContext {
 public:
  explicit SourceContext(tenon_call_t* raw) : SessionContext(raw) {}

  /// Number of results so far, including those before the checkpoint.
  [[nodiscard]] std::uint64_t emitted() noexcept { return session_state().emitted(); }
  /// `co_await s.pause()` ends the step without a result; the worker does other work and resumes
  /// the source later. For a source that waits for something: it must never block.
  [[nodiscard]] std::suspend_always pause() const noexcept { return {}; }

  /// For the glue: how many more results this step accepts.
  std::uint32_t room = 0;
};

/// A source's coroutine. T is the table of its results; `co_yield` takes an offset built with
/// `s.builder()`, or an object.
template <typename T>
class Source {
 public:
  using Result = T;

  struct promise_type {
    SourceContext* context = nullptr;

    Source get_return_object() { return Source(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void unhandled_exception() { throw; }
    void return_void() noexcept {}

    /// Continues immediately while the step has room.
    struct Emitted {
      bool room;
      [[nodiscard]] bool await_ready() const noexcept { return room; }
      void await_suspend(std::coroutine_handle<>) const noexcept {}
      void await_resume() const noexcept {}
    };
    Emitted yield_value(Offset<T> result) { return emit(result); }
    Emitted yield_value(const typename T::NativeTableType& result) { return emit(result); }

   private:
    template <typename Value>
    Emitted emit(const Value& result) {
      context->session_state().require_claimed();
      context->commit(result);
      context->session_state().count_emitted();
      return {--context->room > 0};
    }
  };

  Source(Source&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Source& operator=(Source&&) = delete;
  ~Source() {
    if (handle_) {
      handle_.destroy();
    }
  }

  /// For the glue: binds the context before the first step.
  void bind(SourceContext& context) noexcept { handle_.promise().context = &context; }
  /// For the glue: runs until the step is full, paused or complete. Returns whether it is complete.
  bool step() {
    handle_.resume();
    return handle_.done();
  }

 private:
  explicit Source(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

/// The worker's services for a reduce. Like Call, and valid as long as the session.
template <typename Arg>
class ReduceContext : public internal::SessionContext {
 public:
  using Argument = Arg;
  explicit ReduceContext(tenon_call_t* raw) : SessionContext(raw) {}

  /// Number of arguments taken so far, including those before the checkpoint.
  [[nodiscard]] std::uint64_t taken() noexcept { return session_state().taken(); }

  struct Next {
    ReduceContext& context;
    [[nodiscard]] bool await_ready() const noexcept { return context.pending_ != nullptr || context.ended_; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    const Arg* await_resume() const { return context.take(); }
  };
  /// `co_await s.next()` returns the next argument, verified and valid until the following one;
  /// null after the last.
  [[nodiscard]] Next next() {
    session_state().require_claimed();
    return Next{*this};
  }

  /// For the glue: the argument of this step; null after the last.
  void offer(const Arg* argument) noexcept {
    pending_ = argument;
    ended_ = argument == nullptr;
  }

 private:
  const Arg* take() {
    if (pending_ != nullptr) {
      session_state().count_taken();
    }
    return std::exchange(pending_, nullptr);
  }
  const Arg* pending_ = nullptr;
  bool ended_ = false;
};

/// A reduce's coroutine. R is the table of its result; `co_return` takes an offset built with
/// `s.builder()`, or an object.
template <typename R>
class Reduce {
 public:
  using Result = R;

  struct promise_type {
    internal::SessionContext* context = nullptr;

    Reduce get_return_object() { return Reduce(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void unhandled_exception() { throw; }
    void return_value(Offset<R> result) { context->commit(result); }
    void return_value(const typename R::NativeTableType& result) { context->commit(result); }
  };

  Reduce(Reduce&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Reduce& operator=(Reduce&&) = delete;
  ~Reduce() {
    if (handle_) {
      handle_.destroy();
    }
  }

  /// For the glue: binds the context before the first step.
  void bind(internal::SessionContext& context) noexcept { handle_.promise().context = &context; }
  /// For the glue: runs until it needs the next argument or has returned its result. Returns
  /// whether it is complete.
  bool step() {
    handle_.resume();
    return handle_.done();
  }

 private:
  explicit Reduce(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace tenon

/// tenon/plugin/task.hpp: turns a C++ function into a tenon_task_t.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include <tenon/plugin.h>
#include <tenon/plugin/call.hpp>
#include <tenon/plugin/session.hpp>

namespace tenon::internal {

/// Stands for an absent params type.
struct NoParams {};

/// Maps a return type to the table of the result.
template <typename R, typename Arg>
struct PlainResult {
  static constexpr bool kValid = false;
  using Table = void;
};
template <GeneratedTable T, typename Arg>
struct PlainResult<Offset<T>, Arg> {
  static constexpr bool kValid = true;
  using Table = T;
};
template <NativeTable N, typename Arg>
struct PlainResult<N, Arg> {
  static constexpr bool kValid = true;
  using Table = typename N::TableType;
};
template <typename Arg>
struct PlainResult<SameAsArgument, Arg> {
  static constexpr bool kValid = true;
  using Table = Arg;
};

template <typename P>
concept ParamsTable = std::is_same_v<P, NoParams> || GeneratedTable<P>;

/// Analyses the signature of a task's function.
template <typename Function>
struct Signature {
  static constexpr bool kValid = false;
};

template <typename R, typename Arg, typename Params>
struct PlainSignature {
  static constexpr bool kValid = GeneratedTable<Arg> && ParamsTable<Params> && PlainResult<R, Arg>::kValid;
  static constexpr tenon_task_kind_t kKind = TENON_TASK_PLAIN;
  using Returned = R;
  using Argument = Arg;
  using ParamsType = Params;
  using Result = typename PlainResult<R, Arg>::Table;
};
template <typename R, typename Arg>
struct Signature<R (*)(Call&, const Arg&)> : PlainSignature<R, Arg, NoParams> {};
template <typename R, typename Arg, typename Params>
struct Signature<R (*)(Call&, const Arg&, const Params&)> : PlainSignature<R, Arg, Params> {};

template <typename T, typename Arg, typename Params>
struct SourceSignature {
  static constexpr bool kValid = GeneratedTable<Arg> && ParamsTable<Params> && GeneratedTable<T>;
  static constexpr tenon_task_kind_t kKind = TENON_TASK_SOURCE;
  using Returned = Source<T>;
  using Argument = Arg;
  using ParamsType = Params;
  using Result = T;
};
template <typename T, typename Arg>
struct Signature<Source<T> (*)(SourceContext&, const Arg&)> : SourceSignature<T, Arg, NoParams> {};
template <typename T, typename Arg, typename Params>
struct Signature<Source<T> (*)(SourceContext&, const Arg&, const Params&)> : SourceSignature<T, Arg, Params> {};

template <typename R, typename Arg, typename Params>
struct ReduceSignature {
  static constexpr bool kValid = GeneratedTable<Arg> && ParamsTable<Params> && GeneratedTable<R>;
  static constexpr tenon_task_kind_t kKind = TENON_TASK_REDUCE;
  using Returned = Reduce<R>;
  using Argument = Arg;
  using ParamsType = Params;
  using Result = R;
};
template <typename R, typename Arg>
struct Signature<Reduce<R> (*)(ReduceContext<Arg>&)> : ReduceSignature<R, Arg, NoParams> {};
template <typename R, typename Arg, typename Params>
struct Signature<Reduce<R> (*)(ReduceContext<Arg>&, const Params&)> : ReduceSignature<R, Arg, Params> {};

/// noexcept is ignored.
template <typename R, typename... Args>
struct Signature<R (*)(Args...) noexcept> : Signature<R (*)(Args...)> {};

/// A plain task.
template <auto Function>
struct PlainTask {
  using Form = Signature<decltype(Function)>;
  using Params = typename Form::ParamsType;

  static tenon_status_t run(tenon_call_t* raw) {
    return guard_call(raw, [raw]() -> tenon_status_t {
      Call call(raw);
      const auto& argument = verified_root<typename Form::Argument>(as_span(raw->argument), "argument");
      if constexpr (std::is_same_v<Params, NoParams>) {
        return finish(call, Function(call, argument));
      } else {
        return finish(call, Function(call, argument, verified_root_or_default<Params>(as_span(raw->params), "params")));
      }
    });
  }

 private:
  static tenon_status_t finish(Call& call, const typename Form::Returned& result) {
    if constexpr (std::is_same_v<typename Form::Returned, SameAsArgument>) {
      const tenon_status_t status = call.raw()->functions->commit_argument(call.raw());
      if (status != TENON_OK) {
        throw TaskError(status, call.raw()->functions->last_error(call.raw()));
      }
    } else {
      call.commit(result);
    }
    return TENON_OK;
  }
};

/// The params of a session, kept as bytes for its lifetime, and the table in them.
template <typename Params>
class SessionParams {
 public:
  explicit SessionParams(const tenon_call_t& call)
      : bytes_(call.params), params_(&verified_root_or_default<Params>(as_span(bytes_.raw()), "params")) {}
  [[nodiscard]] const Params& get() const noexcept { return *params_; }

 private:
  AlignedBytes bytes_;
  const Params* params_;
};
template <>
class SessionParams<NoParams> {
 public:
  explicit SessionParams(const tenon_call_t&) {}
};

/// The members are declared in dependency order, so that the coroutine is destroyed first.
template <auto Function>
class SourceSession {
 public:
  using Form = Signature<decltype(Function)>;
  using Params = typename Form::ParamsType;

  explicit SourceSession(tenon_call_t* call)
      : argument_bytes_(call->argument),
        argument_(verified_root<typename Form::Argument>(as_span(argument_bytes_.raw()), "argument")),
        params_(*call),
        context_(call),
        coroutine_(start()) {
    coroutine_.bind(context_);
  }

  tenon_status_t step(tenon_call_t* call) {
    context_.rebind(call);
    context_.room = call->max_results;
    if (context_.room == 0) {
      return TENON_OK;
    }
    context_.session_state().mark_begun();
    return coroutine_.step() ? TENON_END : TENON_OK;
  }
  tenon_status_t checkpoint(tenon_call_t* call) { return context_.session_state().commit(call); }

 private:
  Source<typename Form::Result> start() {
    if constexpr (std::is_same_v<Params, NoParams>) {
      return Function(context_, argument_);
    } else {
      return Function(context_, argument_, params_.get());
    }
  }

  AlignedBytes argument_bytes_;
  const typename Form::Argument& argument_;
  SessionParams<Params> params_;
  SourceContext context_;
  Source<typename Form::Result> coroutine_;
};

template <auto Function>
class ReduceSession {
 public:
  using Form = Signature<decltype(Function)>;
  using Params = typename Form::ParamsType;

  explicit ReduceSession(tenon_call_t* call) : params_(*call), context_(call), coroutine_(start()) {
    coroutine_.bind(context_);
  }

  tenon_status_t step(tenon_call_t* call) {
    context_.rebind(call);
    context_.offer(call->argument.data == nullptr
                       ? nullptr
                       : &verified_root<typename Form::Argument>(as_span(call->argument), "argument"));
    context_.session_state().mark_begun();
    return coroutine_.step() ? TENON_END : TENON_OK;
  }
  tenon_status_t checkpoint(tenon_call_t* call) { return context_.session_state().commit(call); }

 private:
  Reduce<typename Form::Result> start() {
    if constexpr (std::is_same_v<Params, NoParams>) {
      return Function(context_);
    } else {
      return Function(context_, params_.get());
    }
  }

  SessionParams<Params> params_;
  ReduceContext<typename Form::Argument> context_;
  Reduce<typename Form::Result> coroutine_;
};

/// The ABI's session functions for one of the classes above.
template <typename Session>
struct SessionTask {
  static tenon_status_t open(tenon_call_t* call, void** session) {
    return guard_call(call, [&]() -> tenon_status_t {
      *session = new Session(call);
      return TENON_OK;
    });
  }
  static tenon_status_t step(tenon_call_t* call, void* session) {
    return guard_call(call, [&]() -> tenon_status_t { return static_cast<Session*>(session)->step(call); });
  }
  static tenon_status_t checkpoint(tenon_call_t* call, void* session) {
    return guard_call(call, [&]() -> tenon_status_t { return static_cast<Session*>(session)->checkpoint(call); });
  }
  static void close(void* session) { delete static_cast<Session*>(session); }
};

/// The complete descriptor of a task. `name` must live as long as the process.
template <auto Function>
tenon_task_t describe_task(const char* name) {
  using Form = Signature<decltype(Function)>;
  static_assert(Form::kValid,
                "plugin.task<f>: f must be one of\n"
                "  R f(tenon::Call&, const Arg&[, const Params&])\n"
                "  tenon::Source<T> f(tenon::SourceContext&, const Arg&[, const Params&])\n"
                "  tenon::Reduce<T> f(tenon::ReduceContext<Arg>&[, const Params&])\n"
                "where Arg, Params and T are generated tables and R is tenon::Offset<T>, an object (TT) or "
                "tenon::SameAsArgument");
  tenon_task_t task{};
  if constexpr (Form::kValid) {
    task.size_bytes = sizeof(tenon_task_t);
    task.kind = Form::kKind;
    task.name = name;
    task.argument_type = Form::Argument::GetFullyQualifiedName();
    task.result_type = Form::Result::GetFullyQualifiedName();
    if constexpr (!std::is_same_v<typename Form::ParamsType, NoParams>) {
      task.params_type = Form::ParamsType::GetFullyQualifiedName();
    }
    if constexpr (Form::kKind == TENON_TASK_PLAIN) {
      task.run = &PlainTask<Function>::run;
    } else {
      using Session =
          typename std::conditional_t<Form::kKind == TENON_TASK_SOURCE, std::type_identity<SourceSession<Function>>,
                                      std::type_identity<ReduceSession<Function>>>::type;
      task.open = &SessionTask<Session>::open;
      task.step = &SessionTask<Session>::step;
      task.checkpoint = &SessionTask<Session>::checkpoint;
      task.close = &SessionTask<Session>::close;
    }
  }
  return task;
}

}  // namespace tenon::internal

/// tenon/plugin.hpp: plugins in C++. Header-only; depends only on FlatBuffers.
///
///   #include <tenon/plugin.hpp>
///   #include "hello_generated.h"
///
///   tenon::Offset<hello::Greeting> greet(tenon::Call& call, const hello::Name& name) {
///     const std::string text = "Hello, " + name.text()->str();
///     return hello::CreateGreetingDirect(call.builder(), text.c_str());
///   }
///
///   TENON_PLUGIN(hello) { plugin.task<greet>("greet"); }
///
/// A task is a function. Its return type determines its kind:
///   plain   one argument, one result:
///           `R f(tenon::Call&, const Arg&)`
///   source  one argument, many results (co_yield):
///           `tenon::Source<T> f(tenon::SourceContext&, const Arg&)`
///   reduce  many arguments (co_await), one result:
///           `tenon::Reduce<T> f(tenon::ReduceContext<Arg>&)`
/// Each may take `const Params&` as its last parameter. Arg, Params and T are generated tables. R
/// is `tenon::Offset<T>` built with `call.builder()` (in transport memory, without a copy), an
/// object (`FileT`), or `tenon::SameAsArgument`.
///
/// Arguments, params and settings are verified before the function runs; absent params become a
/// table with default values. An exception ends the call: tenon::TaskError with its code,
/// std::bad_alloc with TENON_OUT_OF_MEMORY, any other with TENON_FAILED and what().
///
/// Further headers: call.hpp (the functions of a call), session.hpp (sources and reduces),
/// definition.hpp (state and settings).
#pragma once

#include <tenon/plugin.h>
#include <tenon/plugin/call.hpp>
#include <tenon/plugin/definition.hpp>
#include <tenon/plugin/error.hpp>
#include <tenon/plugin/session.hpp>
#include <tenon/plugin/state.hpp>
#include <tenon/plugin/table.hpp>
#include <tenon/plugin/task.hpp>

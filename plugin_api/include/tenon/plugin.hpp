/// tenon/plugin.hpp: plugins in C++. Header-only; needs FlatBuffers alone.
///
///   #include <tenon/plugin.hpp>
///   #include "hello_generated.h"
///
///   tenon::Offset<hello::Greeting> greet(tenon::Call& call, const hello::Name& name) {
///     return hello::CreateGreetingDirect(call.builder(), ("Hello, " + name.text()->str()).c_str());
///   }
///
///   TENON_PLUGIN(hello) { plugin.task<greet>("greet"); }
///
/// A task is a function. Its kind follows from what it returns:
///   plain   `R f(tenon::Call&, const Arg&)`                          one argument, one result
///   source  `tenon::Source<T> f(tenon::SourceContext&, const Arg&)`  one argument, many results (co_yield)
///   reduce  `tenon::Reduce<T> f(tenon::ReduceContext<Arg>&)`         many arguments (co_await), one result
/// and each may take `const Params&` as its last parameter. Arg, Params and T are generated tables; R is
/// `tenon::Offset<T>` built with `call.builder()` (in the memory that travels: no copy), an object (`FileT`), or
/// `tenon::SameAsArgument`.
///
/// Arguments, params and settings are verified before the function runs; absent params are a table at its defaults.
/// Exceptions end the call: tenon::TaskError with its code, std::bad_alloc with TENON_OUT_OF_MEMORY, others with
/// TENON_FAILED and what().
///
/// Where to read on: call.hpp what a call offers, session.hpp sources and reduces, definition.hpp state and settings.
#pragma once

#include <tenon/plugin.h>
#include <tenon/plugin/call.hpp>
#include <tenon/plugin/definition.hpp>
#include <tenon/plugin/error.hpp>
#include <tenon/plugin/session.hpp>
#include <tenon/plugin/state.hpp>
#include <tenon/plugin/table.hpp>
#include <tenon/plugin/task.hpp>

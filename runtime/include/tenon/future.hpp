/// tenon/future.hpp: a result that comes later.
///
///   auto a = runtime.submit("text.count", first);
///   auto b = runtime.submit("text.count", second);
///   for (std::size_t i : tenon::as_completed(futures)) use(futures[i].get());
#pragma once

#include <tenon/error.hpp>

namespace tenon {

/// To be written by the owner of runtime/src/host: a copyable handle on one call's shared state with
///   Result<T> get();                      waits; may be called more than once (T is cheap to copy) 
///   bool ready() const;                   terminal state reached
///   bool wait_for(duration); void wait();
///   bool cancel();                        queued: removed, true; running: asks the task to stop (poll), false
///   Future<U> then(F: Result<T> -> Result<U> or U);  runs F on the completing thread
///   std::optional<Progress> progress();
///   co_await future                       resumes on the completing thread
/// wait_any(futures) -> index; as_completed(futures) -> range of indices in the order of completion.
template <typename T>
class Future;

}  // namespace tenon

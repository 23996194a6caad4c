/// tenon/runtime.hpp: runs tasks of plugins, by name, in worker processes.
///
///   auto runtime = tenon::Runtime::start({.workers = 4, .plugin_dirs = {"build/plugins"}});
///   flatbuffers::FlatBufferBuilder argument;
///   argument.Finish(tenon::CreateFileDirect(argument, "README.md"));
///   auto counts = runtime->call<text::Counts>("text.count", argument);
///   if (counts) std::cout << (*counts)->lines() << '\n';
///
/// A runtime may be started anywhere: in main, in a library, in a static initialiser, inside a task; several at
/// once are fine. Workers are processes of their own executable, tenon-worker; nothing of the host's program is
/// run again, forked or loaded there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/argument.hpp>
#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>
#include <tenon/log.hpp>
#include <tenon/map_stream.hpp>
#include <tenon/options.hpp>
#include <tenon/reply.hpp>
#include <tenon/session.hpp>
#include <tenon/swap.hpp>

namespace tenon {

namespace internal {
struct RuntimeAccess;  // Starts runtimes over other launchers, for tests.
}

/// A pool of workers. Movable; the destructor is shutdown(kCancel). All members are [any-thread].
class Runtime {
 public:
  /// Finds plugins and starts the workers; returns when the first is ready. Errors: kUnavailable when no worker can be
  /// started (with what it wrote); those of Catalog::open; kInvalidArgument.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options = {});

  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  // -- untyped: a task's name and a FlatBuffer ------------------------------------------------

  /// Runs a task and waits for it. `argument` is copied into shared memory. Errors: every call ends in exactly one of
  /// ok, kFailed (or another code of the task's choice), kCancelled, kDeadline, kCrashed, kRejected; kNotFound for an
  /// unknown task.
  [[nodiscard]] Result<Reply> call(std::string_view task, BytesView argument, const CallOptions& options = {});
  /// As call, with an earlier result or a built argument, without a copy. One of another runtime is copied.
  [[nodiscard]] Result<Reply> call(std::string_view task, const Reply& argument, const CallOptions& options = {});
  /// The same without waiting. Destroying the future does not cancel the call. In a `co_await` expression give options
  /// by name, not as a temporary: GCC 12 copies temporary aggregates bit by bit there.
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument) {
    return submit(task, argument, CallOptions());
  }
  /// As submit, with an earlier result or a built argument, without a copy. One of another runtime is copied.
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument) {
    return submit(task, argument, CallOptions());
  }
  /// Memory to build an argument in, which is then given to calls without a copy; see tenon/argument.hpp. Errors:
  /// kOutOfMemory, kUnavailable with the limit that refused; kTooLarge.
  [[nodiscard]] Result<ArgumentBuilder> build_argument(std::size_t size_hint_bytes = 1024);
  /// Runs a task on each argument that `next` gives (nullopt ends) with a bounded number in flight. `next` is called on
  /// the thread that asks the stream for results. Bytes it gives are valid until its next call.
  [[nodiscard]] MapStream map(std::string_view task, std::function<std::optional<BytesView>()> next,
                              const MapOptions& options = {});
  /// Opens a session of a streaming task on a worker.
  [[nodiscard]] Future<Session> open(std::string_view task, const SessionOptions& options);

  // -- typed: R is the generated result table -------------------------------------------------

  /// `argument` is finished. Errors: as call; kCorrupt when the result does not verify.
  template <typename R>
  [[nodiscard]] Result<TypedReply<R>> call(std::string_view task, const flatbuffers::FlatBufferBuilder& argument,
                                           const CallOptions& options = {}) {
    return call(task, BytesView(argument.GetBufferPointer(), argument.GetSize()), options)
        .and_then(TypedReply<R>::verify);
  }
  /// The same with an earlier result or a built argument.
  template <typename R>
  [[nodiscard]] Result<TypedReply<R>> call(std::string_view task, const Reply& argument,
                                           const CallOptions& options = {}) {
    return call(task, argument, options).and_then(TypedReply<R>::verify);
  }
  /// The typed form of submit.
  template <typename R>
  [[nodiscard]] Future<TypedReply<R>> submit(std::string_view task, const flatbuffers::FlatBufferBuilder& argument,
                                             const CallOptions& options) {
    return submit(task, BytesView(argument.GetBufferPointer(), argument.GetSize()), options)
        .then([](Result<Reply> reply) { return std::move(reply).and_then(TypedReply<R>::verify); });
  }
  template <typename R>
  [[nodiscard]] Future<TypedReply<R>> submit(std::string_view task, const flatbuffers::FlatBufferBuilder& argument) {
    return submit<R>(task, argument, CallOptions());
  }

  // -- the rest -------------------------------------------------------------------------------

  // -- hot swap (tenon/swap.hpp) ----------------------------------------------------------------

  /// Makes another version of a plugin the current one and waits until it is; the old version serves meanwhile, and
  /// goes on when the new one is refused. `what`: "image", for what its file holds now; "image@1.3.0", for that version
  /// among the catalog's directories and earlier generations; or the path of a file. Swaps of one plugin come one after
  /// another; of several that wait, the newest alone is made and the others end as kCancelled. Errors: kUnsupported
  /// without RuntimeOptions::hot_swap; kNotFound no such plugin or version; kIncompatible a break of the schema, ABI or
  /// pin; kRejected quarantined, untrusted or turned back by the canary; kCorrupt, kCrashed, kDeadline by the trial;
  /// kIo.
  [[nodiscard]] Result<SwapReport> swap(std::string_view what, const SwapOptions& options = {});
  /// Makes the generation before the current one current again. This runtime, and later ones of its
  /// HotSwapOptions::instance, do not load the content of the one that goes again unless they are forced to; other
  /// runtimes do. While a version is on trial it turns that one back instead, which then never becomes current.
  /// `reason` stands in the event. Errors: kNotFound no such plugin or nothing before it; kUnsupported;
  /// those of swap.
  [[nodiscard]] Result<SwapReport> rollback(std::string_view plugin, std::string_view reason = {});
  /// All generations of all plugins, the newest first; of those that are over, the latest 32 of each plugin. None
  /// without RuntimeOptions::hot_swap, as there are no events then.
  [[nodiscard]] std::vector<GenerationInfo> generations() const;
  /// The latest 1024 events with a number above `number`, in order; 0 for all that are kept.
  [[nodiscard]] std::vector<SwapEvent> events_since(std::uint64_t number) const;
  /// Calls `listener` for each event from now on, one after another, on a thread of the runtime. It may call the
  /// runtime, but not swap or rollback, and must not throw.
  [[nodiscard]] EventSubscription on_event(std::function<void(const SwapEvent&)> listener);

  /// Ends the runtime; further calls are rejected. Returns when no worker is left. May be called twice.
  void shutdown(Shutdown how = Shutdown::kDrain);
  /// What calls go to now; empty after the runtime has been moved away.
  [[nodiscard]] Catalog catalog() const;
  [[nodiscard]] unsigned worker_count() const noexcept;
  [[nodiscard]] RuntimeStats stats() const;

  class Impl;

 private:
  friend struct internal::RuntimeAccess;
  explicit Runtime(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace tenon

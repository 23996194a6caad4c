/// tenon/runtime.hpp: runs tasks of plugins, by name, in worker processes.
///
///   auto runtime = tenon::Runtime::start({.workers = 4, .plugin_dirs = {"build/plugins"}});
///   flatbuffers::FlatBufferBuilder argument;
///   argument.Finish(tenon::CreateFileDirect(argument, "README.md"));
///   auto counts = runtime->call<text::Counts>("text.count", argument);
///   if (counts) std::cout << (*counts)->lines() << '\n';
///
/// A runtime may be started anywhere: in main, in a library, in a static initialiser, inside a
/// task. Several may run at once. Workers are processes with their own executable, tenon-worker;
/// they never fork, load or re-run the host program.
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
struct RuntimeAccess;  // Starts runtimes with other launchers, for tests.
}

/// A pool of workers. Movable; the destructor calls shutdown(kCancel). All members are
/// [any-thread].
class Runtime {
 public:
  /// Finds plugins and starts the workers; returns when the first is ready. Errors: kUnavailable if
  /// no worker can be started (with its output); those of Catalog::open; kInvalidArgument.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options = {});

  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  // -- untyped: a task's name and a FlatBuffer ------------------------------------------------

  /// Runs a task and waits for it. `argument` is copied into shared memory. Errors: every call ends
  /// as exactly one of ok, kFailed (or another code that the task chooses), kCancelled, kDeadline,
  /// kCrashed, kRejected; kNotFound for an unknown task.
  [[nodiscard]] Result<Reply> call(std::string_view task, BytesView argument, const CallOptions& options = {});
  /// Like call, with an earlier result or a built argument, without a copy. A Reply of another
  /// runtime is copied.
  [[nodiscard]] Result<Reply> call(std::string_view task, const Reply& argument, const CallOptions& options = {});
  /// Like call, without waiting. Destroying the future does not cancel the call. In a `co_await`
  /// expression pass options as a named variable, not as a temporary: GCC 12 copies temporary
  /// aggregates bitwise there.
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument) {
    return submit(task, argument, CallOptions());
  }
  /// Like submit, with an earlier result or a built argument, without a copy. A Reply of another
  /// runtime is copied.
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument) {
    return submit(task, argument, CallOptions());
  }
  /// Allocates memory to build an argument in, which is then passed to calls without a copy; see
  /// tenon/argument.hpp. Errors: kOutOfMemory, kUnavailable with the limit that was hit; kTooLarge.
  [[nodiscard]] Result<ArgumentBuilder> build_argument(std::size_t size_hint_bytes = 1024);
  /// Runs a task on each argument that `next` returns (nullopt ends) with a bounded number in
  /// flight. `next` is called on the thread that reads the stream. The bytes it returns must stay
  /// valid until its next call.
  [[nodiscard]] MapStream map(std::string_view task, std::function<std::optional<BytesView>()> next,
                              const MapOptions& options = {});
  /// Opens a session of a streaming task on a worker.
  [[nodiscard]] Future<Session> open(std::string_view task, const SessionOptions& options);

  // -- typed: R is the generated result table -------------------------------------------------

  /// `argument` must be finished. Errors: as call; kCorrupt if the result does not pass
  /// verification.
  template <typename R>
  [[nodiscard]] Result<TypedReply<R>> call(std::string_view task, const flatbuffers::FlatBufferBuilder& argument,
                                           const CallOptions& options = {}) {
    return call(task, BytesView(argument.GetBufferPointer(), argument.GetSize()), options)
        .and_then(TypedReply<R>::verify);
  }
  /// Like call, with an earlier result or a built argument.
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

  /// Makes another version of a plugin current and waits until it is. The old version serves
  /// meanwhile, and continues to if the new one is refused. `what` is "image" for the current
  /// content of its file; "image@1.3.0" for that version among the catalog's directories and
  /// earlier generations; or the path of a file. Swaps of one plugin run one after another; if
  /// several are waiting, only the newest is made and the others end as kCancelled. Errors:
  /// kUnsupported without RuntimeOptions::hot_swap; kNotFound: no such plugin or version;
  /// kIncompatible: the schema, ABI or a pin forbids it; kRejected: quarantined, untrusted or
  /// rejected by the canary; kCorrupt, kCrashed, kDeadline: failed in the trial; kIo.
  [[nodiscard]] Result<SwapReport> swap(std::string_view what, const SwapOptions& options = {});
  /// Rolls back to the previous generation and quarantines the current one: this runtime, and later
  /// runtimes of its HotSwapOptions::instance, do not load that content again unless forced; other
  /// runtimes may. While a version is on trial, rejects that version instead, which then never
  /// becomes current. `reason` appears in the event. Errors: kNotFound: no such plugin or no
  /// previous generation; kUnsupported; those of swap.
  [[nodiscard]] Result<SwapReport> rollback(std::string_view plugin, std::string_view reason = {});
  /// All generations of all plugins, newest first; of retired ones, the latest 32 per plugin. Empty
  /// without RuntimeOptions::hot_swap; there are no events then either.
  [[nodiscard]] std::vector<GenerationInfo> generations() const;
  /// Returns those of the latest 1024 events whose number is above `number`, in order; 0 returns all of them.
  [[nodiscard]] std::vector<SwapEvent> events_since(std::uint64_t number) const;
  /// Calls `listener` for each event from now on, one after another, on a thread of the runtime. It
  /// may call the runtime, except swap and rollback, and must not throw.
  [[nodiscard]] EventSubscription on_event(std::function<void(const SwapEvent&)> listener);

  /// Shuts the runtime down; further calls are rejected. Returns when no worker is left. May be
  /// called twice.
  void shutdown(Shutdown how = Shutdown::kDrain);
  /// The catalog that calls use now; empty after the runtime has been moved from.
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

/// python/native/submit.hpp: reads the arguments and options of a call from Python, and submits it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include <tenon/runtime.hpp>

#include "python/native/ref.hpp"
#include "python/native/shared_buffer.hpp"
#include "python/native/task_plan.hpp"

namespace tenon::python {

/// A FlatBufferBuilder that is reused from call to call. Several exist at once if encoding a value runs code that makes
/// another call. Needs the GIL.
class ScratchBuilder {
 public:
  ScratchBuilder();
  ScratchBuilder(const ScratchBuilder&) = delete;
  ScratchBuilder& operator=(const ScratchBuilder&) = delete;
  ~ScratchBuilder();
  [[nodiscard]] flatbuffers::FlatBufferBuilder& get() noexcept { return *builder_; }

 private:
  std::unique_ptr<flatbuffers::FlatBufferBuilder> builder_;
};

/// An argument that can be submitted any number of times: bytes, or a reply in memory that workers can read.
class Argument {
 public:
  Argument() = default;
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  ~Argument();

  /// Creates the argument of a task from a value: a Table, a FlatBuffer as bytes, or a value for TableEncoder::table.
  /// False with an exception set.
  [[nodiscard]] bool encode(Runtime& runtime, const TaskPlan& task, PyObject* value);
  /// The same from keyword arguments.
  [[nodiscard]] bool encode(Runtime& runtime, const TaskPlan& task, PyObject* const* names, PyObject* const* values,
                            std::size_t count);
  /// Uses an encoded argument: bytes that outlive this object, or a reply.
  void use(BytesView bytes) noexcept { bytes_ = bytes; }
  void use(Reply reply) { reply_ = std::move(reply); }
  /// Null if the argument is in `bytes`.
  [[nodiscard]] const Reply* reply() const noexcept { return reply_ ? &*reply_ : nullptr; }
  /// Valid as long as this object.
  [[nodiscard]] BytesView bytes() const noexcept { return bytes_; }

 private:
  template <typename Encode>
  [[nodiscard]] bool build(Runtime& runtime, SharedBufferObject* shared, std::size_t bulk_bytes, Encode encode);
  template <typename Encode>
  [[nodiscard]] bool build_around(SharedBufferObject& shared, Encode encode);

  std::optional<ScratchBuilder> scratch_;
  std::optional<Reply> reply_;
  std::optional<Py_buffer> view_;
  BytesView bytes_;
};

/// The options of a call, which are keyword arguments beside the fields. Needs the GIL.
class CallKeywords {
 public:
  enum class Taken { kYes, kNo, kFailed };

  /// Uses a keyword argument if it is an option. `params` are encoded by the schema of the task. kFailed: an exception
  /// is set.
  [[nodiscard]] Taken take(const TaskPlan& task, PyObject* name, PyObject* value);
  /// Valid as long as this object.
  [[nodiscard]] const CallOptions& options() noexcept {
    options_.params = params_;
    return options_;
  }
  /// Creates the names of the options, once. False with an exception set.
  [[nodiscard]] static bool prepare();

 private:
  [[nodiscard]] bool take_params(const TaskPlan& task, PyObject* value);
  CallOptions options_;
  Buffer params_;
};

/// Submits a call. If the queue is full and `blocks` is set, waits without the GIL; Ctrl-C interrupts the wait: nullopt
/// with an exception set. `closed` also ends the wait.
[[nodiscard]] std::optional<Future<Reply>> submit(Runtime& runtime, std::string_view task, const Argument& argument,
                                                  const CallOptions& options, bool blocks,
                                                  const std::atomic<bool>& closed);

}  // namespace tenon::python

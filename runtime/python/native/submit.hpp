/// python/native/submit.hpp: arguments and options of a call from Python, and its submission.
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

/// A FlatBufferBuilder that is reused from call to call. Several exist at once where encoding a value runs code that
/// makes a call of its own. With the GIL.
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

/// An argument, ready for any number of submissions: bytes, or a reply that lies where workers can read it.
class Argument {
 public:
  Argument() = default;
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  ~Argument();

  /// Makes the argument of a task out of a value: a Table, a FlatBuffer as bytes, or what TableEncoder::table takes.
  /// False with an exception set.
  [[nodiscard]] bool encode(Runtime& runtime, const TaskPlan& task, PyObject* value);
  /// The same out of keyword arguments.
  [[nodiscard]] bool encode(Runtime& runtime, const TaskPlan& task, PyObject* const* names, PyObject* const* values,
                            std::size_t count);
  /// Takes what is encoded already: bytes that outlive this, or a reply.
  void use(BytesView bytes) noexcept { bytes_ = bytes; }
  void use(Reply reply) { reply_ = std::move(reply); }
  /// Null when the argument is `bytes`.
  [[nodiscard]] const Reply* reply() const noexcept { return reply_ ? &*reply_ : nullptr; }
  /// Valid as long as this.
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

/// The options of a call, which are keyword arguments beside the fields. With the GIL.
class CallKeywords {
 public:
  enum class Taken { kYes, kNo, kFailed };

  /// Takes a keyword argument if it is an option. `params` are encoded along the task. kFailed: an exception is set.
  [[nodiscard]] Taken take(const TaskPlan& task, PyObject* name, PyObject* value);
  /// Valid as long as this.
  [[nodiscard]] const CallOptions& options() noexcept {
    options_.params = params_;
    return options_;
  }
  /// Makes the names of the options, once. False with an exception set.
  [[nodiscard]] static bool prepare();

 private:
  [[nodiscard]] bool take_params(const TaskPlan& task, PyObject* value);
  CallOptions options_;
  Buffer params_;
};

/// Submits a call. Where the queue is full and `blocks` says to wait, the wait gives the GIL up, and Ctrl-C ends it:
/// nullopt with an exception set. `closed` ends it too.
[[nodiscard]] std::optional<Future<Reply>> submit(Runtime& runtime, std::string_view task, const Argument& argument,
                                                  const CallOptions& options, bool blocks,
                                                  const std::atomic<bool>& closed);

}  // namespace tenon::python

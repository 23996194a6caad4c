/// tenon/plugin/call.hpp: the running call.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include <tenon/plugin.h>
#include <tenon/plugin/error.hpp>
#include <tenon/plugin/state.hpp>
#include <tenon/plugin/table.hpp>

namespace tenon {

/// The return value of a task whose result is its own argument, byte for byte: nothing is copied.
struct SameAsArgument {};

/// Result of a nested call: a verified table. Valid until the calling task returns.
template <typename T>
class Nested {
 public:
  explicit Nested(std::span<const std::uint8_t> bytes)
      : bytes_(bytes), value_(&internal::verified_root<T>(bytes, "result of the nested call")) {}

  [[nodiscard]] const T& operator*() const noexcept { return *value_; }
  [[nodiscard]] const T* operator->() const noexcept { return value_; }
  /// The FlatBuffer.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::uint8_t> bytes_;
  const T* value_;
};

namespace internal {

/// Provides transport memory to a FlatBufferBuilder. Throws TaskError if there is none.
class TransportAllocator final : public flatbuffers::Allocator {
 public:
  explicit TransportAllocator(tenon_call_t* call) noexcept : call_(call) {}
  void rebind(tenon_call_t* call) noexcept { call_ = call; }

  std::uint8_t* allocate(std::size_t size) override {
    std::uint8_t* buffer = nullptr;
    check(size, call_->functions->reserve(call_, size, &buffer));
    return buffer;
  }
  // The worker reclaims an uncommitted block automatically.
  void deallocate(std::uint8_t*, std::size_t) override {}
  std::uint8_t* reallocate_downward(std::uint8_t*, std::size_t, std::size_t new_size, std::size_t in_use_back,
                                    std::size_t in_use_front) override {
    std::uint8_t* buffer = nullptr;
    check(new_size, call_->functions->grow_down(call_, new_size, in_use_back, in_use_front, &buffer));
    return buffer;
  }

 private:
  void check(std::size_t size, tenon_status_t status) const {
    if (status != TENON_OK) {
      throw TaskError(status, "no memory for a result of " + std::to_string(size) +
                                  " bytes: " + call_->functions->last_error(call_));
    }
  }
  tenon_call_t* call_;
};

/// A table as finished bytes, for a nested call. Bytes and finished builders are borrowed; objects
/// are packed.
class NestedInput {
 public:
  NestedInput() = default;
  explicit NestedInput(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  explicit NestedInput(const flatbuffers::FlatBufferBuilder& finished)
      : bytes_(finished.GetBufferPointer(), finished.GetSize()) {}
  template <NativeTable N>
  explicit NestedInput(const N& native) {
    owned_.emplace();
    owned_->Finish(N::TableType::Pack(*owned_, &native));
    bytes_ = {owned_->GetBufferPointer(), owned_->GetSize()};
  }
  NestedInput(const NestedInput&) = delete;
  NestedInput& operator=(const NestedInput&) = delete;

  [[nodiscard]] tenon_bytes_t raw() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
  std::optional<flatbuffers::FlatBufferBuilder> owned_;
  std::span<const std::uint8_t> bytes_;
};

}  // namespace internal

/// The worker's services for a running task. Must not be kept after the function that received it
/// returns. [task-thread]; poll, check, progress and log are [any-thread] until the task returns.
class Call {
 public:
  /// Wraps the call of the ABI. The generated glue does this; tests may too.
  explicit Call(tenon_call_t* raw) noexcept : raw_(raw), allocator_(raw) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// A builder that works in the result's transport memory: its content is never copied. One result
  /// at a time. `initial_size_bytes` applies when the builder is first used for a result: a good
  /// guess avoids growing.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& builder(std::size_t initial_size_bytes = 1024) {
    if (!builder_) {
      builder_.emplace(initial_size_bytes, &allocator_, false, kBuilderAlignment);
    }
    return *builder_;
  }

  /// The argument as bytes; borrowed until the task returns; empty in a reduce after the last
  /// argument.
  [[nodiscard]] std::span<const std::uint8_t> argument_bytes() const noexcept {
    return internal::as_span(raw_->argument);
  }
  /// The params as bytes; data() is null if the caller passed none.
  [[nodiscard]] std::span<const std::uint8_t> params_bytes() const noexcept { return internal::as_span(raw_->params); }

  /// The call's deadline; nullopt if there is none.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
    if (raw_->deadline_ns == INT64_MAX) {
      return std::nullopt;
    }
    return std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::nanoseconds(raw_->deadline_ns)));
  }
  /// TENON_OK: continue; TENON_CANCELLED: the result is no longer needed; TENON_DEADLINE: the
  /// deadline has passed. Costs a few nanoseconds.
  [[nodiscard]] tenon_status_t poll() const noexcept { return raw_->functions->poll(raw_); }
  /// Like poll, but throws TaskError if the task must stop. Call it regularly.
  void check() const {
    const tenon_status_t status = poll();
    if (status != TENON_OK) {
      throw TaskError(status, status == TENON_CANCELLED  ? "the call was cancelled"
                              : status == TENON_DEADLINE ? "the deadline passed"
                                                         : "the worker asked the task to stop");
    }
  }

  /// Reports `done` of `total` units chosen by the task; `total` is 0 if unknown.
  void progress(std::uint64_t done, std::uint64_t total = 0) const noexcept {
    raw_->functions->progress(raw_, done, total);
  }
  /// Writes a line to the host's log. `level` is TENON_LOG_DEBUG, _INFO, _WARNING or _ERROR.
  void log(tenon_log_level_t level, const std::string& message) const {
    raw_->functions->log(raw_, level, message.c_str());
  }
  /// Ends the call with an error by throwing TaskError.
  [[noreturn]] void fail(const std::string& message) const { throw TaskError(TENON_FAILED, message); }
  [[noreturn]] void fail(tenon_status_t code, const std::string& message) const { throw TaskError(code, message); }

  /// 1 for the first attempt, 2 for the first retry.
  [[nodiscard]] std::uint32_t attempt() const noexcept { return raw_->attempt; }
  /// Unique among the calls of one runtime; the same for each attempt.
  [[nodiscard]] std::uint64_t id() const noexcept { return raw_->call_id; }

  /// The plugin's state in this worker, declared with `plugin.state<T>()`. Throws TaskError if it
  /// was not declared.
  template <typename T>
  [[nodiscard]] T& state() const {
    return internal::PluginState::of(raw_->state).template get<T>();
  }
  /// The plugin's settings, declared with `plugin.settings<S>()`; default values if none are
  /// configured. Valid as long as the worker. Throws TaskError if they were not declared.
  template <typename S>
  [[nodiscard]] const S& settings() const {
    return internal::PluginState::of(raw_->state).template settings<S>();
  }

  /// Runs another plain task by its full name, as in "image.thumbnail", and waits for its verified
  /// result. Argument and params are objects (`FileT`), finished builders or spans of bytes. Throws
  /// TaskError: the nested call's error; TENON_NOT_FOUND; TENON_CORRUPT if the result is not an R.
  template <typename R, typename Argument>
  [[nodiscard]] Nested<R> invoke(const std::string& task, const Argument& argument) {
    return Nested<R>(invoke_raw(task, internal::NestedInput(argument), internal::NestedInput()));
  }
  template <typename R, typename Argument, typename Params>
  [[nodiscard]] Nested<R> invoke(const std::string& task, const Argument& argument, const Params& params) {
    return Nested<R>(invoke_raw(task, internal::NestedInput(argument), internal::NestedInput(params)));
  }
  /// Like invoke, with bytes: argument and result are not verified. The result is valid until the
  /// task returns.
  [[nodiscard]] std::span<const std::uint8_t> invoke_bytes(const std::string& task,
                                                           std::span<const std::uint8_t> argument,
                                                           std::span<const std::uint8_t> params = {}) {
    return invoke_raw(task, internal::NestedInput(argument), internal::NestedInput(params));
  }

  /// The call of the ABI, for functions that this class does not offer.
  [[nodiscard]] tenon_call_t* raw() const noexcept { return raw_; }

  /// Makes a finished or unfinished table the result. The glue does this with a task's return
  /// value.
  template <typename T>
  void commit(Offset<T> root) {
    if (root.IsNull() || !builder_) {
      throw TaskError(TENON_FAILED, std::string("the task returned no ") + T::GetFullyQualifiedName() +
                                        "; build its result with call.builder()");
    }
    // The start is then aligned like the end, and nothing is moved.
    builder_->TrackMinAlign(kBuilderAlignment);
    builder_->Finish(root);
    const tenon_status_t status = raw_->functions->commit(raw_, builder_->GetBufferPointer(), builder_->GetSize());
    const std::string message = status == TENON_OK ? std::string() : raw_->functions->last_error(raw_);
    builder_.reset();
    if (status != TENON_OK) {
      throw TaskError(status, std::string("the result cannot be committed: ") + message);
    }
  }
  template <internal::NativeTable N>
  void commit(const N& native) {
    builder_.reset();
    commit(N::TableType::Pack(builder(), &native));
  }

  /// Serves another step of the same session from now on and discards an unfinished result. For the
  /// glue.
  void rebind(tenon_call_t* raw) noexcept {
    builder_.reset();
    raw_ = raw;
    allocator_.rebind(raw);
  }

 private:
  // SUBTLE: block sizes are multiples of this, so a block's end is aligned like its start, and
  // FlatBuffers align their tables by the distance from the end.
  static constexpr std::size_t kBuilderAlignment = 16;

  std::span<const std::uint8_t> invoke_raw(const std::string& task, const internal::NestedInput& argument,
                                           const internal::NestedInput& params) {
    tenon_bytes_t result{};
    const tenon_status_t status = raw_->functions->invoke(raw_, task.c_str(), argument.raw(), params.raw(), &result);
    if (status != TENON_OK) {
      throw TaskError(status, task + ": " + raw_->functions->last_error(raw_));
    }
    return internal::as_span(result);
  }

  tenon_call_t* raw_;
  internal::TransportAllocator allocator_;
  std::optional<flatbuffers::FlatBufferBuilder> builder_;
};

}  // namespace tenon

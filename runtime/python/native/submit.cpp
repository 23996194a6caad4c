#include "python/native/submit.hpp"

#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "python/native/encode.hpp"
#include "python/native/errors.hpp"
#include "python/native/options.hpp"
#include "python/native/quantities.hpp"
#include "python/native/table.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

/// Arguments of at least this size are built in memory that workers can read, which saves a copy.
constexpr std::size_t kBulkBytes = std::size_t{64} << 10;
/// Space for the tables and strings around the bulk data, so that the block need not grow.
constexpr std::size_t kBesideBulkBytes = std::size_t{16} << 10;
/// Larger builders are not kept.
constexpr std::size_t kKeptScratchBytes = std::size_t{1} << 20;
constexpr std::size_t kKeptScratches = 8;
/// During submissions that copy at least this much, other Python threads may run.
constexpr std::size_t kLongCopyBytes = std::size_t{256} << 10;
/// Interval at which a call that waits for room tries again.
constexpr std::chrono::milliseconds kRoomInterval{1};

using Scratches = std::vector<std::unique_ptr<flatbuffers::FlatBufferBuilder>>;

Scratches& scratches() {
  static auto* const kept = new Scratches();  // Never destroyed, because a thread may still use it at exit.
  return *kept;
}

/// The approximate size of the bulk data in a value: buffers and long strings, a few levels deep.
std::size_t bulk_bytes_of(PyObject* value, int depth) {
  if (PyBytes_Check(value)) {
    return static_cast<std::size_t>(PyBytes_GET_SIZE(value));
  }
  if (PyUnicode_Check(value)) {
    return static_cast<std::size_t>(PyUnicode_GET_LENGTH(value));
  }
  if (PyDict_Check(value) && depth > 0) {
    std::size_t sum = 0;
    PyObject* name = nullptr;
    PyObject* item = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(value, &at, &name, &item) != 0;) {
      sum += bulk_bytes_of(item, depth - 1);
    }
    return sum;
  }
  if ((PyList_Check(value) || PyTuple_Check(value)) && depth > 0) {
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(value);
    std::size_t sum = static_cast<std::size_t>(count) * 8;
    // Only a sample is examined, because most sequences are uniform.
    constexpr Py_ssize_t kSample = 64;
    for (Py_ssize_t i = 0; i < std::min(count, kSample); ++i) {
      sum += bulk_bytes_of(PySequence_Fast_GET_ITEM(value, i), depth - 1);
    }
    return sum;
  }
  if (PyObject_CheckBuffer(value)) {
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_FULL_RO) == 0) {
      const auto size = static_cast<std::size_t>(view.len);
      PyBuffer_Release(&view);
      return size;
    }
    PyErr_Clear();
  }
  return 0;
}

bool is_fields(PyObject* value) {
  return PyDict_Check(value) || plan_of_table(value) != nullptr || PyObject_CheckBuffer(value) == 0;
}

}  // namespace

ScratchBuilder::ScratchBuilder() {
  Scratches& kept = scratches();
  if (kept.empty()) {
    builder_ = std::make_unique<flatbuffers::FlatBufferBuilder>(1024);
  } else {
    builder_ = std::move(kept.back());
    kept.pop_back();
  }
}

ScratchBuilder::~ScratchBuilder() {
  if (scratches().size() < kKeptScratches && builder_->GetSize() <= kKeptScratchBytes) {
    builder_->Clear();
    scratches().push_back(std::move(builder_));
  }
}

// -- arguments --------------------------------------------------------------------------------

Argument::~Argument() {
  if (view_) {
    PyBuffer_Release(&*view_);
  }
}

template <typename Encode>
bool Argument::build_around(SharedBufferObject& shared, Encode encode) {
  const Ref held = Ref::share(&shared.ob_base);
  // Encoding may run code that makes a call with the same buffer.
  set_unused(shared, false);
  ArgumentBuilder& builder = *shared.state->builder;
  const flatbuffers::uoffset_t root = encode(builder.flatbuffer(), &shared);
  if (root == 0) {
    set_unused(shared, true);
    return false;
  }
  auto built = builder.finish(flatbuffers::Offset<void>(root));
  if (!built) {
    set_unused(shared, true);
    raise(built.error());
    return false;
  }
  reply_ = std::move(*built);
  shared.state->argument = reply_;
  shared.state->builder.reset();
  return true;
}

template <typename Encode>
bool Argument::build(Runtime& runtime, SharedBufferObject* shared, std::size_t bulk_bytes, Encode encode) {
  if (shared != nullptr) {
    return build_around(*shared, encode);
  }
  if (bulk_bytes >= kBulkBytes) {
    auto block = runtime.build_argument(bulk_bytes + kBesideBulkBytes);
    if (block) {
      const flatbuffers::uoffset_t root = encode(block->flatbuffer(), nullptr);
      if (root == 0) {
        return false;
      }
      auto built = block->finish(flatbuffers::Offset<void>(root));
      if (!built) {
        raise(built.error());
        return false;
      }
      reply_ = std::move(*built);
      return true;
    }
    // Without room in shared memory, the call makes a private copy, or says why it cannot.
  }
  scratch_.emplace();
  const flatbuffers::uoffset_t root = encode(scratch_->get(), nullptr);
  if (root == 0) {
    return false;
  }
  scratch_->get().Finish(flatbuffers::Offset<void>(root));
  bytes_ = {scratch_->get().GetBufferPointer(), scratch_->get().GetSize()};
  return true;
}

bool Argument::encode(Runtime& runtime, const TaskPlan& task, PyObject* value) {
  if (const ObjectPlan* const plan = plan_of_table(value)) {
    const Reply* const reply = reply_of_table(value);
    const bool fits = task.argument->model->is_any || plan->model->name == task.argument->model->name;
    if (reply != nullptr && fits && reply->size_bytes() > 0) {
      reply_ = *reply;  // Uses the result of an earlier call in place.
      return true;
    }
  } else if (!is_fields(value)) {
    view_.emplace();
    if (PyObject_GetBuffer(value, &*view_, PyBUF_SIMPLE) != 0) {
      view_.reset();
      return false;
    }
    bytes_ = {static_cast<const std::uint8_t*>(view_->buf), static_cast<std::size_t>(view_->len)};
    return true;
  }
  constexpr int kDepth = 3;
  const auto encode = [&](flatbuffers::FlatBufferBuilder& builder, const SharedBufferObject* shared) {
    return TableEncoder(builder, task.name, shared).table(*task.argument, value);
  };
  return build(runtime, find_shared_buffer(value, kDepth), bulk_bytes_of(value, kDepth), encode);
}

bool Argument::encode(Runtime& runtime, const TaskPlan& task, PyObject* const* names, PyObject* const* values,
                      std::size_t count) {
  std::size_t bulk_bytes = 0;
  SharedBufferObject* found = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    constexpr int kDepth = 3;
    bulk_bytes += bulk_bytes_of(values[i], kDepth);
    found = found == nullptr ? find_shared_buffer(values[i], kDepth) : found;
  }
  const auto encode = [&](flatbuffers::FlatBufferBuilder& builder, const SharedBufferObject* shared) {
    return TableEncoder(builder, task.name, shared).table(*task.argument, names, values, count);
  };
  return build(runtime, found, bulk_bytes, encode);
}

// -- options ----------------------------------------------------------------------------------

namespace {

enum Keyword { kTimeout, kRunTimeout, kQueueTimeout, kPriority, kRetries, kParams, kAffinity, kKeywordCount };
PyObject* g_keywords[kKeywordCount];
constexpr const char* kKeywordNames[kKeywordCount] = {"timeout", "run_timeout", "queue_timeout", "priority",
                                                      "retries", "params",      "affinity"};
constexpr std::int64_t kMaxRetries = 249;

int keyword_of(PyObject* name) {
  for (int i = 0; i < kKeywordCount; ++i) {
    if (g_keywords[i] == name) {
      return i;
    }
  }
  // Names of keyword arguments are usually interned, but need not be.
  for (int i = 0; i < kKeywordCount; ++i) {
    if (PyUnicode_CompareWithASCIIString(name, kKeywordNames[i]) == 0) {
      return i;
    }
  }
  return kKeywordCount;
}

}  // namespace

bool CallKeywords::prepare() {
  for (int i = 0; i < kKeywordCount; ++i) {
    if (g_keywords[i] == nullptr) {
      g_keywords[i] = PyUnicode_InternFromString(kKeywordNames[i]);
    }
    if (g_keywords[i] == nullptr) {
      return false;
    }
  }
  return true;
}

CallKeywords::Taken CallKeywords::take(const TaskPlan& task, PyObject* name, PyObject* value) {
  const auto taken = [](bool ok) { return ok ? Taken::kYes : Taken::kFailed; };
  std::int64_t number = 0;
  switch (keyword_of(name)) {
    case kTimeout:
      return taken(read_seconds("timeout", value, options_.timeout));
    case kRunTimeout:
      return taken(read_seconds("run_timeout", value, options_.run_timeout));
    case kQueueTimeout:
      return taken(read_seconds("queue_timeout", value, options_.queue_timeout));
    case kPriority:
      if (!read_integer("priority", value, std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), number)) {
        return Taken::kFailed;
      }
      options_.priority = static_cast<int>(number);
      return Taken::kYes;
    case kRetries:
      if (!read_integer("retries", value, 0, kMaxRetries, number)) {
        return Taken::kFailed;
      }
      options_.max_attempts = static_cast<std::uint32_t>(number) + 1;
      return Taken::kYes;
    case kAffinity:
      if (value == Py_None) {
        return Taken::kYes;
      }
      if (!PyUnicode_Check(value)) {
        raise_type(std::string("affinity: expected a str, not ") + Py_TYPE(value)->tp_name);
        return Taken::kFailed;
      }
      return taken(read_text(value, options_.affinity_key));
    case kParams:
      return value == Py_None ? Taken::kYes : taken(take_params(task, value));
    default:
      return Taken::kNo;
  }
}

bool CallKeywords::take_params(const TaskPlan& task, PyObject* value) {
  if (task.params == nullptr) {
    raise(ErrorCode::kInvalidArgument, task.name + " has no params");
    return false;
  }
  if (!is_fields(value)) {
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) != 0) {
      return false;
    }
    const auto* const bytes = static_cast<const std::uint8_t*>(view.buf);
    params_.assign(bytes, bytes + view.len);
    PyBuffer_Release(&view);
    return true;
  }
  ScratchBuilder scratch;
  const std::string what = task.name + ": params";
  const flatbuffers::uoffset_t root = TableEncoder(scratch.get(), what).table(*task.params, value);
  if (root == 0) {
    return false;
  }
  scratch.get().Finish(flatbuffers::Offset<void>(root));
  params_.assign(scratch.get().GetBufferPointer(), scratch.get().GetBufferPointer() + scratch.get().GetSize());
  return true;
}

// -- submission -------------------------------------------------------------------------------

std::optional<Future<Reply>> submit(Runtime& runtime, std::string_view task, const Argument& argument,
                                    const CallOptions& options, bool blocks, const std::atomic<bool>& closed) {
  const auto attempt = [&] {
    return argument.reply() != nullptr ? runtime.submit(task, *argument.reply(), options)
                                       : runtime.submit(task, argument.bytes(), options);
  };
  const bool long_copy = argument.reply() == nullptr && argument.bytes().size() >= kLongCopyBytes;
  Future<Reply> future;
  if (long_copy) {
    const WithoutGil without_gil;
    future = attempt();
  } else {
    future = attempt();
  }
  // The runtime itself never waits for room here: that wait would hold the GIL, and Ctrl-C could not interrupt it.
  const auto refused = [&future, &closed] {
    if (closed.load() || !future.ready()) {
      return false;
    }
    const Result<Reply> outcome = future.get();
    return !outcome && outcome.error().code == ErrorCode::kRejected;
  };
  if (!blocks || !refused()) {
    return future;
  }
  std::optional<Clock::time_point> deadline;
  if (options.queue_timeout || options.timeout) {
    deadline = Clock::now() + std::min(options.queue_timeout.value_or(std::chrono::nanoseconds::max() / 4),
                                       options.timeout.value_or(std::chrono::nanoseconds::max() / 4));
  }
  const Waited waited = wait_interruptibly(
      [&](Clock::time_point until) {
        do {
          std::this_thread::sleep_for(kRoomInterval);
          future = attempt();
          if (!refused()) {
            return true;
          }
        } while (Clock::now() < until);
        return false;
      },
      deadline);
  if (waited == Waited::kTimedOut) {
    raise(ErrorCode::kDeadline, std::string(task) + ": the queue had no room until the call's timeout passed");
  }
  return waited == Waited::kDone ? std::optional(std::move(future)) : std::nullopt;
}

}  // namespace tenon::python

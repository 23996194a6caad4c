#include "python/native/session.hpp"

#include <cstring>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "python/native/completions.hpp"
#include "python/native/errors.hpp"
#include "python/native/process_bound.hpp"
#include "python/native/runtime.hpp"
#include "python/native/submit.hpp"
#include "python/native/task_plan.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

/// A result and a checkpoint, of which only the bytes matter.
struct Finishing {
  Future<Reply> future;
};
struct Checkpointing {
  Future<Reply> future;
};

/// The running step. A session runs only one at a time.
using Step =
    std::variant<std::monostate, Future<Session>, Future<Session::Batch>, Future<void>, Finishing, Checkpointing>;

struct State {
  std::optional<Session> session;
  Step step;
  bool closed = false;
};

struct SessionObject {
  PyObject ob_base;
  PyObject* runtime;
  PyObject* plan;
  ProcessBound<State> state;
};

PyTypeObject* g_session_type = nullptr;

SessionObject* as_session(PyObject* object) {
  return reinterpret_cast<SessionObject*>(object);
}

/// Null with an exception set in a child process.
State* usable_state(PyObject* self) {
  auto& state = as_session(self)->state;
  if (!state.usable()) {
    return raise(ErrorCode::kUnavailable,
                 "this session belongs to the process that this one was forked from; open another one here");
  }
  return &state.get();
}

/// The session, if it can start a new step. Null with an exception set.
Session* idle_session(PyObject* self) {
  State* const state = usable_state(self);
  if (state == nullptr) {
    return nullptr;
  }
  if (!std::holds_alternative<std::monostate>(state->step)) {
    return raise(ErrorCode::kInvalidArgument, "a step of the session is under way; one comes after another");
  }
  if (!state->session) {
    return raise(ErrorCode::kUnavailable, "the session is closed; open another one");
  }
  return &*state->session;
}

/// Ends the running step and the session; this takes locks and may wait for the worker.
void end_session(State& state) {
  State ended = std::exchange(state, State{});
  state.closed = true;
  const WithoutGil without_gil;
  ended = State{};
}

void session_dealloc(PyObject* self) {
  SessionObject* const object = as_session(self);
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (object->state.usable()) {
    end_session(object->state.get());
  }
  object->state.~ProcessBound();
  Py_CLEAR(object->runtime);
  Py_CLEAR(object->plan);
  type->tp_free(self);
  Py_DECREF(type);
}

int session_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_session(self)->runtime);
  Py_VISIT(as_session(self)->plan);
  return 0;
}

/// Null with an exception set.
RuntimeCore* core_of(PyObject* self) {
  // The garbage collector clears the runtime of a session that is part of an unreachable cycle.
  PyObject* const runtime = as_session(self)->runtime;
  return runtime != nullptr ? usable_core(runtime)
                            : raise(ErrorCode::kUnavailable, "the session is closed; open another one");
}

int session_clear(PyObject* self) {
  Py_CLEAR(as_session(self)->runtime);
  return 0;
}

// -- starting steps ---------------------------------------------------------------------------

/// start_next(max_results)
PyObject* session_start_next(PyObject* self, PyObject* count) {
  return guarded([&]() -> PyObject* {
    const unsigned long number = PyLong_AsUnsignedLong(count);
    Session* const session = PyErr_Occurred() != nullptr ? nullptr : idle_session(self);
    if (session == nullptr) {
      return nullptr;
    }
    as_session(self)->state->step = session->next(static_cast<std::uint32_t>(number));
    Py_RETURN_NONE;
  });
}

/// Stores an argument of a reduce in memory that workers can read.
std::optional<Reply> stored(Runtime& runtime, const Argument& argument) {
  if (argument.reply() != nullptr) {
    return *argument.reply();
  }
  const BytesView bytes = argument.bytes();
  auto block = runtime.build_argument(bytes.size());
  if (!block) {
    raise(block.error());
    return std::nullopt;
  }
  if (!bytes.empty()) {
    std::memcpy(block->bytes().data(), bytes.data(), bytes.size());
  }
  auto reply = block->commit(0, bytes.size());
  if (!reply) {
    raise(reply.error());
    return std::nullopt;
  }
  return std::move(*reply);
}

/// start_feed(list of arguments)
PyObject* session_start_feed(PyObject* self, PyObject* given) {
  return guarded([&]() -> PyObject* {
    RuntimeCore* const core = core_of(self);
    const Ref items = core == nullptr ? Ref() : Ref::steal(PySequence_Fast(given, "expected a list of arguments"));
    if (!items) {
      return nullptr;
    }
    std::vector<Reply> arguments;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
      const Ref item = Ref::share(PySequence_Fast_GET_ITEM(items.get(), i));
      Argument argument;
      if (!argument.encode(core->runtime, task_plan_of(as_session(self)->plan), item.get())) {
        return nullptr;
      }
      auto reply = stored(core->runtime, argument);
      if (!reply) {
        return nullptr;
      }
      arguments.push_back(std::move(*reply));
    }
    Session* const session = idle_session(self);
    if (session == nullptr) {
      return nullptr;
    }
    as_session(self)->state->step = session->feed(arguments);
    Py_RETURN_NONE;
  });
}

PyObject* session_start_finish(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    Session* const session = idle_session(self);
    if (session == nullptr) {
      return nullptr;
    }
    as_session(self)->state->step = Finishing{session->finish()};
    Py_RETURN_NONE;
  });
}

PyObject* session_start_checkpoint(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    Session* const session = idle_session(self);
    if (session == nullptr) {
      return nullptr;
    }
    as_session(self)->state->step = Checkpointing{session->checkpoint()};
    Py_RETURN_NONE;
  });
}

// -- ending steps -----------------------------------------------------------------------------

/// Waits for a step, which keeps running if the wait is interrupted. False with an exception set.
template <typename T>
bool ended(const Future<T>& future) {
  return wait_for(future) == Waited::kDone;
}

PyObject* batch_of(PyObject* plan, const Session::Batch& batch) {
  const Ref results = Ref::steal(PyList_New(static_cast<Py_ssize_t>(batch.results.size())));
  for (std::size_t i = 0; results && i < batch.results.size(); ++i) {
    PyObject* const table = decode_result(plan, batch.results[i]);
    if (table == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(results.get(), static_cast<Py_ssize_t>(i), table);
  }
  return results ? PyTuple_Pack(2, results.get(), batch.ended ? Py_True : Py_False) : nullptr;
}

/// wait(): waits for the running step. Returns None for open and feed, (results, ended) for next, the result for
/// finish, and bytes for checkpoint.
PyObject* session_wait(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    State* const state = usable_state(self);
    if (state == nullptr) {
      return nullptr;
    }
    // A copy, because the session may be closed meanwhile.
    const Step step = state->step;
    PyObject* const plan = as_session(self)->plan;
    const auto settle = [&](auto&& outcome, auto value) -> PyObject* {
      if (state->closed) {
        return raise(ErrorCode::kUnavailable, "the session was closed while this step was under way");
      }
      state->step = std::monostate{};
      return outcome ? value(std::forward<decltype(outcome)>(outcome)) : raise(outcome.error());
    };
    const auto none = [](auto&&) { return Py_NewRef(Py_None); };
    if (const auto* const opening = std::get_if<Future<Session>>(&step)) {
      return !ended(*opening) ? nullptr : settle(opening->get(), [state](auto&& session) {
        state->session.emplace(std::move(*session));
        return Py_NewRef(Py_None);
      });
    }
    if (const auto* const next = std::get_if<Future<Session::Batch>>(&step)) {
      return !ended(*next) ? nullptr : settle(next->get(), [plan](auto&& batch) { return batch_of(plan, *batch); });
    }
    if (const auto* const feeding = std::get_if<Future<void>>(&step)) {
      return !ended(*feeding) ? nullptr : settle(feeding->get(), none);
    }
    if (const auto* const finishing = std::get_if<Finishing>(&step)) {
      return !ended(finishing->future) ? nullptr : settle(finishing->future.get(), [plan](auto&& reply) {
        return decode_result(plan, std::move(*reply));
      });
    }
    if (const auto* const checkpointing = std::get_if<Checkpointing>(&step)) {
      return !ended(checkpointing->future) ? nullptr : settle(checkpointing->future.get(), [](auto&& reply) {
        const BytesView bytes = reply->bytes();
        return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                         static_cast<Py_ssize_t>(bytes.size()));
      });
    }
    return raise(ErrorCode::kUnavailable, state->closed ? "the session is closed; open another one"
                                                        : "no step of the session is under way; start one first");
  });
}

PyObject* session_watch(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    State* const state = usable_state(self);
    if (state == nullptr) {
      return nullptr;
    }
    if (count != 2) {
      PyErr_SetString(PyExc_TypeError, "_watch takes completions and a token");
      return nullptr;
    }
    const auto add = [&](const auto& future) { return watch(future.state(), arguments[0], arguments[1]); };
    const int watched = std::visit(
        [&](const auto& step) {
          using Kind = std::decay_t<decltype(step)>;
          if constexpr (std::is_same_v<Kind, std::monostate>) {
            return 0;
          } else if constexpr (std::is_same_v<Kind, Finishing> || std::is_same_v<Kind, Checkpointing>) {
            return add(step.future);
          } else {
            return add(step);
          }
        },
        state->step);
    return watched < 0 ? nullptr : PyBool_FromLong(watched);
  });
}

PyObject* session_close(PyObject* self, PyObject* /*none*/) {
  if (as_session(self)->state.usable()) {
    end_session(as_session(self)->state.get());
  }
  Py_RETURN_NONE;
}

PyMethodDef session_methods[] = {
    {"start_next", session_start_next, METH_O, nullptr},
    {"start_feed", session_start_feed, METH_O, nullptr},
    {"start_finish", session_start_finish, METH_NOARGS, nullptr},
    {"start_checkpoint", session_start_checkpoint, METH_NOARGS, nullptr},
    {"wait", session_wait, METH_NOARGS, nullptr},
    {"close", session_close, METH_NOARGS, nullptr},
    {"_watch", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(session_watch)), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyObject* make_session(PyObject* runtime, PyObject* plan, Future<Session> opening) {
  PyObject* const self = g_session_type->tp_alloc(g_session_type, 0);
  if (self != nullptr) {
    SessionObject* const object = as_session(self);
    object->runtime = Py_NewRef(runtime);
    object->plan = Py_NewRef(plan);
    new (&object->state) ProcessBound<State>();
    object->state->step = std::move(opening);
  }
  return self;
}

Ref make_session_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(session_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(session_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(session_clear)},
      {Py_tp_methods, session_methods},
      {Py_tp_doc, const_cast<char*>("An open source or reduce. One step at a time: start_...(), then wait().")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Session", sizeof(SessionObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_session_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

#include "python/native/completions.hpp"

#include <utility>

#include "python/native/errors.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

using Link = CompletionList::Link;

/// Links whose list was closed when they completed: they hold Python references, which can be released only with the
/// GIL.
std::atomic<Link*> g_dropped{nullptr};

/// Adds a chain of links to a list. Returns whether the list was empty.
bool add_chain(std::atomic<Link*>& list, Link* first, Link* last) noexcept {
  Link* head = list.load(std::memory_order_relaxed);
  do {
    last->following = head;
  } while (!list.compare_exchange_weak(head, first, std::memory_order_seq_cst, std::memory_order_relaxed));
  return head == nullptr;
}

void drop_chain(Link* first) noexcept {
  if (first != nullptr) {
    Link* last = first;
    while (last->following != nullptr) {
      last = last->following;
    }
    add_chain(g_dropped, first, last);
  }
}

/// Frees links. Needs the GIL.
void free_chain(Link* link) {
  while (link != nullptr) {
    Link* const next = link->following;
    Py_DECREF(link->token);
    delete link;
    link = next;
  }
}

struct CompletionsObject {
  PyObject ob_base;
  ProcessBound<std::shared_ptr<CompletionList>> list;
};

CompletionsObject* as_completions(PyObject* object) {
  return reinterpret_cast<CompletionsObject*>(object);
}

PyTypeObject* g_completions_type = nullptr;

/// The list of an object; null with an exception set in a child process.
std::shared_ptr<CompletionList>* usable_list(PyObject* self) {
  auto& list = as_completions(self)->list;
  if (!list.usable()) {
    return raise(ErrorCode::kUnavailable, "these completions belong to the process that this one was forked from");
  }
  return &list.get();
}

PyObject* completions_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  return guarded([&]() -> PyObject* {
    auto bell = internal::EventBell::create();
    if (!bell) {
      return raise(bell.error());
    }
    auto list = std::make_shared<CompletionList>(std::move(*bell));
    PyObject* const object = type->tp_alloc(type, 0);
    if (object != nullptr) {
      new (&as_completions(object)->list) ProcessBound<std::shared_ptr<CompletionList>>(std::move(list));
    }
    return object;
  });
}

void completions_dealloc(PyObject* self) {
  CompletionsObject* const object = as_completions(self);
  PyTypeObject* const type = Py_TYPE(self);
  if (object->list.usable()) {
    object->list.get()->close();
    free_chain(g_dropped.exchange(nullptr, std::memory_order_acq_rel));
  }
  object->list.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* completions_fileno(PyObject* self, PyObject* /*none*/) {
  const auto* const list = usable_list(self);
  return list == nullptr ? nullptr : PyLong_FromLong((*list)->bell().descriptor().get());
}

/// Returns the tokens so far, in order of completion.
PyObject* take_tokens(CompletionList& list) {
  static_cast<void>(list.bell().drain());
  Link* const first = list.take();
  Ref tokens = Ref::steal(PyList_New(0));
  for (Link* link = first; link != nullptr && tokens; link = link->following) {
    if (PyList_Append(tokens.get(), link->token) != 0) {
      tokens = Ref();
    }
  }
  free_chain(first);
  free_chain(g_dropped.exchange(nullptr, std::memory_order_acq_rel));
  return tokens.release();
}

PyObject* completions_take(PyObject* self, PyObject* /*none*/) {
  auto* const list = usable_list(self);
  return list == nullptr ? nullptr : take_tokens(**list);
}

PyObject* completions_wait(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    auto* const list = usable_list(self);
    if (list == nullptr) {
      return nullptr;
    }
    const std::shared_ptr<CompletionList> kept = *list;
    auto poller = internal::Poller::create();
    if (!poller) {
      return raise(poller.error());
    }
    if (auto added = poller->add(kept->bell().descriptor(), 0); !added) {
      return raise(added.error());
    }
    const Waited waited = wait_interruptibly(
        [&](Clock::time_point until) {
          const auto events =
              poller->wait(until == Clock::time_point::max() ? internal::kNever : until.time_since_epoch().count());
          return !events || !events->empty() || kept->closed();
        },
        std::nullopt);
    return waited == Waited::kInterrupted ? nullptr : take_tokens(*kept);
  });
}

PyObject* completions_close(PyObject* self, PyObject* /*none*/) {
  if (as_completions(self)->list.usable()) {
    as_completions(self)->list.get()->close();
  }
  Py_RETURN_NONE;
}

PyObject* completions_closed(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(!as_completions(self)->list.usable() || as_completions(self)->list.get()->closed());
}

PyMethodDef completions_methods[] = {
    {"fileno", completions_fileno, METH_NOARGS, "The descriptor that becomes readable when something has completed."},
    {"take", completions_take, METH_NOARGS, "The tokens of what has completed, without waiting."},
    {"wait", completions_wait, METH_NOARGS, "Waits until something has completed or close() is called, and takes it."},
    {"close", completions_close, METH_NOARGS, "Ends a wait, and drops what completes from now on."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef completions_properties[] = {
    {"closed", completions_closed, nullptr, "Whether close() has been called.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

void CompletionList::push(Link* link) noexcept {
  if (closed()) {
    link->following = nullptr;
    return drop_chain(link);
  }
  if (add_chain(head_, link, link)) {
    bell_.ring();  // Later links of the same batch need no further ring.
  }
  if (closed_.load(std::memory_order_seq_cst)) {
    drop_chain(head_.exchange(nullptr, std::memory_order_acq_rel));
  }
}

Link* CompletionList::take() noexcept {
  Link* newest = head_.exchange(nullptr, std::memory_order_acquire);
  Link* oldest = nullptr;
  while (newest != nullptr) {
    Link* const next = newest->following;
    newest->following = oldest;
    oldest = newest;
    newest = next;
  }
  return oldest;
}

void CompletionList::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  drop_chain(head_.exchange(nullptr, std::memory_order_acq_rel));
  bell_.ring();
}

int watch(const internal::Shared<internal::FutureState>& state, PyObject* completions, PyObject* token) {
  if (Py_TYPE(completions) != g_completions_type) {
    PyErr_SetString(PyExc_TypeError, "expected Completions");
    return -1;
  }
  const auto* const list = usable_list(completions);
  if (list == nullptr) {
    return -1;
  }
  auto link = std::make_unique<Link>();
  link->list = *list;
  link->state = state;
  link->token = token;
  link->run = [](internal::Waiter* self) noexcept {
    Link* const completed = static_cast<Link*>(self);
    const std::shared_ptr<CompletionList> into = completed->list;  // A copy: the taking thread frees the link.
    into->push(completed);
  };
  if (!state->add_waiter(link.get())) {
    return 0;
  }
  Py_INCREF(token);
  static_cast<void>(link.release());
  return 1;
}

Ref make_completions_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(completions_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(completions_dealloc)},
      {Py_tp_methods, completions_methods},
      {Py_tp_getset, completions_properties},
      {Py_tp_doc, const_cast<char*>("Gathers futures that complete, for a thread or an event loop that takes them.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Completions", sizeof(CompletionsObject), 0, Py_TPFLAGS_DEFAULT, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_completions_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python

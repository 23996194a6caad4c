"""Future: a running call, usable with concurrent.futures and asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _aio, _tenon
from .errors import Cancelled

T = TypeVar("T")

# Attributes that concurrent.futures.wait, as_completed and asyncio.wrap_future access.
_STATE_OF_STDLIB = frozenset(
    ("_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks"))


class Future(_tenon.Future, concurrent.futures.Future, Generic[T]):  # type: ignore[type-arg]
    """A running call. It is a concurrent.futures.Future: wait(), as_completed() and asyncio.wrap_future() accept it.
    The runtime itself waits for the result, without another thread, so a future costs little; the state that the
    standard library uses is created when it is first accessed.

        future = rt.submit('text.count', path='/etc/passwd')
        counts = future.result(timeout=5)        # or: counts = await future
    """

    if TYPE_CHECKING:
        def result(self, timeout: float | None = None) -> T: ...

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits for the call and returns its exception; None if it succeeded."""
        error = self._outcome(timeout)[1]
        if isinstance(error, concurrent.futures.CancelledError):
            if _tenon._must_end_quietly():
                raise SystemExit
            raise error
        return error

    def cancelled(self) -> bool:
        """Whether the call ended because it was cancelled."""
        return self.done() and isinstance(self._outcome(None)[1], concurrent.futures.CancelledError)

    def running(self) -> bool:
        """Whether a worker runs the call."""
        return self.started() and not self.done()

    def add_done_callback(self, function: Callable[[Future[T]], object]) -> None:
        """Calls function(future) when the call has ended: on another thread, or at once on this one if it already
        has."""
        with _drain.adding():
            concurrent.futures.Future.add_done_callback(self, function)  # type: ignore[arg-type]

    @property
    def _condition(self) -> threading.Condition:
        # concurrent.futures.wait and as_completed access this first.
        if _drain.would_wait_for_itself() and not self.done():
            raise RuntimeError("a callback of a future waits for a call that has not ended; callbacks run one after "
                               "another on one thread, which would wait for itself; add a callback to that future, or "
                               "wait on another thread")
        found: Any = self.__dict__.get("_condition")
        return found if found is not None else self.__getattr__("_condition")  # type: ignore[no-any-return]

    @_condition.setter
    def _condition(self, condition: threading.Condition) -> None:
        self.__dict__["_condition"] = condition

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            waiter = _aio.completion_of(self)
            try:
                yield from waiter
            except asyncio.CancelledError:
                self.cancel()
                raise
        try:
            return self.result(0)
        except Cancelled as error:
            raise asyncio.CancelledError(str(error)) from error

    def __repr__(self) -> str:
        if not self.done():
            state = "pending"
        else:
            error = self._outcome(None)[1]
            state = "finished" if error is None else f"failed with {type(error).__name__}"
        return f"<tenon.Future at {id(self):#x} {state}>"

    def __getattr__(self, name: str) -> Any:
        if name not in _STATE_OF_STDLIB:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        ended = False
        with _making:
            if "_state" not in self.__dict__:
                concurrent.futures.Future.__init__(self)
                ended = not self._watch(_drain.completions(), self)
        if ended:
            # Without the lock, because a large result takes time, and other threads may want to access it too.
            try:
                self._settle()
            except BaseException:  # Ctrl-C. Others may wait for the state by now.
                threading.Thread(target=self._settle, daemon=True, name="tenon-settle").start()
                raise
        return self.__dict__[name]

    def _settle(self) -> None:
        """Copies the outcome of the ended call to the state of the standard library."""
        value, error = self._outcome(None)
        base = concurrent.futures.Future
        if isinstance(error, concurrent.futures.CancelledError):
            base.cancel(self)
            base.set_running_or_notify_cancel(self)
        elif error is not None:
            base.set_exception(self, error)
        else:
            base.set_result(self, value)


class _Drain:
    """The thread that, after their completion, settles futures whose state the standard library has accessed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._completions: _tenon.Completions | None = None
        self._thread: threading.Thread | None = None
        self._adding = 0  # Only the thread itself uses it.

    @contextlib.contextmanager
    def adding(self) -> Iterator[None]:
        """Entered while a callback is added, which accesses the state but waits for nothing."""
        here = threading.current_thread() is self._thread
        self._adding += here
        try:
            yield
        finally:
            self._adding -= here

    def would_wait_for_itself(self) -> bool:
        """Whether the caller is a callback, which must not wait for other futures."""
        return self._thread is not None and threading.get_ident() == self._thread.ident and not self._adding

    def completions(self) -> _tenon.Completions:
        """The completions with which such futures are watched; starts the thread."""
        with self._lock:
            if self._completions is None:
                self._completions = _tenon.Completions()
                self._thread = threading.Thread(target=_settle_all, args=(self._completions,), daemon=True,
                                                name="tenon-completions")
                self._thread.start()
                _tenon._set_callback_thread(self._thread.ident or 0)
            return self._completions

    def close(self) -> None:
        """Ends the thread."""
        with self._lock:
            completions, thread = self._completions, self._thread
            self._completions = self._thread = None
        if completions is not None and thread is not None:
            completions.close()
            thread.join()

    def after_fork_in_child(self) -> None:
        """Drops the thread, which belongs to the parent, and locks that the parent's threads may have held."""
        global _making
        _making = threading.RLock()
        _tenon._set_callback_thread(0)
        self.__init__()  # type: ignore[misc]


def _settle_all(completions: _tenon.Completions) -> None:
    while not completions.closed:
        batch = completions.wait()
        for future in batch:
            try:
                future._settle()
            except concurrent.futures.InvalidStateError:
                pass  # Other code has already settled it.
            except BaseException:
                # A callback raised an exception that the standard library passes on, such as SystemExit. All other
                # futures of the process need this thread.
                logging.getLogger("concurrent.futures").exception("exception calling callback for %r", future)
        del batch
        future = None


_making = threading.RLock()
_drain = _Drain()
_tenon._set_future_class(Future)

"""Completions for asyncio: one descriptor for each event loop, from which they are taken in batches."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any, Protocol

from . import _tenon

_Waiter = asyncio.Future[None]
_lock = threading.Lock()
_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopCompletions] = weakref.WeakKeyDictionary()


class _LoopCompletions:
    """The completions of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.completions = _tenon.Completions()
        try:
            loop.add_reader(self.completions.fileno(), self._take)
        except NotImplementedError:
            # A loop that cannot watch descriptors gets its batches from a thread.
            self._loop = weakref.ref(loop)
            threading.Thread(target=self._take_for_loop, daemon=True, name="tenon-asyncio").start()

    def _take(self) -> None:
        _wake(self.completions.take())

    def _take_for_loop(self) -> None:
        while not self.completions.closed:
            batch = self.completions.wait()
            loop = self._loop()
            if loop is None or loop.is_closed():
                self.completions.close()
                return
            if batch:
                loop.call_soon_threadsafe(_wake, batch)

    def __del__(self) -> None:
        self.completions.close()


def _wake(batch: list[_Waiter]) -> None:
    for waiter in batch:
        if not waiter.done():
            waiter.set_result(None)


class Watchable(Protocol):
    """An object whose completion can be watched: a future, or a session with a running step."""

    def _watch(self, completions: _tenon.Completions, token: object, /) -> bool: ...


def completion_of(future: Watchable) -> _Waiter:
    """An asyncio future that is done when `future` is, for the running event loop."""
    loop = asyncio.get_running_loop()
    with _lock:
        of_loop = _loops.get(loop)
        if of_loop is None:
            of_loop = _loops[loop] = _LoopCompletions(loop)
    waiter: Any = loop.create_future()
    if not future._watch(of_loop.completions, waiter):
        waiter.set_result(None)
    return waiter  # type: ignore[no-any-return]


def after_fork_in_child() -> None:
    """Drops the event loops and their completions, which belong to the parent."""
    global _lock
    _lock = threading.Lock()
    _loops.clear()

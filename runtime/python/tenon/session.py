"""Sources and reduces: tasks with many results, and tasks with many arguments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _aio, _tenon
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .runtime import Runtime

Table = _tenon.Table


def _check_batch(batch: int) -> int:
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 1 << 20:
        raise InvalidArgument("invalid_argument", f"batch: {batch!r} is not a number of items; use 1 to 1048576")
    return batch


class Source:
    """The results of a source, one after another. Runtime.source makes one.

    An iterator, an asynchronous iterator and a context manager. It is bound to one worker; if that dies, the next step
    raises tenon.WorkerCrashed, and a new source can continue from the last checkpoint.
    """

    def __init__(self, runtime: Runtime, task: str, argument: Any, *, params: Any, checkpoint: bytes | None,
                 step_timeout: float | None, batch: int, fields: dict[str, Any]) -> None:
        self._batch = _check_batch(batch)
        self._results: list[Table] = []
        self._ended = False
        self._opened = False
        self._session = runtime._open("source", task, argument, fields, params, checkpoint, step_timeout)

    def _take(self, outcome: tuple[list[Table], bool]) -> None:
        results, self._ended = outcome
        results.reverse()
        self._results = results

    def __iter__(self) -> Iterator[Table]:
        return self

    def __next__(self) -> Table:
        while not self._results:
            if self._ended:
                raise StopIteration
            if not self._opened:
                self._session.wait()
                self._opened = True
            self._session.start_next(self._batch)
            self._take(self._session.wait())
        return self._results.pop()

    def __aiter__(self) -> AsyncIterator[Table]:
        return self

    async def __anext__(self) -> Table:
        while not self._results:
            if self._ended:
                raise StopAsyncIteration
            if not self._opened:
                await _ended(self._session)
                self._session.wait()
                self._opened = True
            self._session.start_next(self._batch)
            await _ended(self._session)
            self._take(self._session.wait())
        return self._results.pop()

    def checkpoint(self) -> bytes:
        """Returns bytes from which a new source continues after the results that the iterator has returned.

        Raises tenon.Unsupported if the task has no checkpoints, and tenon.InvalidArgument while results of a batch wait
        to be taken, because a checkpoint follows a whole batch. Use batch=1 to take a checkpoint after any result.
        """
        if self._results:
            raise InvalidArgument(
                "invalid_argument",
                f"{len(self._results)} results of the last batch have not been taken, and a checkpoint stands behind "
                "them; take them first, or open the source with batch=1")
        if not self._opened:
            self._session.wait()
            self._opened = True
        self._session.start_checkpoint()
        return self._session.wait()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Closes the source, also in its worker."""
        self._ended = True
        self._results = []
        self._session.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Source:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        self.close()


async def _ended(session: _tenon.Session) -> None:
    """Waits until the running step has ended. Cancelling closes the session."""
    try:
        await _aio.completion_of(session)
    except asyncio.CancelledError:
        session.close()
        raise


def reduce_session(runtime: Runtime, task: str, arguments: Iterable[Any], *, params: Any, checkpoint: bytes | None,
                   step_timeout: float | None, batch: int) -> Table:
    """See Runtime.reduce."""
    size = _check_batch(batch)
    session = runtime._open("reduce", task, None, {}, params, checkpoint, step_timeout)
    try:
        session.wait()
        group: list[Any] = []
        for argument in arguments:
            group.append(argument)
            if len(group) >= size:
                session.start_feed(group)
                session.wait()
                group = []
        if group:
            session.start_feed(group)
            session.wait()
        session.start_finish()
        return session.wait()  # type: ignore[no-any-return]
    finally:
        session.close()

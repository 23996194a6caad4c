"""The class Runtime: workers that run tasks by name."""

from __future__ import annotations

import atexit
import collections
import dataclasses
import datetime
import math
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _aio, _options, _tenon, _units
from ._logs import LogThread
from ._options import HotSwap, Limits, PathLike, SwapOptions
from .errors import Error, InvalidArgument, Unsupported
from .future import Future, _drain
from .session import Source, reduce_session
from ._handle import Task

if TYPE_CHECKING:
    from ._source_watch import SourceWatch

Table = _tenon.Table
How = Literal["drain", "drain_running", "cancel", "kill"]
# The numbers of tenon::Shutdown.
_HOW: dict[str, int] = {"drain": 0, "drain_running": 1, "cancel": 2, "kill": 3}

_live: weakref.WeakSet[Runtime] = weakref.WeakSet()


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A plugin that a runtime knows. `problem` says why it cannot be used; None if it can."""

    name: str
    version: str
    file: str
    sha256: str
    problem: Error | None


@dataclasses.dataclass(frozen=True)
class Worker:
    """A worker process: its number in the runtime, its process, its calls so far and the run time of recent ones."""

    id: int
    pid: int
    calls: int
    mean_run: float


@dataclasses.dataclass(frozen=True)
class Stats:
    """Counts of calls since the start, and the current state."""

    submitted: int
    succeeded: int
    failed: int
    crashed_workers: int
    queued: int
    running: int
    workers: list[Worker]


@dataclasses.dataclass(frozen=True)
class Generation:
    """One version of one plugin in one runtime."""

    number: int
    plugin: str
    version: str
    sha256: str
    source: str
    state: str
    since: datetime.datetime
    reason: str
    note: str
    workers: int
    calls: int
    failed: int
    crashed: int
    p99: float


@dataclasses.dataclass(frozen=True)
class SwapReport:
    """The outcome of a swap. Times are in seconds."""

    now: Generation
    before: Generation
    overridden: list[str]
    untried: str
    staged: float
    examined: float
    warmed: float
    tried: float


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a generation: 'detected', 'staged', 'switched', 'rolled_back' ..."""

    number: int
    time: datetime.datetime
    kind: str
    plugin: str
    version: str
    sha256: str
    generation: int
    message: str


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _generation(values: tuple[Any, ...]) -> Generation:
    fields = list(values)
    fields[6] = _time(fields[6])
    return Generation(*fields)


def _report(values: tuple[Any, ...]) -> SwapReport:
    return SwapReport(_generation(values[0]), _generation(values[1]), *values[2:])


class Runtime(_tenon.Runtime):
    """Workers that run tasks by name. A context manager; starts within milliseconds.

        with tenon.Runtime(workers=4) as rt:
            counts = rt.call('text.count', path='/etc/passwd')
            print(counts.lines)

    A runtime may be started anywhere: no `if __name__ == '__main__'` is needed, because workers are processes of a
    separate program, in which no part of this program runs. It belongs to the process that started it: in a child of
    os.fork() its methods raise tenon.Unavailable.

    workers: worker processes; 0 for one per core.
    plugin_dirs: directories to search for plugins, before those of TENON_PLUGIN_PATH; None for the plugins that come
        with tenon, which tenon.bundled_plugin_dirs() adds to others.
    settings: settings of plugins by name, each as a dict, a dataclass or bytes.
    hot_swap: True or a HotSwap makes the plugins swappable; HotSwap(watch=True) swaps plugins whose files change.
    log: whether log lines go to logging, as 'tenon' and 'tenon.worker'.
    limits, plugin_limits: limits on plugins while they are loaded, and exceptions by plugin name.
    overflow: what a call does when the queue is full: 'block' waits for room, 'reject' raises tenon.Rejected.
    max_queued_calls, max_queued_bytes: bounds of the queue.
    argument_arena, result_arena, large_block_cache: shared memory for arguments, for the results of each worker, and
        cached for reuse by further arguments.
    worker_memory_limit: limit of each worker's memory; 0 for none.
    recycle_after_calls, recycle_above: a worker that has run this many calls, or uses more than this much memory, is
        replaced by a fresh one; 0 for never.
    worker_environment: called with 0, 1 ... for each worker; returns its environment variables, as in lambda index:
        {'CUDA_VISIBLE_DEVICES': str(index)}. A worker finds its index in TENON_WORKER_INDEX.
    copy_results: copies every result on arrival, so that no result occupies its worker's memory.
    cancel_grace: seconds that a cancelled or overdue call may keep running before its worker is killed.
    drain_timeout: seconds that close() waits for accepted calls.
    start_timeout: seconds that a worker may take to start.
    stall_timeout: seconds that a worker may have work without starting it before it is replaced; 0 for never.
    worker_executable, cache_dir: for installations in unusual places.

    Durations are seconds; sizes are numbers of bytes or texts such as '64 MiB'.
    """

    _logs: LogThread | None = None
    _source_watch: SourceWatch | None = None
    _source_dirs: Sequence[str] = ()

    def __init__(self, *, workers: int = 0, plugin_dirs: Sequence[PathLike] | PathLike | None = None,
                 settings: Mapping[str, Any] | None = None, hot_swap: bool | HotSwap = False, log: bool = True,
                 limits: Limits | None = None, plugin_limits: Mapping[str, Limits] | None = None,
                 overflow: Literal["block", "reject"] = "block", max_queued_calls: int = 1 << 24,
                 max_queued_bytes: int | str = 4 << 30, argument_arena: int | str = 1 << 30,
                 result_arena: int | str = 1 << 30, large_block_cache: int | str = 1 << 30,
                 worker_memory_limit: int | str = 0, recycle_after_calls: int = 0, recycle_above: int | str = 0,
                 worker_environment: Callable[[int], Mapping[str, str]] | None = None, copy_results: bool = False, cancel_grace: float = 1,
                 drain_timeout: float = 3600, start_timeout: float = 10, stall_timeout: float = 3,
                 worker_executable: PathLike | None = None, cache_dir: PathLike | None = None) -> None:
        swap = _options.hot_swap(hot_swap)
        self._source_dirs = _options.source_dirs(plugin_dirs)
        if swap is not None and swap.watch and self._source_dirs:
            from ._source_watch import SourceWatch
            # Before the sources are packed, so that no change is missed.
            self._source_watch = SourceWatch(self._source_dirs, swap.debounce)
        options = _options.runtime_options(
            workers=workers, plugin_dirs=plugin_dirs, worker_executable=worker_executable, cache_dir=cache_dir,
            settings={} if settings is None else settings, limits=limits, plugin_limits=plugin_limits or {},
            max_queued_calls=max_queued_calls, max_queued_bytes=max_queued_bytes, overflow=overflow,
            argument_arena=argument_arena, result_arena=result_arena, large_block_cache=large_block_cache,
            worker_memory_limit=worker_memory_limit, recycle_after_calls=recycle_after_calls,
            recycle_above=recycle_above, worker_environment=worker_environment, copy_results=copy_results, cancel_grace=cancel_grace,
            drain_timeout=drain_timeout, start_timeout=start_timeout, stall_timeout=stall_timeout, hot_swap=swap)
        self._logs = LogThread() if log else None
        options["log"] = self._logs.queue if self._logs else None
        try:
            super().__init__(options)
        except BaseException:
            self._end_logs()
            raise
        if self._source_watch is not None:
            self._source_watch.start()
        _live.add(self)

    # -- the end ------------------------------------------------------------------------------

    def close(self, how: How = "drain") -> None:
        """Shuts the runtime down and returns when no worker is left. May be called again.

        'drain' accepts no new calls and finishes all accepted ones; 'drain_running' cancels queued calls and finishes
        running ones; 'cancel' cancels queued calls and gives running ones cancel_grace seconds; 'kill' kills the
        workers.
        """
        if how not in _HOW:
            raise InvalidArgument("invalid_argument", f"close: {how!r} is none of {', '.join(map(repr, _HOW))}")
        watch, self._source_watch = self._source_watch, None
        if watch is not None:
            watch.close()
        self._close(_HOW[how])
        self._end_logs()

    def _end_logs(self) -> None:
        logs, self._logs = self._logs, None
        if logs is not None:
            logs.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        # After an exception, no caller waits for the results.
        self.close("drain" if kind is None else "cancel")

    def __del__(self) -> None:
        if not self.closed:
            warnings.warn(f"unclosed {self!r}; close() it, or use it in a with statement", ResourceWarning,
                          stacklevel=2, source=self)
            self._close(_HOW["cancel"])
        # Neither thread is joined, because the collector may run on that very thread.
        watch, self._source_watch = self._source_watch, None
        if watch is not None:
            watch.close(wait=False)
        logs, self._logs = self._logs, None
        if logs is not None:
            logs.queue.close()

    def __repr__(self) -> str:
        return f"<tenon.Runtime at {id(self):#x}{' closed' if self.closed else ''}>"

    # -- calls --------------------------------------------------------------------------------

    if TYPE_CHECKING:
        def submit(self, task: str, argument: Any = None, /, **options_and_fields: Any) -> Future[Table]: ...

    async def acall(self, task: str, argument: Any = None, /, **keywords: Any) -> Table:
        """The same as call, for asyncio. Cancelling the coroutine cancels the call."""
        return await self.submit(task, argument, **keywords)

    def task(self, name: str) -> Task:
        """A handle for one task: count = rt.task('text.count'); count(path='x').lines; help(count)."""
        return Task(self, self._task_plan(name))

    def map(self, task: str, arguments: Iterable[Any], *, window: int | None = None, ordered: bool = True,
            return_exceptions: bool = False, **options: Any) -> Iterator[Table]:
        """Runs a task on each argument, several at a time, and yields the results as they are requested.

        arguments: any iterable, even an endless one; it is read as results are taken.
        window: the maximum number of calls in flight; by default as many as keep the workers busy.
        ordered: yields the results in the order of the arguments; False: in the order of completion.
        return_exceptions: yields the exception of a failed call in place of its result, instead of raising it.

        The options of `call` apply to each call. Closing the iterator cancels the calls in flight.
        """
        size = window if window is not None else 64 * max(self._worker_count(), 1)
        if size < 1:
            raise InvalidArgument("invalid_argument", f"window: {size} is not a number of calls; use 1 or more")
        futures = (self.submit(task, argument, **options) for argument in arguments)
        return _in_order(futures, size, return_exceptions) if ordered else _as_they_come(futures, size,
                                                                                        return_exceptions)

    def source(self, task: str, argument: Any = None, /, *, params: Any = None, checkpoint: bytes | None = None,
               step_timeout: float | None = None, batch: int = 64, **fields: Any) -> Source:
        """Opens a source, a task with many results: for line in rt.source('text.lines', path='x'): ...

        The Source is an iterator, an asynchronous iterator and a context manager.

        checkpoint: the result of an earlier Source.checkpoint(); the source continues there.
        step_timeout: seconds that one step may run.
        batch: the maximum number of results that are sent together.
        """
        return Source(self, task, argument, params=params, checkpoint=checkpoint, step_timeout=step_timeout,
                      batch=batch, fields=fields)

    def reduce(self, task: str, arguments: Iterable[Any], /, *, params: Any = None, checkpoint: bytes | None = None,
               step_timeout: float | None = None, batch: int = 64) -> Table:
        """Feeds a reduce, a task with many arguments and one result, from any iterable, and returns the result."""
        return reduce_session(self, task, arguments, params=params, checkpoint=checkpoint, step_timeout=step_timeout,
                              batch=batch)

    # -- memory -------------------------------------------------------------------------------

    def buffer(self, size: int | str) -> memoryview:
        """Returns writable memory that workers read: rt.call('tenon.echo', data=buffer) does not copy it.

        This holds for the first call that gets all of it as a field; later calls copy its current content. Do not write
        to it while a call that uses it is running. It initially contains zeros.
        """
        return memoryview(self._shared_buffer(_units.size_bytes("size", size), 1))

    def array(self, shape: int | tuple[int, ...], dtype: Any = "uint8") -> Any:
        """The same as a numpy array: image = rt.array((480, 640, 3)); ...; rt.call('image.blur', pixels=image)."""
        try:
            import numpy
        except ImportError:
            raise Unsupported("unsupported", "arrays need numpy, which is not installed; Runtime.buffer works "
                                             "without") from None
        kind = numpy.dtype(dtype)
        if kind.hasobject or kind.itemsize == 0:
            raise InvalidArgument("invalid_argument", f"dtype: {kind} has no memory of its own that could be shared")
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        count = math.prod(_units.count("shape", size) for size in sizes)
        memory = self._shared_buffer(count, kind.itemsize)
        return numpy.frombuffer(memory, kind, count).reshape(sizes) if count else numpy.zeros(sizes, kind)

    # -- what there is ------------------------------------------------------------------------

    def tasks(self) -> list[str]:
        """The full names of all tasks that can be called."""
        return self._task_names()

    def plugins(self) -> list[Plugin]:
        """All plugins that were found; those that cannot be used have the reason."""
        return [Plugin(*values) for values in self._plugins()]

    def stats(self) -> Stats:
        """The counts since the start, and the workers."""
        stats = self._stats()
        return Stats(*stats[:6], workers=[Worker(*values) for values in stats[6]])

    # -- hot swap -----------------------------------------------------------------------------

    def swap(self, what: PathLike, options: SwapOptions | None = None) -> SwapReport:
        """Makes another version of a plugin the current one and waits until it is.

        what: 'image' for the current content of its file, 'image@1.3.0' for that version, or the path of a file. A
            plugin in Python is packed first, as by tenon.pack. The runtime needs hot_swap. Raises tenon.Incompatible
            for a break of the schema, tenon.Rejected if the canary rejects the version; the old version then stays
            current.
        """
        path = os.fspath(what)
        source = path if _options.is_source(path) else self._source_of(path)
        if source is not None:
            from . import _plugin_sources
            packed = str(_plugin_sources.pack_source(source))
            path = packed if source == path else path
        return _report(self._swap(path, (options or SwapOptions())._plain()))

    def _source_of(self, plugin: str) -> str | None:
        """The source of a plugin in Python in the plugin directories; None if there is none."""
        from ._plugin_sources import sources_in
        found = (source for directory in self._source_dirs for source in sources_in(directory))
        return next((str(source) for source in found if source.stem == plugin), None)

    def rollback(self, plugin: str, reason: str = "") -> SwapReport:
        """Rolls back to the previous version."""
        return _report(self._rollback(plugin, reason))

    def generations(self) -> list[Generation]:
        """All versions of all plugins that this runtime has had, the newest first."""
        return [_generation(values) for values in self._generations()]

    def events(self, *, since: int | None = None, timeout: float | None = None) -> Iterator[Event]:
        """Iterates over what happens to plugins, from now on or from event number `since` on.

        Waits at most `timeout` seconds for each further event; ends when the runtime is closed.
        """
        past = self._events_since(0 if since is None else since)
        last = since if since is not None else (past[-1][0] if past else 0)
        return self._events(last, timeout)

    def _events(self, last: int, timeout: float | None) -> Iterator[Event]:
        while True:
            for event in self._events_since(last):
                last = event[0]
                yield Event(last, _time(event[1]), *event[2:])
            if not self._wait_event(last, timeout):
                return


def _outcome(future: Future[Table], return_exceptions: bool) -> Any:
    if not return_exceptions:
        return future.result()
    value, error = future._outcome(None)
    return value if error is None else error


def _in_order(futures: Iterator[Future[Table]], window: int, return_exceptions: bool) -> Iterator[Any]:
    pending: collections.deque[Future[Table]] = collections.deque()
    try:
        for future in futures:
            pending.append(future)
            if len(pending) >= window:
                yield _outcome(pending.popleft(), return_exceptions)
        while pending:
            yield _outcome(pending.popleft(), return_exceptions)
    finally:
        for future in pending:
            future.cancel()


def _as_they_come(futures: Iterator[Future[Table]], window: int, return_exceptions: bool) -> Iterator[Any]:
    completions = _tenon.Completions()
    pending: set[Future[Table]] = set()
    ready: collections.deque[Future[Table]] = collections.deque()
    exhausted = False
    try:
        while True:
            while not exhausted and len(pending) + len(ready) < window:
                future = next(futures, None)
                if future is None:
                    exhausted = True
                elif future._watch(completions, future):
                    pending.add(future)
                else:
                    ready.append(future)
            if not ready:
                if not pending:
                    return
                ready.extend(completions.wait())
                pending.difference_update(ready)
            while ready:
                yield _outcome(ready.popleft(), return_exceptions)
                if not exhausted:
                    break
    finally:
        completions.close()
        for future in pending:
            future.cancel()


def _close_all() -> None:
    """Closes all runtimes when the interpreter exits: no thread of a runtime may ask for the GIL afterwards."""
    _tenon._note_exit()
    for runtime in list(_live):
        try:
            runtime.close("cancel")
        except Error:
            pass
    _drain.close()


def _after_fork_in_child() -> None:
    _tenon._after_fork_in_child()
    _live.clear()
    _drain.after_fork_in_child()
    _aio.after_fork_in_child()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)

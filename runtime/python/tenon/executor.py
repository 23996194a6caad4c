"""Executor: concurrent.futures for functions by name, in workers that never run the program again."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import itertools
import logging
import os
import signal
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from . import _names, _options, _places, _tenon, _units
from ._chunks import ChunkSizer
from ._marks import MARK
from ._options import PathLike
from ._progress import reporter
from .errors import Error, InvalidArgument, InvalidType
from .future import Future
from .runtime import Runtime

__all__ = ["Executor", "ExecutorFuture"]

T = TypeVar("T")
R = TypeVar("R")
Progress = bool | Callable[[int, "int | None"], object]

_PLUGIN = "py"


class ExecutorFuture(Future[T]):
    """The future of Executor.submit. cancel() works as in the standard library: it cancels a call that no worker has
    begun."""

    def cancel(self) -> bool:
        """Cancels the call if no worker has begun it. Returns whether it is cancelled."""
        return self.cancel_queued() or self.cancelled()


class Executor(concurrent.futures.Executor):
    """Runs functions in worker processes: concurrent.futures, without pickle and without a `__main__` guard.

        with tenon.Executor(4, initializer=work.prepare, initargs=('model.bin',)) as ex:
            future = ex.submit(work.add, 2, 5)
            for result in ex.map(work.add, range(1000), range(1000)): ...

    Functions are sent by name, 'module:function': submit(math.sqrt, 2), submit('work:add', 2, 5), a functools.partial
    of such a function, tenon.source(f) for a function of __main__ or a notebook, or a lambda that uses only its
    arguments. Arguments and results are data. Workers import the module of a function, never the main program.

    If a worker dies, the call that it was running fails with tenon.WorkerCrashed, which is a BrokenProcessPool; the
    executor continues with another worker.

    max_workers: worker processes; None for one per core that this process may use.
    initializer, initargs: a function that each worker runs before its first call. If it fails, calls fail with
        tenon.InitializerFailed, which is a BrokenProcessPool.
    max_tasks_per_worker: a worker that has run this many calls is replaced; None for never.
    max_memory_per_worker: a worker that uses more memory than this is replaced after its call; bytes, or '2 GiB'.
    env_per_worker: a function from a worker's index, below max_workers, to a dict of environment variables, as in
        lambda i: {'CUDA_VISIBLE_DEVICES': str(i)}. Workers also find the index as TENON_WORKER_INDEX.
    path: directories that workers search for modules; None for this process's sys.path.
    preload: names of modules that workers import when they start.
    settings: settings of further plugins by name, as for Runtime.
    runtime: an existing runtime to use; options about workers are then those of the runtime. The executor does not shut
        it down, and waits only for its own calls.
    Further keywords are those of tenon.Runtime. The plugins that come with tenon are found in addition to those of
    `plugin_dirs`.

    In a child of os.fork() the executor does not work: submit raises tenon.Unavailable, and shutdown does nothing.
    """

    def __init__(self, max_workers: int | None = None, *, initializer: Callable[..., object] | str | None = None,
                 initargs: Sequence[Any] = (), max_tasks_per_worker: int | None = None,
                 max_memory_per_worker: int | str | None = None,
                 env_per_worker: Callable[[int], Mapping[str, str]] | None = None,
                 path: Sequence[PathLike] | None = None, preload: Sequence[str] = (),
                 settings: Mapping[str, Any] | None = None, runtime: Runtime | None = None, **keywords: Any) -> None:
        if runtime is not None:
            given = {"max_workers": max_workers, "initializer": initializer, "initargs": initargs or None,
                     "max_tasks_per_worker": max_tasks_per_worker, "max_memory_per_worker": max_memory_per_worker,
                     "env_per_worker": env_per_worker, "path": path, "preload": preload or None, "settings": settings,
                     **keywords}
            for name, value in given.items():
                if value is not None:
                    raise InvalidArgument("invalid_argument", f"{name}: the runtime that was given decides this; give "
                                                              f"it to tenon.Runtime")
            self._core = _Core(runtime, owned=False)
        else:
            workers = _worker_count(max_workers)
            own = _plugin_settings(initializer, initargs, path, preload)
            initializers = None
            if initializer is not None:
                from ._initializers import Initializers
                initializers = Initializers()
                own["initializing"] = initializers.directory
            if (directories := keywords.get("plugin_dirs")) is not None:
                # The plugin that runs the functions is among those that come with tenon.
                own_dirs = _options._paths("plugin_dirs", directories)
                keywords["plugin_dirs"] = [*own_dirs, *(path for path in _places.plugin_dirs() if path not in own_dirs)]
            self._core = _Core(Runtime(
                workers=workers,
                settings={**(settings or {}), _PLUGIN: own},
                recycle_after_calls=_at_least_one("max_tasks_per_worker", max_tasks_per_worker),
                recycle_above=0 if max_memory_per_worker is None else max_memory_per_worker,
                worker_environment=None if env_per_worker is None else functools.partial(_environment, env_per_worker),
                **keywords), owned=True)
            self._core.initializers = initializers
        self._max_workers = self._core.workers
        self._options: dict[str, Any] = {}
        self._calls = self._function_calls({})
        self._marked_calls: dict[tuple[Any, ...], tuple[_tenon.FunctionCalls, bool]] = {}
        weakref.finalize(self, self._core.retire).atexit = False

    def _function_calls(self, options: dict[str, Any]) -> _tenon.FunctionCalls:
        return _tenon.FunctionCalls(self._core.runtime, _name_of, ExecutorFuture, self._core.on_failure, options)

    def _calls_of(self, mark: Mapping[str, Any] | None) -> tuple[_tenon.FunctionCalls, bool]:
        """How a function is called that has this mark of @tenon.task, and whether its calls have a run_timeout. Options
        of the executor take precedence over the mark."""
        limited = self._options.get("run_timeout") is not None
        if mark is None:
            return self._calls, limited
        key = mark["run_timeout"], mark["retries"]
        found = self._marked_calls.get(key)
        if found is None:
            options = dict(self._options)
            for name, value in zip(("run_timeout", "retries"), key):
                if options.get(name) is None:
                    options[name] = value
            found = self._marked_calls[key] = self._function_calls(options), options["run_timeout"] is not None
        return found

    # -- calls --------------------------------------------------------------------------------

    def submit(self, fn: Callable[..., T] | str, /, *args: Any, **kwargs: Any) -> ExecutorFuture[T]:
        """Calls fn(*args, **kwargs) in a worker and returns the future of its result.

        Raises TypeError if fn has no name that workers know, or an argument is not data; the message says which one,
        and what to do. Raises RuntimeError after shutdown().
        """
        core = self._core
        if core.down or core.broken:
            raise core.refusal()
        target: Any = fn
        if type(target) is functools.partial:
            target, args, kwargs = _unfold(target, args, kwargs)
        mark = getattr(target, MARK, None)
        calls = self._calls if mark is None else self._calls_of(mark)[0]
        future: ExecutorFuture[T] = calls.submit(target, *args, **kwargs)
        if not core.owned:
            core.track(future)
        return future

    def call(self, fn: Callable[..., T] | str, /, *args: Any, **kwargs: Any) -> T:
        """The same as submit(fn, *args, **kwargs).result(). Ctrl-C also cancels the call."""
        future = self.submit(fn, *args, **kwargs)
        try:
            return future.result()
        except KeyboardInterrupt:
            Future.cancel(future)
            raise

    def map(self, fn: Callable[..., R] | str, *iterables: Iterable[Any],
            timeout: float | None = None, chunksize: int | Literal["auto"] = "auto", buffersize: int | None = None,
            ordered: bool = True, progress: Progress = False) -> Iterator[R]:
        """Returns an iterator over fn(*arguments) for the arguments from the iterables.

        chunksize: how many calls are sent together. 'auto' measures: short calls in large groups, long calls
            separately. Calls with a run_timeout are sent separately, unless a size is given; the time then applies to
            each group.
        buffersize: the maximum number of calls that are running or whose results have not been taken. The iterables are
            then read as results are taken, and may be endless. None: they are read at once, as in the standard library.
        ordered: results in the order of the arguments; False: in the order of completion.
        timeout: seconds from now, after which taking a result raises TimeoutError.
        progress: True shows it (with tqdm if that is installed); a function gets (done, total or None).

        The first exception of a call is raised in place of its result, and ends the iterator. Closing the iterator
        cancels the calls that no worker has begun.
        """
        if not iterables:
            return iter(())
        if chunksize != "auto" and (not isinstance(chunksize, int) or chunksize < 1):
            raise ValueError("chunksize must be >= 1, or 'auto'.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if self._core.down or self._core.broken:
            raise self._core.refusal()
        deadline = None if timeout is None else time.monotonic() + timeout
        target: Any = fn
        if type(target) is functools.partial:
            target, first, keywords = _unfold(target, (), {})
            if keywords:
                raise TypeError("map: a functools.partial with keyword arguments cannot be mapped; give the data as "
                                "further iterables, as in map(f, xs, itertools.repeat(value))")
            iterables = (*(itertools.repeat(value) for value in first), *iterables)
        items: Iterable[tuple[Any, ...]] = zip(*iterables)
        total = None
        if buffersize is None:
            items = list(items)
            total = len(items)
        calls, limited = self._calls_of(getattr(target, MARK, None))
        if limited and chunksize == "auto":
            chunksize = 1  # One call must not use up the time of the others.
        groups = _Groups(self._core, calls, target, iter(items), total, chunksize, buffersize)
        # The first calls start before a result is requested.
        groups.fill()
        return _results(groups, deadline, ordered, reporter(progress, total))

    def options(self, *, run_timeout: float | None = None, queue_timeout: float | None = None,
                timeout: float | None = None, priority: int = 0, affinity: str | None = None,
                retries: int | None = None) -> Executor:
        """The same executor with options for each call: ex.options(run_timeout=5).submit(work, 1).

        run_timeout: seconds that a call may run. After that its worker is killed if necessary, even in an endless loop,
            and the future raises tenon.DeadlineExceeded, which is a TimeoutError. None: the run_timeout of the
            function's @tenon.task, if it has one; math.inf: no limit.
        queue_timeout: seconds until a worker begins the call; timeout: seconds from now to its end.
        priority: higher runs first.
        affinity: calls with the same key run on the same worker, one after another.
        retries: further attempts if a worker dies while it runs the call, which must then be harmless to repeat. None:
            those of the function's @tenon.task, or none.
        """
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._options = {"run_timeout": run_timeout, "queue_timeout": queue_timeout, "timeout": timeout,
                         "priority": priority, "affinity": affinity,
                         "retries": None if retries is None else _units.count("retries", retries, at_most=249)}
        view._calls = self._function_calls(view._options)
        view._marked_calls = {}
        # A view keeps the executor alive.
        view._viewed = self  # type: ignore[attr-defined]
        return view

    # -- the end ------------------------------------------------------------------------------

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accepts no further calls, and stops the workers once the submitted calls have ended.

        wait: returns after that; False: returns at once.
        cancel_futures: cancels the calls that no worker has begun.
        """
        self._core.shutdown(wait, cancel_futures)

    def terminate_workers(self) -> None:
        """Sends SIGTERM to the workers and shuts the executor down. Running calls fail with tenon.WorkerCrashed, queued
        calls are cancelled."""
        self._core.stop_workers(signal.SIGTERM)

    def kill_workers(self) -> None:
        """The same with SIGKILL."""
        self._core.stop_workers(signal.SIGKILL)

    def __repr__(self) -> str:
        state = ", shut down" if self._core.down else ""
        return f"<tenon.Executor at {id(self):#x} with {self._max_workers} workers{state}>"

    @property
    def runtime(self) -> Runtime:
        """The executor's runtime, for statistics, swaps and tasks of other plugins."""
        return self._core.runtime


# -- names ------------------------------------------------------------------------------------------------------------


def _name_of(function: Any) -> str:
    """The name by which workers find a function. Raises TypeError."""
    if isinstance(function, str):
        module, colon, qualname = function.partition(":")
        if not (colon and module and qualname):
            raise InvalidArgument("invalid_argument", f"'{function}' is not a name of the form 'module:function'")
        return function
    if isinstance(function, types.FunctionType) and function.__name__ == "<lambda>":
        from . import _source
        return _source.lambda_name(function)
    if type(function).__module__ == "tenon._source":
        name: str = function.name
        return name
    if not callable(function):
        raise TypeError(f"submit takes a function, or its name as 'module:function', not "
                        f"{_names.a(type(function).__qualname__)}")
    return _names.name_of(function)


def _unfold(function: Any, args: tuple[Any, ...],
            kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Returns what a functools.partial calls, and the arguments."""
    while type(function) is functools.partial:
        args = (*function.args, *args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    return function, args, kwargs


# -- options ----------------------------------------------------------------------------------------------------------


def _worker_count(max_workers: int | None) -> int:
    if max_workers is None:
        return max(len(os.sched_getaffinity(0)), 1)
    if isinstance(max_workers, bool) or not isinstance(max_workers, int):
        raise TypeError(f"max_workers: expected an int, not {type(max_workers).__name__}")
    if max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    return max_workers


def _at_least_one(name: str, value: int | None) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer")
    if value <= 0:
        raise ValueError(f"{name} must be >= 1")
    return value


def _plugin_settings(initializer: Any, initargs: Sequence[Any], path: Sequence[PathLike] | None,
                     preload: Sequence[str]) -> dict[str, Any]:
    if initializer is not None and not callable(initializer) and not isinstance(initializer, str):
        raise TypeError("initializer must be a callable")
    search = sys.path if path is None else [os.fspath(entry) for entry in path]
    result: dict[str, Any] = {
        "executable": _places.interpreter(),
        "path": [os.path.abspath(entry) for entry in search],
        "preload": [preload] if isinstance(preload, str) else list(preload),
    }
    if initializer is not None:
        initializer, initargs, keywords = _unfold(initializer, tuple(initargs), {})
        if keywords:
            raise TypeError("initializer: a functools.partial with keyword arguments cannot be used; give initargs")
        result["initializer"] = _name_of(initializer)
        result["initializer_args"] = _tenon._encode_arguments(tuple(initargs))
    return result


def _environment(function: Callable[[int], Mapping[str, str]], index: int) -> Mapping[str, str]:
    variables = function(index)
    if not isinstance(variables, Mapping) or not all(
            isinstance(name, str) and isinstance(value, str) for name, value in variables.items()):
        raise InvalidType("invalid_argument", "env_per_worker: the function must return a dict of str to str")
    return variables


# -- map --------------------------------------------------------------------------------------------------------------


class _Groups:
    """The calls of one map, in groups that are sent together. Refers to no executor, because that may be dropped
    meanwhile."""

    def __init__(self, core: _Core, calls: _tenon.FunctionCalls, function: Any, items: Iterator[tuple[Any, ...]],
                 total: int | None, chunksize: int | Literal["auto"], buffersize: int | None) -> None:
        self._core = core
        self._function_calls = calls
        self._function = function
        self._items = items
        self._buffersize = buffersize
        self._chunksize = chunksize
        workers = core.workers
        # Each worker gets several groups, so that all workers finish together.
        room = buffersize if buffersize is not None else total or 1
        self._sizer = ChunkSizer(workers, -(-room // (workers * (2 if buffersize else 8))))
        self._calls = 0
        self._exhausted = False
        self.pending: collections.deque[Any] = collections.deque()

    def fill(self) -> None:
        """Submits calls up to the limit."""
        while not self._exhausted:
            size = self._sizer.next() if self._chunksize == "auto" else self._chunksize
            if self._buffersize is not None:
                # A group is in the buffer until its last result has been taken.
                if self._calls >= self._buffersize:
                    return
                size = min(size, self._buffersize - self._calls)
            group = list(itertools.islice(self._items, size))
            if not group:
                self._exhausted = True
                return
            if self._core.down:
                raise self._core.refusal()
            future = self._function_calls.submit_group(self._function, group)
            if not self._core.owned:
                self._core.track(future)
            self._calls += len(group)
            self._sizer.submitted(future, len(group))
            self.pending.append((future, len(group)))

    def taken(self, calls: int) -> None:
        """Notes that the results of this many calls have been taken."""
        self._calls -= calls

    def cancel(self) -> None:
        for future, _ in self.pending:
            future.cancel()


def _results(groups: _Groups, deadline: float | None, ordered: bool, progress: Any) -> Iterator[Any]:
    arrivals: _InOrder | _AsTheyCome = _InOrder(groups) if ordered else _AsTheyCome(groups)
    try:
        while (arrived := arrivals.next(deadline)) is not None:
            future, calls = arrived
            values, error = future.result()
            del future, arrived
            if progress is None:
                values.reverse()
                while values:
                    yield values.pop()
            else:
                values.reverse()
                while values:
                    yield values.pop()
                    progress.add()
            if error is not None:
                try:
                    raise error
                finally:
                    del error
            groups.taken(calls)
            groups.fill()
    finally:
        arrivals.close()
        groups.cancel()
        if progress is not None:
            progress.close()


class _InOrder:
    """Groups in the order of the arguments."""

    def __init__(self, groups: _Groups) -> None:
        self._groups = groups

    def next(self, deadline: float | None) -> tuple[Any, int] | None:
        pending = self._groups.pending
        if not pending:
            return None
        if deadline is not None:
            pending[0][0]._outcome(max(deadline - time.monotonic(), 0))
        return pending.popleft()  # type: ignore[no-any-return]

    def close(self) -> None:
        pass


class _AsTheyCome:
    """Groups in the order in which they end."""

    def __init__(self, groups: _Groups) -> None:
        self._groups = groups
        self._completions = _tenon.Completions()
        self._watched: dict[Any, int] = {}
        self._ready: collections.deque[Any] = collections.deque()

    def next(self, deadline: float | None) -> tuple[Any, int] | None:
        pending = self._groups.pending
        while pending:
            future, calls = pending.popleft()
            self._watched[future] = calls
            if not future._watch(self._completions, future):
                self._ready.append(future)
        if not self._watched:
            return None
        while not self._ready:
            if deadline is None:
                self._ready.extend(self._completions.wait())
                continue
            # Waiting for the oldest group drives its worker; the others complete meanwhile.
            self._ready.extend(self._completions.take())
            if not self._ready:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no result of map() has come within its timeout")
                try:
                    next(iter(self._watched))._outcome(min(left, 0.02))
                except TimeoutError:
                    pass
        future = self._ready.popleft()
        return future, self._watched.pop(future)

    def close(self) -> None:
        self._completions.close()
        self._groups.pending.extend(self._watched.items())


# -- the end ----------------------------------------------------------------------------------------------------------


class _Core:
    """The runtime of an executor and of its views, and its shutdown. Refers to no executor, so that a dropped executor
    can be freed while its calls run."""

    def __init__(self, runtime: Runtime, *, owned: bool) -> None:
        self.runtime = runtime
        self.owned = owned
        self.workers = max(runtime._worker_count(), 1)
        self.down = False
        self.broken: BaseException | None = None
        self.initializers: Any = None
        self.on_failure = _FailureNote(self)
        # Calls in a runtime of another owner: shutdown waits for them even if no caller has kept their futures.
        self.pending: collections.deque[Any] = collections.deque()
        self._lock = threading.Lock()
        self._enders: list[threading.Thread] = []
        self._process = os.getpid()
        if _at_exit_began:
            raise RuntimeError("cannot start an executor after interpreter shutdown")
        _live.add(self)

    def refusal(self) -> BaseException:
        if self.broken is not None and not self.down:
            return self.broken
        return RuntimeError("cannot schedule new futures after interpreter shutdown" if _at_exit_began
                            else "cannot schedule new futures after shutdown")

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        if self._process != os.getpid():
            self.down = True
            return  # The workers belong to the parent.
        with self._lock:
            first = not self.down
            self.down = True
        if not self.owned:
            return self._leave(wait, cancel_futures)
        how = _DRAIN_RUNNING if cancel_futures else _DRAIN
        if first or cancel_futures:
            if wait and first:
                self._end(how)
            else:
                self._end_in_background(how)
        if wait:
            with self._lock:
                enders = list(self._enders)
            for ender in enders:
                if ender is not threading.current_thread():
                    ender.join()
            if not self.runtime.closed or not first:
                self._end(_DRAIN)

    def track(self, future: Any) -> None:
        """Keeps a call until it has ended. Each new call checks two earlier ones, so that few ended calls are kept."""
        for _ in range(2):
            try:
                earlier = self.pending.popleft()
            except IndexError:
                break
            if not earlier.done():
                self.pending.append(earlier)
        self.pending.append(future)

    def _leave(self, wait: bool, cancel_futures: bool) -> None:
        pending = list(self.pending)
        if cancel_futures:
            for future in pending:
                future.cancel()
        if wait:
            for future in pending:
                future._outcome(None)
            self.pending.clear()

    def _end(self, how: str) -> None:
        self.runtime.close(how)  # type: ignore[arg-type]

    def _end_in_background(self, how: str) -> None:
        ender = threading.Thread(target=self._end, args=(how,), name="tenon-shutdown")
        with self._lock:
            self._enders.append(ender)
        try:
            ender.start()
        except RuntimeError:
            with self._lock:
                self._enders.remove(ender)
            self._end(how)  # The interpreter is exiting and starts no threads any more.

    def retire(self) -> None:
        """Called when the executor has been dropped: lets its calls end, then stops the workers."""
        if not self.down:
            self.shutdown(wait=False, cancel_futures=False)

    def stop_workers(self, number: signal.Signals) -> None:
        """Sends a signal to the workers until none is left."""
        if self._process != os.getpid():
            return
        if not self.owned:
            raise InvalidArgument("invalid_argument",
                                  "the workers belong to the runtime that was given; close it instead")
        with self._lock:
            self.down = True
        self._end_in_background(_DRAIN_RUNNING)
        while True:
            for worker in self._workers():
                try:
                    os.kill(worker.pid, number)
                except ProcessLookupError:
                    pass
            with self._lock:
                enders = list(self._enders)
            for ender in enders:
                ender.join(0.05)
            if not any(ender.is_alive() for ender in enders):
                return

    def _workers(self) -> list[Any]:
        try:
            return [worker for worker in self.runtime.stats().workers if worker.pid > 0]
        except Error:
            return []


class _FailureNote:
    """Is notified of calls that failed in the runtime rather than in their function. As in the standard library, the
    executor is broken once a worker could not be initialized, because the next worker would fail in the same way."""

    def __init__(self, core: _Core) -> None:
        self._core = weakref.ref(core)

    def __call__(self, error: BaseException) -> None:
        core = self._core()
        # Imported by name, because the class imports modules that most programs never need.
        if core is None or not core.owned or core.broken is not None:
            return
        if type(error).__name__ == "WorkerCrashed" and core.initializers is not None and core.initializers.ended_one():
            from ._crashed import InitializerFailed
            error = InitializerFailed("unavailable", f"the initializer ended its worker, as it would end the next one: "
                                                     f"{error}", getattr(error, "context", None))
        if type(error).__name__ == "InitializerFailed":
            core.broken = error
            _log.critical("%s", error)


_log = logging.getLogger("concurrent.futures")
_DRAIN = "drain"
_DRAIN_RUNNING = "drain_running"
_live: weakref.WeakSet[_Core] = weakref.WeakSet()
_at_exit_began = False


def _at_exit() -> None:
    """Completes the submitted calls before the interpreter exits, as in the standard library."""
    global _at_exit_began
    _at_exit_began = True
    for core in list(_live):
        core.down = True
        if core.owned:
            core._end(_DRAIN)


def _after_fork_in_child() -> None:
    _live.clear()


# Before threading joins its threads; atexit would be too late for threads that wait for a result.
threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
os.register_at_fork(after_in_child=_after_fork_in_child)

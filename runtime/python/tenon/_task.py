"""The part of the package that functions use while they run in a worker.

It can be imported everywhere, because hosts import modules with tasks too. Outside a worker, ``progress`` and ``check``
do nothing, so a function can be called and tested like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

try:
    import _tenon_worker as _worker  # type: ignore
except ImportError:  # The host, or a test.
    _worker = None

__all__ = ["CurrentWorker", "call", "check", "current_worker", "in_worker", "progress", "state", "worker_state"]

_Made = TypeVar("_Made")


class CurrentWorker(NamedTuple):
    """The worker that runs the task."""

    id: int
    """Number of the worker, unique in its runtime."""
    index: int  # type: ignore[assignment]
    """The lowest number that was free when the worker started: 0 up to the number of workers, less one."""
    call_id: int
    """Number of the running call; 0 between calls."""
    attempt: int
    """1 for the first attempt of the call, 2 for the first retry; 0 between calls."""


def in_worker() -> bool:
    """Whether this process is a worker."""
    return _worker is not None


def check() -> None:
    """Raises tenon.Cancelled if the caller no longer wants the result, tenon.DeadlineExceeded if the deadline has
    passed.

    Python code gets the same exception automatically, about 20 ms later. Split a long call of an extension module into
    parts with ``check`` between them, because a worker that does not stop is killed.
    """
    if _worker is not None:
        _worker.check()


def progress(done: int, total: int = 0) -> None:
    """Reports ``done`` of ``total`` units, which the task chooses; ``total`` is 0 if it is not known."""
    if _worker is not None:
        _worker.progress(max(0, int(done)), max(0, int(total)))


def current_worker() -> CurrentWorker:
    """The worker that runs this code. Raises RuntimeError in a process that is not a worker."""
    if _worker is None:
        raise RuntimeError("current_worker() is for tasks, and this process is not a worker")
    return CurrentWorker(**_worker.info())


def call(task: str, argument: Any = b"", /, *arguments: Any, params: Any = None, **keywords: Any) -> Any:
    """Runs another task inside this one, in this worker, and waits for it.

    ``call('image.probe', data)`` takes and returns the bytes of a finished FlatBuffer, because a worker has no catalog
    for reading tables. ``call('module:function', 1, 2, key=3)`` calls a Python function. The nested task has the
    deadline and the cancellation of this one. Raises the task's exception, or a subclass of tenon.Error.
    """
    if ":" in task:
        from . import _names

        values = arguments if argument == b"" and not arguments else (argument, *arguments)
        return _names.resolve(task)(*values, **keywords)
    if arguments or keywords:
        raise TypeError(
            f"'{task}' takes the bytes of one finished FlatBuffer here; tables with fields are for the host, where "
            f"the schema is known"
        )
    if _worker is None:
        raise RuntimeError(f"call('{task}') is for tasks, and this process is not a worker; use tenon.Runtime.call")
    status, result = _worker.invoke(task, argument, params)
    if status != 0:
        from . import errors

        raise errors._from_native(status, result, {"task": task})
    return result


# -- State of a worker ------------------------------------------------------------------------------------------------

_states: dict[Callable[..., Any], Any] = {}
_states_lock = threading.RLock()
# For plugins written in Python, by name: the settings, or why there are none.
_settings: dict[str, tuple[Any, str]] = {}


def _set_settings(plugin: str, settings: Any, missing: str) -> None:
    _settings[plugin] = (settings, missing)


def _make(function: Callable[..., Any]) -> Any:
    if not function.__code__.co_argcount:
        return function()
    settings, missing = _settings.get(function.__module__.partition(".")[0], (None, "there are no settings"))
    if missing:
        from . import errors

        raise errors.InvalidArgument("invalid_argument", missing)
    return function(settings)


def worker_state(function: Callable[..., _Made]) -> Callable[..., _Made]:
    """Marks a function that creates an object once per worker, such as a model or a connection; ``tenon.state`` returns
    it.

    In a plugin written in Python it may take the plugin's settings, a dataclass: ``def model(settings: Settings)``."""
    function.__tenon_worker_state__ = True  # type: ignore[attr-defined]
    return function


def state(function: Callable[..., _Made]) -> _Made:
    """Returns the object that ``function`` created in this process; the function is called only once. Its result never
    leaves the process, so it may be any object. If the function raises an exception, it is called again the next
    time."""
    try:
        return _states[function]  # type: ignore[no-any-return]
    except KeyError:
        pass
    if not getattr(function, "__tenon_worker_state__", False):
        raise TypeError(f"{function!r} does not make the state of a worker; decorate it with @tenon.worker_state")
    with _states_lock:
        if function not in _states:
            _states[function] = _make(function)
        made: _Made = _states[function]
        return made

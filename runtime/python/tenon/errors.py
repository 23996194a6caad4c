"""The errors of tenon: one base class, and a subclass for each kind of failure.

Each subclass is also the exception that Python's own libraries raise in such a case, so code written for
concurrent.futures or asyncio catches it: DeadlineExceeded is a TimeoutError, WorkerCrashed is a
concurrent.futures.process.BrokenProcessPool, Cancelled is a concurrent.futures.CancelledError.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError as _CancelledError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._crashed import InitializerFailed as InitializerFailed
    from ._crashed import WorkerCrashed as WorkerCrashed

__all__ = [
    "Cancelled", "Corrupt", "DeadlineExceeded", "Error", "Incompatible", "InitializerFailed", "InternalError", "InvalidArgument",
    "InvalidType", "NotFound", "OutOfMemory", "Rejected", "RemoteError", "SystemFailed", "TaskFailed", "TooLarge",
    "Unavailable", "Unsupported", "WorkerCrashed",
]


class Error(Exception):
    """The base class of all errors that tenon raises.

    code: the kind of failure, such as 'not_found'.
    message: a sentence or two that say what is wrong and what to do.
    context: where it happened: 'task', 'plugin', 'call_id', 'attempts', 'os_code', 'signal', 'exit_code',
        'stderr_tail', 'stdout_tail'. Keys that do not apply are absent.
    """

    code: str
    message: str
    context: dict[str, Any]

    def __init__(self, code: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        # Not super(): OSError and other base classes would interpret the arguments.
        Exception.__init__(self, code, message, dict(context or {}))
        self.code = code
        self.message = message
        self.context = dict(context or {})

    def __str__(self) -> str:
        return self.message

    @property
    def task(self) -> str | None:
        """Full name of the task, or None."""
        return self.context.get("task")

    @property
    def attempts(self) -> int:
        """How many attempts there were; 0 if the call never began."""
        return int(self.context.get("attempts", 0))

    @property
    def stderr_tail(self) -> str:
        """The last lines that the worker wrote to stderr."""
        return str(self.context.get("stderr_tail", ""))


class TaskFailed(Error):
    """The task ran and reported a failure."""


class RemoteError(TaskFailed):
    """A task raised an exception whose class cannot be used here.

    type_name: the full name of the class. The notes say why it cannot be used; the cause has the traceback.
    """

    type_name: str

    def __init__(self, message: str, type_name: str = "") -> None:
        super().__init__("failed", message)
        # The constructor's arguments, for copies and pickle.
        self.args = (message, type_name)
        self.type_name = type_name


class Cancelled(Error, _CancelledError):
    """The call was cancelled."""


class DeadlineExceeded(Error, TimeoutError):
    """A timeout of the call passed."""


class Rejected(Error, RuntimeError):
    """Not accepted: the queue is full, or the runtime is closed."""


class InvalidArgument(Error, ValueError):
    """An argument, params or an option is not valid."""


class InvalidType(InvalidArgument, TypeError):
    """An argument, params or an option has the wrong type."""


class NotFound(Error, LookupError):
    """No such plugin, task, file or key."""


class OutOfMemory(Error, MemoryError):
    """Out of memory, or a memory limit was reached."""


class Incompatible(Error):
    """ABIs, versions or schemas are not compatible."""


class Corrupt(Error, ValueError):
    """Bytes do not pass verification."""


class SystemFailed(Error, OSError):
    """The operating system reported an error."""


class TooLarge(Error, ValueError):
    """Larger than a limit allows."""


class Unavailable(Error, RuntimeError):
    """The other side is gone or cannot be started."""


class Unsupported(Error, NotImplementedError):
    """The feature is not available."""


class InternalError(Error, RuntimeError):
    """A bug in tenon itself."""


# The numbers of tenon::ErrorCode.
_CLASSES: dict[int, tuple[str, type[Error]]] = {
    1: ("failed", TaskFailed),
    2: ("cancelled", Cancelled),
    3: ("deadline", DeadlineExceeded),
    5: ("rejected", Rejected),
    6: ("invalid_argument", InvalidArgument),
    7: ("not_found", NotFound),
    8: ("out_of_memory", OutOfMemory),
    9: ("incompatible", Incompatible),
    10: ("corrupt", Corrupt),
    11: ("io", SystemFailed),
    12: ("too_large", TooLarge),
    13: ("unavailable", Unavailable),
    14: ("unsupported", Unsupported),
    15: ("internal", InternalError),
}
_CRASHED = 4
_UNAVAILABLE = 13


def in_lines(message: str) -> str:
    """Restores the line feeds and tabs in a message of the runtime, which writes them as \\x0a and \\x09."""
    return message.replace("\\x0a", "\n").replace("\\x09", "\t") if "\\x0" in message else message


def _from_native(number: int, message: str, context: dict[str, Any]) -> Error:
    """The exception for an error of the runtime, whose messages are on one line."""
    message = in_lines(message)
    if number == _CRASHED:
        from ._crashed import WorkerCrashed
        return WorkerCrashed("crashed", message, context)
    if number == _UNAVAILABLE and str(context.get("task", "")).startswith("py."):
        from ._crashed import InitializerFailed
        return InitializerFailed("unavailable", message, context)
    code, kind = _CLASSES.get(number, ("failed", TaskFailed))
    return kind(code, message, context)


def __getattr__(name: str) -> Any:
    # Importing its base class takes a tenth of a second, and few programs ever need it.
    if name in ("InitializerFailed", "WorkerCrashed"):
        from . import _crashed
        return getattr(_crashed, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

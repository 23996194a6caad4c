"""The declarations of a plugin written in Python: decorators for functions, and the widths of numbers.

Workers import this module with each plugin, so it imports only modules that are loaded anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

__all__ = [
    "Width", "float32", "float64", "int8", "int16", "int32", "int64", "reduce", "task", "uint8", "uint16", "uint32",
    "uint64",
]

_Task = TypeVar("_Task", bound=Callable[..., Any])

MARK = "__tenon_task__"
# As in tenon::CallOptions: three attempts of an idempotent task, and at most 250.
_RETRIES = 2
_MAX_RETRIES = 249


class Width:
    """How a number is stored, as in ``Annotated[int, tenon.uint8]``.

    A plain int is an int64, a plain float a float64.
    """

    __slots__ = ("name", "python_type")

    def __init__(self, name: str, python_type: type) -> None:
        self.name = name
        self.python_type = python_type

    def __repr__(self) -> str:
        return f"tenon.{self.name}"


int8, int16, int32, int64 = (Width(f"int{bits}", int) for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (Width(f"uint{bits}", int) for bits in (8, 16, 32, 64))
float32, float64 = (Width(f"float{bits}", float) for bits in (32, 64))


def _mark(function: Any, kind: str, idempotent: bool, run_timeout: float | None = None,
          retries: int | None = None) -> Any:
    setattr(function, MARK, {"kind": kind, "idempotent": idempotent, "run_timeout": run_timeout,
                             "retries": retries if retries is not None else _RETRIES if idempotent else 0})
    return function


def _check(idempotent: bool, run_timeout: float | None, retries: int | None) -> None:
    if run_timeout is not None and (isinstance(run_timeout, bool) or not isinstance(run_timeout, (int, float))
                                    or not run_timeout > 0):
        raise ValueError(f"@tenon.task: run_timeout is a number of seconds above 0, not {run_timeout!r}")
    if retries is not None:
        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= _MAX_RETRIES:
            raise ValueError(f"@tenon.task: retries is a number from 0 to {_MAX_RETRIES}, not {retries!r}")
        if retries > 0 and not idempotent:
            raise ValueError("@tenon.task: retries are for tasks that may run more than once for one call; say so with "
                             "idempotent=True")


@overload
def task(function: _Task, /) -> _Task: ...
@overload
def task(*, idempotent: bool = False, run_timeout: float | None = None,
         retries: int | None = None) -> Callable[[_Task], _Task]: ...
def task(function: Any = None, /, *, idempotent: bool = False, run_timeout: float | None = None,
         retries: int | None = None) -> Any:
    """Marks a function as a task of its plugin. A generator function is a source: one argument, many results.

    Without any mark, all public functions of a module are tasks; otherwise, only marked functions are.

    idempotent: the task may run more than once for one call. It is retried when its worker dies, and takes part in
        the canary of a new version.
    run_timeout: seconds that one attempt of a call by an Executor may run; after that its worker is killed if
        necessary.
    retries: how often an Executor tries a call of an idempotent task again when its worker dies; 2 if not given.

    `Executor.options` takes precedence.
    """
    _check(idempotent, run_timeout, retries)
    if function is None:
        return lambda marked: _mark(marked, "task", idempotent, run_timeout, retries)
    return _mark(function, "task", idempotent)


@overload
def reduce(function: _Task, /) -> _Task: ...
@overload
def reduce(*, idempotent: bool = False) -> Callable[[_Task], _Task]: ...
def reduce(function: Any = None, /, *, idempotent: bool = False) -> Any:
    """Marks a task that takes many arguments and returns one result.

    A function ``total(items: Iterable[T]) -> R`` runs on a separate thread, to which its items are passed. A class with
    ``add(self, item: T) -> None`` and ``result(self) -> R`` needs no thread, and with ``save(self) -> bytes`` and
    ``restore(self, data: bytes)`` it can be continued from a checkpoint.
    """
    if function is None:
        return lambda marked: _mark(marked, "reduce", idempotent)
    return _mark(function, "reduce", idempotent)

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


def _mark(function: Any, kind: str, idempotent: bool) -> Any:
    setattr(function, MARK, {"kind": kind, "idempotent": idempotent})
    return function


@overload
def task(function: _Task, /) -> _Task: ...
@overload
def task(*, idempotent: bool = False) -> Callable[[_Task], _Task]: ...
def task(function: Any = None, /, *, idempotent: bool = False) -> Any:
    """Marks a function as a task of its plugin. A generator function is a source: one argument, many results.

    Without any mark, all public functions of a module are tasks; otherwise, only marked functions are.

    idempotent: the task may run more than once for one call. It is retried when its worker dies, and takes part in
        the canary of a new version.
    """
    if function is None:
        return lambda marked: _mark(marked, "task", idempotent)
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

"""The function `source`. Its implementation is imported at its first use, because a worker never needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from ._source import SourceFunction

P = ParamSpec("P")
R = TypeVar("R")


def source(function: Callable[P, R]) -> SourceFunction[P, R]:
    """Lets workers run a function of __main__, of a prompt or of a notebook cell.

        @tenon.source
        def work(n): return n * FACTOR

        executor.submit(work, 3)                    # or: executor.submit(tenon.source(work), 3)

    Workers get the text of the function and of what it uses: other functions and classes of its module, imports, and
    the values that constants have at that moment. Nothing else of the module runs in a worker. A changed function is a
    new one: run the cell again, and submit again. A class of __main__ can be passed too; its objects are then data for
    workers.

    Anything that cannot be sent is refused with a TypeError that says what to do: variables of an enclosing function,
    globals that are not data (an open file, a model), and functions whose text is not known.
    """
    from . import _source

    made: SourceFunction[P, R] = _source.make(function)
    return made

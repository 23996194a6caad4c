"""source, as users see it. The machinery behind it is imported when it is first needed: a worker never needs it."""

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
    the values that constants have at that moment. Nothing else of the module runs in a worker. A changed function is
    another one: run the cell again, and submit again. A class of __main__ can be given too; its objects are then data
    that workers know.

    What cannot go along is refused with a TypeError that says what to do: variables of a function around it, globals
    that are not data (an open file, a model), and functions whose text is not known.
    """
    from . import _source

    made: SourceFunction[P, R] = _source.make(function)
    return made

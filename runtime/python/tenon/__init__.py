"""tenon: runs tasks from plugins in worker processes, by name.

    import tenon

    with tenon.Runtime(workers=4) as rt:
        counts = rt.call('text.count', path='/etc/passwd')     # fields of the argument by name
        print(counts.lines, counts.words)                      # fields of the result as attributes

        count = rt.task('text.count')                          # a handle: help(count) shows its schema
        futures = [count.submit(path=p) for p in paths]        # futures of concurrent.futures
        for counts in count.map({'path': p} for p in paths):   # lazy, also for endless input
            ...
        for line in rt.source('text.lines', path='big.txt'):   # tasks with many results are iterators
            ...
        counts = await rt.acall('text.count', path='x')        # asyncio

Every failure raises a subclass of tenon.Error, which is also the exception that Python itself uses: DeadlineExceeded is
a TimeoutError, WorkerCrashed a BrokenProcessPool, NotFound a LookupError, InvalidArgument a ValueError.

No `if __name__ == '__main__'` is needed: workers are processes of tenon's own program, and no part of the calling
program is run again, forked or pickled.
"""

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._marks import (Width, float32, float64, int8, int16, int32, int64, reduce, task, uint8, uint16, uint32,
                     uint64)
from ._source_api import source
from ._task import call, check, current_worker, progress, state, worker_state

if _TYPE_CHECKING:
    from .types import Bytes, Digest, Empty, File, FileKind, Line, Number

__all__ = [
    "Bytes", "Digest", "Empty", "File", "FileKind", "Line", "Number", "Width", "call", "check", "current_worker",
    "float32", "float64", "int8", "int16", "int32", "int64", "progress", "reduce", "source", "state", "task", "uint8",
    "uint16", "uint32", "uint64", "worker_state",
]

# A worker rarely needs the host's half, which takes longer to import than the interpreter takes to start.
if _TYPE_CHECKING or "_tenon_worker" not in _sys.modules:
    from ._host import *
    from ._host import __all__ as _host_names

    __all__ += [*_host_names, "InitializerFailed", "WorkerCrashed"]

if _TYPE_CHECKING:
    from ._crashed import InitializerFailed, WorkerCrashed


def __getattr__(name: str) -> _Any:
    # In a worker, the exceptions and the shared tables of plugins are imported at first use, and the host's half when
    # the worker starts a runtime; elsewhere, only _crashed and the tables are imported lazily. Not `from . import`,
    # which would ask this function for the module.
    if not name.startswith("_"):
        from importlib import import_module
        for module in (".errors", ".types", "._host"):
            if module != f".{name}" and name in (found := import_module(module, __name__)).__all__:
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

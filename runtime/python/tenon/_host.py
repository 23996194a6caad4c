"""The part of the package for programs that start runtimes; workers do not use it."""

from __future__ import annotations

import threading as _threading
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import _places, _tenon
from ._handle import Task
from ._options import HotSwap, Limits, SwapOptions
from ._tenon import Table, Vector
from .errors import (Cancelled, Corrupt, DeadlineExceeded, Error, Incompatible, InternalError, InvalidArgument,
                     InvalidType, NotFound, OutOfMemory, Rejected, RemoteError, SystemFailed, TaskFailed, TooLarge,
                     Unavailable, Unsupported)
from .executor import Executor
from .future import Future
from .pipeline import Diagnostic, PipelineError, check_pipeline, run_pipeline
from .pipeline import Report as PipelineReport
from .runtime import Event, Generation, Plugin, Runtime, Stats, SwapReport, Worker
from .session import Source

if _TYPE_CHECKING:
    from ._crashed import WorkerCrashed as WorkerCrashed

__all__ = [
    "Cancelled", "Corrupt", "DeadlineExceeded", "Diagnostic", "Error", "Event", "Executor", "Future", "Generation", "HotSwap",
    "Incompatible", "InternalError", "InvalidArgument", "InvalidType", "Limits", "NotFound", "OutOfMemory",
    "PipelineError", "PipelineReport", "Plugin", "Rejected", "RemoteError", "Runtime", "Source", "Stats", "SwapOptions",
    "SwapReport", "SystemFailed", "Table", "Task", "TaskFailed", "TooLarge", "Unavailable", "Unsupported", "Vector",
    "Worker", "array", "asdict", "bundled_plugin_dirs", "check_pipeline", "run_pipeline",
]

_tenon._set_main_thread(_threading.main_thread().ident or 0)


def bundled_plugin_dirs() -> list[str]:
    """The directories of the plugins that come with tenon: Runtime(plugin_dirs=['mine', *tenon.bundled_plugin_dirs()]).
    """
    return _places.plugin_dirs()


def asdict(table: Table) -> dict[str, _Any]:
    """A copy of a Table as a dict; Table.asdict() for tables that have a field of that name."""
    return _tenon.asdict(table)


def array(table: Table, name: str, dtype: _Any = None) -> _Any:
    """A vector of a Table as a numpy array; Table.array() for tables that have a field of that name."""
    return _tenon.array(table, name, dtype)

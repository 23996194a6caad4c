"""Detects workers that exited in an initializer: os._exit and a crash leave no exception behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class Initializers:
    """A directory in which each worker of an executor has a file while its initializer runs (plugins/py/py.fbs)."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="tenon-initializers-")
        weakref.finalize(self, _remove, self.directory, os.getpid())

    def ended_one(self) -> bool:
        """Whether a process exited before its initializer had returned."""
        return any(not Path("/proc", process).exists() for process in os.listdir(self.directory))


def _remove(directory: str, owner: int) -> None:
    # A child of os.fork() exits too, but the directory belongs to its parent.
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)

"""Runtime: workers that run tasks by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from . import _places, _tenon, _units

PathLike = str | os.PathLike[str]
_HOW = {"drain": 0, "cancel": 1, "kill": 2}


class Runtime(_tenon.Runtime):
    """Workers that run tasks by name."""

    def __init__(self, *, workers: int = 0, plugin_dirs: Sequence[PathLike] | None = None,
                 worker_executable: PathLike | None = None) -> None:
        options: dict[str, object] = {
            "workers": _units.count("workers", workers, at_most=4096),
            "plugin_dirs": _places.plugin_dirs() if plugin_dirs is None else [os.fspath(p) for p in plugin_dirs],
            "worker_executable": worker_executable or _places.worker_executable(),
        }
        super().__init__(options)

    def close(self, how: Literal["drain", "cancel", "kill"] = "drain") -> None:
        """Ends the runtime."""
        self._close(_HOW[how])

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close("drain" if kind is None else "cancel")

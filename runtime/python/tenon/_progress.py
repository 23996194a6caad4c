"""Shows the progress of Executor.map: with a function, with tqdm if it is installed, or as one line on stderr."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["reporter"]

_INTERVAL_SECONDS = 0.1


def reporter(progress: bool | Callable[[int, int | None], object], total: int | None) -> _Reporter | None:
    """The object to which results are reported; None if no report is wanted."""
    if progress is False or progress is None:
        return None
    if callable(progress):
        return _Reporter(progress, total, interval=0)
    try:
        tqdm: Any = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return _Line(total)
    return _Bar(tqdm(total=total), total)


class _Reporter:
    def __init__(self, function: Callable[[int, int | None], object], total: int | None,
                 interval: float = _INTERVAL_SECONDS) -> None:
        self._function = function
        self._total = total
        self._interval = interval
        self._done = 0
        self._reported = -1
        self._last = 0.0

    def add(self, count: int = 1) -> None:
        """Reports this many further results."""
        self._done += count
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._report(now)

    def close(self) -> None:
        """Reports that there are no further results."""
        if self._reported != self._done:
            self._report(time.monotonic())

    def _report(self, now: float) -> None:
        self._last = now
        self._reported = self._done
        self._function(self._done, self._total)


class _Line(_Reporter):
    def __init__(self, total: int | None) -> None:
        self._start = time.monotonic()
        self._wrote = False
        super().__init__(self._write, total)

    def _write(self, done: int, total: int | None) -> None:
        if sys.stderr is None:
            return
        rate = done / max(time.monotonic() - self._start, 1e-9)
        share = f"{done}/{total} ({done * 100 // total} %)" if total else f"{done}"
        # Only a terminal can overwrite a line.
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{share}, {rate:.0f}/s\x1b[K")
            sys.stderr.flush()
            self._wrote = True

    def close(self) -> None:
        super().close()
        if self._wrote:
            sys.stderr.write("\n")


class _Bar(_Reporter):
    def __init__(self, bar: Any, total: int | None) -> None:
        self._bar = bar
        super().__init__(self._update, total)

    def _update(self, done: int, total: int | None) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        super().close()
        self._bar.close()

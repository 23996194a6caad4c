"""Packs plugins in Python again when their sources are saved. Their packed files change then, and a runtime that
watches these swaps them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import _plugin_sources

__all__ = ["SourceWatch"]

_log = logging.getLogger("tenon")
# How often the sources are looked at: often enough for a person who has just saved a file.
_INTERVAL_SECONDS = 0.25
# Sources that change all the time are packed nevertheless.
_LONGEST_CHANGE_SECONDS = 2.0
# How long the end of a runtime waits for a plugin that is being packed.
_LONGEST_PACKING_SECONDS = 5.0

# The files of plugins in Python, by the time of their last change, their size and their number in the file system.
_State = dict[str, tuple[int, int, int]]


class SourceWatch:
    """Watches the plugins in Python that lie in directories, on a separate thread. The thread refers to no runtime, so
    that an unused runtime can be destroyed.

    debounce: seconds for which the sources must not have changed before they are packed, so that a package that is
        being copied is complete.
    """

    def __init__(self, directories: Iterable[str], debounce: float) -> None:
        # What was there before the runtime packed it: sources that are saved meanwhile are packed again.
        self._directories = list(directories)
        self._debounce = debounce
        self._packed = _state(self._directories)
        self._stop = threading.Event()
        self._process = os.getpid()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="tenon-sources")
        self._thread.start()

    def close(self, *, wait: bool = True) -> None:
        """Ends the thread. wait: returns after that, unless it is packing a plugin whose import takes long."""
        if self._process != os.getpid():
            return  # The thread belongs to the parent, and may have held the event's lock when this process was forked.
        self._stop.set()
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_LONGEST_PACKING_SECONDS)

    def _run(self) -> None:
        seen = self._packed
        changed = quiet = 0.0
        while not self._stop.wait(_INTERVAL_SECONDS):
            state = _state(self._directories)
            now = time.monotonic()
            if state != seen:
                changed = now if seen == self._packed else changed
                quiet = now + self._debounce
                seen = state
            if seen != self._packed and (now >= quiet or now - changed >= _LONGEST_CHANGE_SECONDS):
                self._packed = seen
                self._pack()

    def _pack(self) -> None:
        try:
            _plugin_sources.with_packed(self._directories, _log.error, keep=True)
        except Exception as error:  # Such as a cache directory that is full. The next change is packed again.
            _log.error("plugins in Python cannot be packed: %s", error)


def _state(directories: list[str]) -> _State:
    state: _State = {}
    for directory in directories:
        for source in _plugin_sources.sources_in(directory):
            for file in _files_of(source):
                try:
                    status = file.stat()
                except OSError:
                    continue  # It has just been removed.
                state[str(file)] = status.st_mtime_ns, status.st_size, status.st_ino
    return state


def _files_of(source: Path) -> Iterator[Path]:
    if source.suffix == ".py":
        yield source
        return
    for root, directories, files in os.walk(source):
        directories[:] = [name for name in directories if not name.startswith(".") and name != "__pycache__"]
        yield from (Path(root, name) for name in files if not name.startswith("."))

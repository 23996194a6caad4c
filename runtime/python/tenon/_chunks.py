"""How Executor.map groups calls, so that short ones travel together and long ones apart."""

from __future__ import annotations

import collections
import time
from typing import Any

__all__ = ["ChunkSizer"]

# What one group should keep a worker busy for: far more than a trip costs, and little enough for an even end.
_TARGET_SECONDS = 0.002
_MAX_CHUNK = 4096
# Calls in flight before the first has come back. The workers have enough to do then, so that waiting costs nothing.
_UNKNOWN_IN_FLIGHT = 64
_UNKNOWN_WAIT_SECONDS = 0.02


class ChunkSizer:
    """Gives the size of the next group, from how long the groups took that have come back.

    workers: how many run groups at a time.
    limit: calls in a group at most.
    """

    def __init__(self, workers: int, limit: int) -> None:
        self._workers = max(workers, 1)
        self._limit = max(1, min(limit, _MAX_CHUNK))
        self._size = 1
        self._known = self._limit == 1
        self._in_flight: collections.deque[tuple[Any, int]] = collections.deque()
        self._calls_in_flight = 0
        self._since = time.perf_counter()

    def next(self) -> int:
        """How many calls go into the next group."""
        if self._limit == 1:
            return 1
        done = self._take_done()
        if not done and not self._known and self._calls_in_flight >= _UNKNOWN_IN_FLIGHT * self._workers:
            self._known = True  # Or they are so long that it does not matter.
            try:
                self._in_flight[0][0]._outcome(_UNKNOWN_WAIT_SECONDS)
            except TimeoutError:
                pass
            done = self._take_done()
        if done:
            self._known = True
            now = time.perf_counter()
            seconds_of_a_call = max((now - self._since) * self._workers / done, 1e-9)
            self._since = now
            # Calls may differ: it grows step by step, and shrinks at once.
            self._size = max(1, min(self._size * 2, self._limit, int(_TARGET_SECONDS / seconds_of_a_call)))
        return self._size

    def submitted(self, future: Any, calls: int) -> None:
        """A group is under way."""
        if self._limit > 1:
            self._in_flight.append((future, calls))
            self._calls_in_flight += calls

    def _take_done(self) -> int:
        done = 0
        while self._in_flight and self._in_flight[0][0].done():
            done += self._in_flight.popleft()[1]
        self._calls_in_flight -= done
        return done

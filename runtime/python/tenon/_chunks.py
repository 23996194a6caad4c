"""How Executor.map groups calls, so that short ones travel together and long ones apart."""

from __future__ import annotations

import collections
import time
from typing import Any

__all__ = ["ChunkSizer"]

# What one group should keep a worker busy for: far more than a trip costs, and little enough for an even end.
_TARGET_SECONDS = 0.005
_MAX_CHUNK = 4096
# Calls in flight before the first has come back. The workers have enough to do then, so that waiting costs nothing.
_UNKNOWN_IN_FLIGHT = 64
_UNKNOWN_WAIT_SECONDS = 0.02
# Groups in flight for each worker, beyond which short calls wait, so that the size of groups can follow.
_ENOUGH_IN_FLIGHT = 16


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
        self._done = 0
        self._seconds_of_a_call = float("inf")
        self._since = time.perf_counter()

    def next(self) -> int:
        """How many calls go into the next group."""
        if self._limit == 1:
            return 1
        self._done += self._take_done()
        if not self._done and not self._known and self._calls_in_flight >= _UNKNOWN_IN_FLIGHT * self._workers:
            self._known = True  # Or they are so long that it does not matter.
            try:
                self._in_flight[0][0]._outcome(_UNKNOWN_WAIT_SECONDS)
            except TimeoutError:
                pass
            self._done += self._take_done()
        if self._done:
            self._known = True
            self._adapt()
        while len(self._in_flight) > _ENOUGH_IN_FLIGHT * self._workers and self._calls_are_short():
            # The workers have enough to do. Continuing at once would only make more groups that are too small.
            try:
                self._in_flight[0][0]._outcome(_UNKNOWN_WAIT_SECONDS)
            except TimeoutError:
                break
            self._done += self._take_done()
            self._adapt()
        return self._size

    def _calls_are_short(self) -> bool:
        """Whether what is in flight takes no longer than a short wait."""
        return self._calls_in_flight * self._seconds_of_a_call < _UNKNOWN_WAIT_SECONDS * self._workers

    def _adapt(self) -> None:
        now = time.perf_counter()
        elapsed = now - self._since
        # A short look tells little: the workers may not have had the processor.
        if not self._done or (elapsed < _TARGET_SECONDS and self._done < 4 * self._size):
            return
        self._seconds_of_a_call = max(elapsed * self._workers / self._done, 1e-9)
        wanted = max(1, min(self._limit, int(_TARGET_SECONDS / self._seconds_of_a_call)))
        # Calls may differ, and measurements do: it changes step by step.
        if wanted > self._size:
            self._size = min(self._size * 2, wanted)
        elif wanted * 2 < self._size:
            self._size //= 2
        self._since = now
        self._done = 0

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

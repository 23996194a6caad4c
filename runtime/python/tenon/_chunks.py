"""How Executor.map groups calls, so that short calls are sent together and long ones separately."""

from __future__ import annotations

import collections
import time
from typing import Any

__all__ = ["ChunkSizer"]

# The run time for which one group should keep a worker busy: far more than a round trip costs, and short enough that
# the workers finish at about the same time.
_TARGET_SECONDS = 0.005
_MAX_CHUNK = 4096
# Calls in flight before the first one has completed. The workers then have enough to do, so waiting costs nothing.
_UNKNOWN_IN_FLIGHT = 64
_UNKNOWN_WAIT_SECONDS = 0.02
# Groups in flight for each worker; further short calls wait, so that the size of groups can adapt.
_ENOUGH_IN_FLIGHT = 16


class ChunkSizer:
    """Determines the size of the next group from the time that completed groups took.

    workers: number of workers that run groups at the same time.
    limit: maximum number of calls in a group.
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
        """The number of calls for the next group."""
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
            # The workers have enough to do. Continuing at once would only create more groups that are too small.
            try:
                self._in_flight[0][0]._outcome(_UNKNOWN_WAIT_SECONDS)
            except TimeoutError:
                break
            self._done += self._take_done()
            self._adapt()
        return self._size

    def _calls_are_short(self) -> bool:
        """Whether the calls in flight take no longer than a short wait."""
        return self._calls_in_flight * self._seconds_of_a_call < _UNKNOWN_WAIT_SECONDS * self._workers

    def _adapt(self) -> None:
        now = time.perf_counter()
        elapsed = now - self._since
        # A short measurement says little, because the workers may not have had the processor.
        if not self._done or (elapsed < _TARGET_SECONDS and self._done < 4 * self._size):
            return
        self._seconds_of_a_call = max(elapsed * self._workers / self._done, 1e-9)
        wanted = max(1, min(self._limit, int(_TARGET_SECONDS / self._seconds_of_a_call)))
        # Both calls and measurements vary, so the estimate changes step by step.
        if wanted > self._size:
            self._size = min(self._size * 2, wanted)
        elif wanted * 2 < self._size:
            self._size //= 2
        self._since = now
        self._done = 0

    def submitted(self, future: Any, calls: int) -> None:
        """Notes that a group was submitted."""
        if self._limit > 1:
            self._in_flight.append((future, calls))
            self._calls_in_flight += calls

    def _take_done(self) -> int:
        done = 0
        while self._in_flight and self._in_flight[0][0].done():
            done += self._in_flight.popleft()[1]
        self._calls_in_flight -= done
        return done

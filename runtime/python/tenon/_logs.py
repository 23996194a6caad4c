"""Passes the log lines of a runtime and its workers to logging."""

from __future__ import annotations

import logging
import sys
import threading

from . import _tenon
from .errors import in_lines

_runtime_log = logging.getLogger("tenon")
_worker_log = logging.getLogger("tenon.worker")
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class LogThread:
    """Passes the lines of one runtime to logging, on a separate thread.

    The thread refers only to the queue, so that an unused runtime can be destroyed.
    """

    def __init__(self) -> None:
        self.queue = _tenon.LogQueue()
        self._thread = threading.Thread(target=_drain, args=(self.queue,), daemon=True, name="tenon-logging")
        self._thread.start()

    def close(self) -> None:
        """Delivers the waiting lines and ends the thread."""
        self.queue.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()


def _drain(queue: _tenon.LogQueue) -> None:
    while lines := queue.take():
        for line in lines:
            _emit(*line)


def _emit(level: int, message: str, plugin: str, version: str, task: str, source: str, worker_id: int, call_id: int,
          dropped: int) -> None:
    log = _worker_log if worker_id else _runtime_log
    number = _LEVELS[level]
    if dropped:
        message = f"{message} ({dropped} lines before it were dropped)"
    if source == "stdout" and sys.stdout is not None:
        # The output of a task appears where this program prints, in a notebook too.
        print(message.replace("\\x09", "\t"), file=sys.stdout, flush=True)
    elif log.isEnabledFor(number):
        # Attributes that a formatter can show: %(tenon_task)s ...
        extra = {"tenon_plugin": plugin, "tenon_version": version, "tenon_task": task, "tenon_source": source,
                 "tenon_worker": worker_id, "tenon_call": call_id}
        log.log(number, "%s", in_lines(message), extra=extra)

"""Passes what tasks log to the host, with its level."""

from __future__ import annotations

import logging

import _tenon_worker  # type: ignore

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class HostHandler(logging.Handler):
    """Writes to the log of the running call or, between calls, to that of the worker."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            if record.name != "root":
                text = f"{record.name}: {text}"
            # The host's log has four levels: debug 0, info 1, warning 2, error 3.
            level = min(max(record.levelno // 10 - 1, 0), 3)
            _tenon_worker.log(level, text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8"))
        except Exception:
            self.handleError(record)


def connect(level: str) -> None:
    """Adds the handler to the root logger, once. ``level`` is a name, or empty for the level that the tasks set."""
    root = logging.getLogger()
    if not any(isinstance(handler, HostHandler) for handler in root.handlers):
        root.addHandler(HostHandler())
    if level:
        if level not in _LEVELS:
            raise ValueError(f"log_level is '{level}'; it takes {', '.join(_LEVELS)}")
        root.setLevel(_LEVELS[level])

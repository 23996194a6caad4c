"""Errors of workers, in a separate module, because their base class imports all of multiprocessing."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

from .errors import Error, Unavailable


class WorkerCrashed(Error, BrokenProcessPool):
    """The worker died while it ran the call. Other calls, and the runtime itself, are not affected."""

    @property
    def signal(self) -> int | None:
        """The signal that ended the worker, such as 11 for a segmentation fault; None when it exited."""
        return self.context.get("signal")

    @property
    def exit_code(self) -> int | None:
        """The exit code of the worker; None when a signal ended it."""
        return self.context.get("exit_code")


class InitializerFailed(Unavailable, BrokenProcessPool):
    """A worker cannot run Python functions: its initializer raised, a module to preload cannot be imported, or Python did
    not start. The message has the traceback."""

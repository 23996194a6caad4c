"""tenon: runs tasks from plugins in worker processes, by name.

    import tenon

    with tenon.Runtime(workers=4) as rt:
        counts = rt.call('text.count', path='/etc/passwd')
        print(counts.lines, counts.words)
"""

import sys as _sys

from ._task import call, check, current_worker, progress, state, worker_state

__all__ = ["Error", "Runtime", "call", "check", "current_worker", "progress", "state", "worker_state"]

# A worker has no use for the host's half, which takes longer to import than the interpreter takes to start.
if "_tenon_worker" not in _sys.modules:
    import os as _os
    import threading as _threading

    from . import _tenon
    from .errors import Error
    from .runtime import Runtime

    _tenon._set_main_thread(_threading.main_thread().ident)
    _os.register_at_fork(after_in_child=_tenon._after_fork_in_child)


def __getattr__(name: str) -> object:
    # In a worker the exceptions are imported when a task first names one; elsewhere they are there.
    # Not `from . import`, which asks this function for the module.
    if not name.startswith("_") and name != "errors":
        from importlib import import_module
        errors = import_module(".errors", __name__)
        if name in errors.__all__:
            return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

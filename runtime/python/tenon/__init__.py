"""tenon: runs tasks from plugins in worker processes, by name.

    import tenon

    with tenon.Runtime(workers=4) as rt:
        counts = rt.call('text.count', path='/etc/passwd')
        print(counts.lines, counts.words)
"""

import sys as _sys

__all__ = ["Error", "Runtime"]

# A worker has no use for the host's half, which takes longer to import than the interpreter takes to start.
if "_tenon_worker" not in _sys.modules:
    import os as _os
    import threading as _threading

    from . import _tenon
    from .errors import Error
    from .runtime import Runtime

    _tenon._set_main_thread(_threading.main_thread().ident)
    _os.register_at_fork(after_in_child=_tenon._after_fork_in_child)

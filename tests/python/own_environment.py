"""Runs a program without the settings of the user: usage: own_environment.py PROGRAM [ARGUMENT ...]"""

from __future__ import annotations

import os
import sys


def is_own(name: str) -> bool:
    """Whether a variable belongs to the test itself, or is none that tenon or a locale reads."""
    if name.startswith("TENON_"):
        return name == "TENON_TEST_BUILD"
    return not name.startswith("LC_") and name not in {
        "JOURNAL_STREAM", "LANG", "LANGUAGE", "NOTIFY_SOCKET", "NO_COLOR", "WATCHDOG_PID", "WATCHDOG_USEC",
        "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}


if len(sys.argv) < 2:
    sys.exit(__doc__)
environment = {name: value for name, value in os.environ.items() if is_own(name)}
# Without it, the machine's own zone applies.
environment["TZ"] = "UTC0"
os.execve(sys.argv[1], sys.argv[1:], environment)

"""Shared by the tests: the location of the build, and running a script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ.get("TENON_TEST_BUILD", Path(__file__).resolve().parents[2] / "build"))
PLUGINS = BUILD / "plugins"
TEST_PLUGINS = BUILD / "tests" / "python_plugins"
# Catches a hang; does not judge speed.
LONG = 60.0
# The exit code of a test that cannot run here; ctest then shows it as skipped.
SKIPPED = 77


def run_script(*arguments: str, stdin: str | None = None, cwd: Path | None = None,
               timeout: float = LONG) -> subprocess.CompletedProcess[str]:
    """Runs this Python with the arguments, as a user's shell does."""
    return subprocess.run([sys.executable, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout,
                          cwd=cwd, check=False)

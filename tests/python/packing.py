"""Shared by the tests of plugins in Python: sources to pack, and the command line that uses the plugins."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

BUILD = Path(os.environ["TENON_TEST_BUILD"])
TENON = BUILD / "bin" / "tenon"
# Only catches a hang, because the machine may be slow.
TIMEOUT_S = 100


class PackingTest(unittest.TestCase):
    """Each test has a separate empty directory, which is the current directory of its programs."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="tenon-packing-")
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("TENON_", "XDG_"))
        } | {"HOME": str(self.directory), "XDG_CACHE_HOME": str(self.directory / "cache"),
             "XDG_STATE_HOME": str(self.directory / "state")}

    def write(self, name: str, source: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def run_pack(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command `python3 -m tenon.pack`."""
        return subprocess.run([sys.executable, "-m", "tenon.pack", *arguments], cwd=self.directory, text=True,
                              env=self.environment | environment, capture_output=True, timeout=TIMEOUT_S)

    def packed(self, name: str, source: str, output: str = "plugins") -> Path:
        """Writes a module and packs it."""
        path = self.write(f"{name}.py", source)
        done = self.run_pack(str(path), "-o", output)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.directory / output / f"{name}.so"

    def tenon(self, *arguments: str, status: int = 0) -> str:
        """Runs a command of `tenon` and returns its output, including errors. It has no plugins in Python except
        ours."""
        done = subprocess.run([str(TENON), *arguments], cwd=self.directory, env=self.environment, text=True,
                              capture_output=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

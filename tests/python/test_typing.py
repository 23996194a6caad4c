"""The package is typed inside, and so are programs that use it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import tenon

PACKAGE = Path(tenon.__file__).resolve().parent
CHECKED = ["_aio", "_enums", "_host", "_logs", "_options", "_places", "_units", "errors", "future", "pipeline",
           "runtime", "session", "_handle", "_crashed", "_marks", "pack", "types",
           "_packed", "_describe", "_initializers"]


@unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
class Typing(unittest.TestCase):
    def run_tool(self, *arguments: str) -> None:
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "MYPY_CACHE_DIR": cache}
            result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=PACKAGE.parent,
                                    env=environment, timeout=280, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_package(self) -> None:
        self.run_tool("-m", "mypy", "--strict", "--follow-imports", "silent",
                      *(f"tenon/{name}.py" for name in CHECKED))

    def test_a_program(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            program = Path(directory, "program.py")
            program.write_text("import tenon\n"
                               "with tenon.Runtime(workers=2) as rt:\n"
                               "    future: tenon.Future[tenon.Table] = rt.submit('tenon.echo', data=b'x')\n"
                               "    table: tenon.Table = future.result(timeout=5)\n"
                               "    names: list[str] = table.keys()\n"
                               "try:\n    pass\nexcept tenon.WorkerCrashed as error:\n"
                               "    number: int | None = error.signal\n")
            self.run_tool("-m", "mypy", "--strict", "--follow-imports", "silent", str(program))


if __name__ == "__main__":
    unittest.main()

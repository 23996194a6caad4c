"""The package is typed inside, and so are programs that use it. The stubs of the native module say what it has."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import tenon
from support import SKIPPED

BUILT = Path(tenon.__file__).parents[1]
PACKAGE = Path(tenon.__file__).resolve().parent


# What the stubs have and the module does not show, as patterns.
ONLY_IN_STUBS = [
    r"tenon\._tenon\.\w+\.__buffer__",  # A slot in C, which has this name from Python 3.12 on.
    r"tenon\._tenon\.Table\.__getattr__",  # Fields, which a slot in C reads.
]


class Typing(unittest.TestCase):
    def run_tool(self, *arguments: str, place: Path = PACKAGE.parent) -> None:
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "MYPY_CACHE_DIR": cache}
            result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=place,
                                    env=environment, timeout=280, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_package(self) -> None:
        self.run_tool("-m", "mypy", "--strict", "--follow-imports", "silent",
                      *sorted(f"tenon/{file.name}" for file in PACKAGE.glob("*.py")))

    def test_the_stubs(self) -> None:
        """stubtest imports the module and compares names, arguments and defaults."""
        with tempfile.TemporaryDirectory() as directory:
            allowed = Path(directory, "allowed")
            allowed.write_text("\n".join(ONLY_IN_STUBS))
            # The built package has both the module and the stubs.
            self.run_tool("-m", "mypy.stubtest", "--allowlist", str(allowed), "--ignore-unused-allowlist",
                          "tenon._tenon", place=BUILT)

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
    if importlib.util.find_spec("mypy") is None:
        # ctest shows the test as skipped then.
        print("warning: skipped, because mypy is not installed; tools/setup installs it (python3-mypy)",
              file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main()

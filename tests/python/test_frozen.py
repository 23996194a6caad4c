"""A program whose __main__ is frozen into its executable runs its top level once, and workers have a Python of their
own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import tenon
from support import BUILD, LONG
from tenon import _places
from tenon.pack import pack

PROGRAM = BUILD / "tests" / "frozen_main"
TASKS = Path(__file__).resolve().parent / "frozen"


class Frozen(unittest.TestCase):
    def run_program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(TASKS)])}
        return subprocess.run([str(PROGRAM), *arguments], env=environment, capture_output=True, text=True, timeout=LONG,
                              check=False)

    def test_the_top_level_runs_once(self) -> None:
        done = self.run_program()
        self.assertEqual((done.stdout, done.returncode), ("top level __main__\n100\n42\n\necho\n", 3), done.stderr)

    def test_a_lambda_whose_text_is_unknown_says_so(self) -> None:
        done = self.run_program("lambda")
        self.assertEqual(done.stdout, "top level __main__\n100\n42\n")
        self.assertRegex(done.stderr, r"TypeError: .*not known")

    def test_its_executable_is_no_interpreter(self) -> None:
        self.assertEqual(_places.interpreter(), sys.executable)
        with mock.patch.object(sys, "frozen", True, create=True), tempfile.TemporaryDirectory() as directory:
            self.assertEqual(_places.interpreter(), "")
            with tenon.Executor(1) as executor:
                self.assertEqual(executor.call(pow, 2, 3), 8)
            source = Path(directory, "hello.py")
            source.write_text("def greet(name: str) -> str:\n    return name\n")
            with self.assertRaisesRegex(tenon.NotFound, "pack the plugin beforehand"):
                pack(source, directory)


if __name__ == "__main__":
    unittest.main()

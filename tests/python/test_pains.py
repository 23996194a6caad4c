"""Problems that people report about multiprocessing, each as two scripts: the old one fails as reported, the new one
works."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import zipapp
from pathlib import Path

from support import LONG, run_script

PAINS = Path(__file__).parent / "pains"
# How long an old script may run before it counts as hanging.
HANG_SECONDS = 6.0

# Directory: what the old script prints (None: it hangs), what the new script prints.
EXPECTED: dict[str, tuple[str | None, str]] = {
    "guard_missing": ("bootstrapping phase|BrokenProcessPool", r"top level\n\[1, 4, 9\]\n"),
    "children_of_children": ("daemonic processes are not allowed to have children", r"\[14\]\n"),
    "daemonic_worker": ("daemonic processes are not allowed to have children", r"6\n"),
    "lambda": ("[Cc]an't pickle", r"\[1, 4, 9\]\n"),
    "local_function": ("[Cc]an't (pickle|get) local object",
                       r"\[10, 20, 30\]\n.*uses factor of the function around it.*\n"),
    "imported_module_in_the_child": ("NameError: name 'math' is not defined", r"6\.28\n"),
    "object_that_cannot_be_pickled": ("cannot pickle 'sqlite3.Connection' object", r"42 1\n"),
    "dead_worker": ("BrokenProcessPool", r"1 of 20 failed: .*signal 6 \(Aborted\).*\n1\n"),
    "result_that_cannot_be_unpickled": ("BrokenProcessPool", r"ParseError line 3, column 7\n1\n"),
    "max_tasks_per_child_hang": (None, r"190\n"),
    "fork_with_threads": (None, r"5\n"),
    "notebook_cell": ("BrokenProcessPool|Can't get attribute 'work'", r"10\n28\n127\n"),
}


def hangs(script: Path) -> bool:
    """Whether a script is still running after a while; if so, kills it with its children."""
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        process.wait(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    return False


def run_old(script: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script that fails with words. CPython's pools sometimes hang where they should fail, which is a pain of
    its own; such a run is killed, with its children, and repeated."""
    for _ in range(4):
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True)
        try:
            out, err = process.communicate(timeout=20)
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    raise AssertionError(f"{script} hung in each of 4 runs")


class Pains(unittest.TestCase):
    def test_every_pain_is_listed(self) -> None:
        self.assertEqual(sorted(p.name for p in PAINS.iterdir() if (p / "old.py").exists()), sorted(EXPECTED))

    def test_old_scripts_fail_as_reported(self) -> None:
        for name, (words, _) in EXPECTED.items():
            with self.subTest(pain=name):
                script = PAINS / name / "old.py"
                if words is None:
                    self.assertTrue(hangs(script), "it does not hang with this Python; what has changed there?")
                    continue
                done = run_old(script)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertRegex(done.stdout + done.stderr, words)

    def test_new_scripts_work(self) -> None:
        for name, (_, output) in EXPECTED.items():
            with self.subTest(pain=name):
                done = run_script(str(PAINS / name / "new.py"), timeout=LONG)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
                self.assertRegex(done.stdout, re.compile(output + r"\Z", re.DOTALL))


PROGRAM = """\
import math
import tenon

print("top level", __name__)
with tenon.Executor(2) as executor:
    print(sum(executor.map(math.floor, [1.5] * 100)))
    print(executor.submit(lambda x: x + 1, 1).result())
"""


class TopLevel(unittest.TestCase):
    """The top level of a program runs once, however it is started, and no guard is needed."""

    def check(self, *arguments: str, stdin: str | None = None, cwd: Path | None = None,
              text_known: bool = True) -> None:
        done = run_script(*arguments, stdin=stdin, cwd=cwd)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:2], ["top level __main__", "100"], done.stderr)
        if text_known:
            self.assertEqual((lines[2:], done.stderr), (["2"], ""))
        else:
            # The text piped into python is gone: the lambda's text is not known, and the error says so.
            self.assertIn("is not known", done.stderr)

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def test_script(self) -> None:
        (self.directory / "program.py").write_text(PROGRAM)
        self.check(str(self.directory / "program.py"))

    def test_command(self) -> None:
        self.check("-c", PROGRAM)

    def test_module(self) -> None:
        (self.directory / "package").mkdir()
        (self.directory / "package" / "__init__.py").write_text("")
        (self.directory / "package" / "__main__.py").write_text(PROGRAM)
        self.check("-m", "package", cwd=self.directory)

    def test_standard_input(self) -> None:
        self.check("-", stdin=PROGRAM, text_known=False)

    def test_zipapp(self) -> None:
        (self.directory / "app").mkdir()
        (self.directory / "app" / "__main__.py").write_text(PROGRAM)
        zipapp.create_archive(self.directory / "app", self.directory / "app.pyz")
        self.check(str(self.directory / "app.pyz"))


if __name__ == "__main__":
    unittest.main()

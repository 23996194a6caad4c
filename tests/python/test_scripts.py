"""Whole programs: the top level runs once without any guard, and every exit is clean."""

from __future__ import annotations

import sys
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

from support import run_script

# There is no `if __name__ == '__main__'`.
SCRIPT = """
print('top level')
import tenon
rt = tenon.Runtime(workers=2)
futures = [rt.submit('tenon.echo', data=b'%d' % i) for i in range(10)]
print(sum(int(bytes(f.result().data)) for f in futures))
rt.close()
"""
SAID = "top level\n45\n"


def runs(pid: int) -> bool:
    """Whether the process is running. A zombie is not: in a container, process 1 may never wait for it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


class Scripts(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def check(self, *arguments: str, stdin: str | None = None, said: str = SAID) -> str:
        result = run_script(*arguments, stdin=stdin, cwd=self.directory)
        self.assertEqual((result.stdout, result.returncode), (said, 0), result.stderr)
        return result.stderr

    def test_every_way_to_run_it(self) -> None:
        (self.directory / "script.py").write_text(SCRIPT)
        (self.directory / "package").mkdir()
        (self.directory / "package" / "__init__.py").write_text("")
        (self.directory / "package" / "__main__.py").write_text(SCRIPT)
        with zipfile.ZipFile(self.directory / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", SCRIPT)
        self.check("script.py")
        self.check("-m", "script")
        self.check("-m", "package")
        self.check("app.pyz")
        self.check("-c", SCRIPT)
        self.check("-", stdin=SCRIPT)
        self.check("-i", "-q", "-c", SCRIPT, stdin="")

    def test_ends_with_work_under_way(self) -> None:
        start = "import tenon, threading\nrt = tenon.Runtime(workers=1, cancel_grace=0.1)\n"
        slow = "rt.submit('tenon.sleep', duration_ms=600000)"
        for name, rest in {
            "pending": f"f = {slow}\n",
            "callback": f"f = {slow}\nf.add_done_callback(print)\n",
            "waiting thread": f"f = {slow}\nthreading.Thread(target=lambda: f.exception(), daemon=True).start()\n",
            "source": "s = rt.source('tenon.numbers', count=10**12)\nnext(s)\n",
            "results": "t = rt.call('tenon.echo', data=b'x' * 10**6)\nv = t.data\n",
            "cycle": f"f = {slow}\nrt.me = rt\nf.rt = rt\n",
            "in a module": "import sys\nsys.modules['keep'] = rt\n",
            "many threads": "for i in range(8):\n  threading.Thread(target=lambda: [rt.call('tenon.echo') for _ in iter(int, 1)],"
                            " daemon=True).start()\n",
        }.items():
            with self.subTest(name):
                script = start + rest + "print('end')\n"
                result = run_script("-X", "dev", "-W", "ignore::ResourceWarning", "-c", script)
                self.assertTrue(result.stdout.startswith("end\n"), result.stdout)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertNotIn("Fatal", result.stderr)
                self.assertNotIn("Traceback", result.stderr)

    def test_an_exception_at_the_top_level(self) -> None:
        result = run_script("-c", "import tenon\nrt = tenon.Runtime(workers=1)\nraise SystemExit(5)\n")
        self.assertEqual(result.returncode, 5, result.stderr)

    def test_os_exit_leaves_no_workers(self) -> None:
        result = run_script("-c", "import os, tenon\nrt = tenon.Runtime(workers=1)\n"
                                  "print(rt.stats().workers[0].pid, flush=True)\nos._exit(3)\n")
        self.assertEqual(result.returncode, 3)
        pid = int(result.stdout)
        deadline = time.monotonic() + 20
        while runs(pid):
            self.assertLess(time.monotonic(), deadline, "the worker outlives its host")
            time.sleep(0.01)

    def test_a_sub_interpreter_is_refused(self) -> None:
        script = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
number = interpreters.create()
try:
    failure = interpreters.run_string(number, 'import tenon')     # 3.13 returns it
except Exception as error:
    failure = error
print('refused' if 'interpreter' in str(failure) else failure)
"""
        self.check("-c", script, said="refused\n")

    def test_without_numpy(self) -> None:
        result = run_script("-c", """
import sys
sys.modules['numpy'] = None
import tenon
with tenon.Runtime(workers=1) as rt:
    table = rt.call('tenon.echo', data=b'abc')
    print(bytes(table.data), len(rt.buffer(5)))
    for make in (lambda: rt.array(3), lambda: table.array('data')):
        try:
            make()
        except NotImplementedError as error:
            print(error)
""")
        lines = result.stdout.splitlines()
        self.assertEqual((len(lines), lines[:1], result.returncode), (3, ["b'abc' 5"], 0), result.stdout + result.stderr)
        for line in lines[1:]:
            self.assertRegex(line, "numpy, which is not installed; ")

    def test_the_package_is_documented(self) -> None:
        result = run_script("-c", "import tenon; help(tenon); help(tenon.Runtime); help(tenon.Table)")
        self.assertIn("rt.call('text.count', path='/etc/passwd')", result.stdout)
        self.assertIn("Runs a task and returns its result, a Table.", result.stdout)

    def test_import_is_light(self) -> None:
        self.check("-c", "import sys, tenon; print(sorted({'multiprocessing', 'numpy'} & set(sys.modules)))",
                   said="[]\n")


if __name__ == "__main__":
    unittest.main()

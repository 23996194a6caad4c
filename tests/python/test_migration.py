"""The code in runtime/python/README.md for people who come from multiprocessing runs exactly as printed, and so does
what tools/demo --python shows."""

from __future__ import annotations

import re
import tempfile
import unittest
from pathlib import Path

from support import run_script

PYTHON = Path(__file__).resolve().parents[2] / "runtime" / "python"
README = PYTHON / "README.md"
BLOCK = re.compile(r"<!-- (run|file: (?P<file>\S+)) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


class Migration(unittest.TestCase):
    def test_blocks(self) -> None:
        blocks = list(BLOCK.finditer(README.read_text(encoding="utf-8")))
        self.assertGreater(len(blocks), 8)
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            for number, block in enumerate(blocks):
                if block["file"]:
                    (directory / block["file"]).parent.mkdir(exist_ok=True)
                    (directory / block["file"]).write_text(block["code"])
                    continue
                with self.subTest(block=number, code=block["code"][:60]):
                    script = directory / f"block{number}.py"
                    script.write_text(block["code"])
                    done = run_script(str(script), cwd=directory)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_demo(self) -> None:
        file = PYTHON / "examples" / "first_result.py"
        done = run_script(str(file))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"\Aworker \d+ ended with signal 6 \(Aborted\); .*\n\Z")
        shown = [line.rpartition("  ")[2].strip() for line in done.stdout.splitlines()]
        lines = len(file.read_text(encoding="utf-8").splitlines())
        self.assertEqual(shown, [str(lines), "9592", "WorkerCrashed, signal 6", "1024", "Hello, world!",
                                 "Good evening, world!"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tests tests/bench/jobs/run with canned jobs; it measures nothing."""

import contextlib
import importlib.machinery
import importlib.util
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("jobs_run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("jobs_run", loader))
loader.exec_module(run)


def fails() -> None:
    raise run.Missing("nowhere")


class Measuring(unittest.TestCase):
    def test_a_missing_peer_is_reported_and_the_others_are_measured(self) -> None:
        job = run.Job("job", [], lambda: None, {"tenon": lambda: 1, "other": lambda: 1, "gone": fails})
        with contextlib.redirect_stderr(io.StringIO()) as reported:
            samples, missing = run.measure(job, 3, True)
        self.assertEqual(missing, ["gone"])
        self.assertEqual({name: len(values) for name, values in samples.items()}, {"tenon": 3, "other": 3})
        self.assertIn("nowhere is not installed", reported.getvalue())

    def test_a_result_that_differs_is_an_error_unless_it_cannot_be_compared(self) -> None:
        job = run.Job("job", [], lambda: None, {"tenon": lambda: (len, "ab"), "other": lambda: (len, "cd")})
        run.measure(job, 1, True)
        job.runs["third"] = lambda: None
        run.measure(job, 1, True)
        job.runs["fourth"] = lambda: 3
        with self.assertRaises(run.Failed):
            run.measure(job, 1, True)
        run.measure(job, 1, False)

    def test_ratios_are_to_the_best_of_the_named_peers(self) -> None:
        job = run.Job("job", [("a|b", 0.8), ("c", 1.0), ("gone", 2.0)], lambda: None, {})
        medians = {"tenon": 2.0, "a": 4.0, "b": 2.5, "c": 1.0, "other": 0.1}
        self.assertEqual(list(run.ratios(job, medians)), [("b", 0.8, 0.8), ("c", 2.0, 1.0)])


class Parts(unittest.TestCase):
    def test_a_part_is_made_once_and_only_complete(self) -> None:
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stderr(io.StringIO()):
            data = run.Data(Path(directory), 1.0)

            def breaks(path: Path) -> None:
                path.mkdir()
                raise OSError("the disk is full")

            with self.assertRaises(OSError):
                data.part("part", breaks)
            self.assertFalse((Path(directory) / "part").exists())
            made = data.part("part", lambda path: path.mkdir())
            self.assertEqual(made, data.part("part", breaks))

    def test_a_small_tree_and_text_have_copies_and_lines(self) -> None:
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stderr(io.StringIO()):
            data = run.Data(Path(directory), 0.0002)
            files = [path for path in data.tree().rglob("*") if path.is_file()]
            self.assertGreater(len(files), len({path.read_bytes() for path in files}))
            self.assertGreater(data.text().read_bytes().count(b"\n"), 100)
            self.assertEqual(b"".join(path.read_bytes() for path in sorted(data.texts().iterdir())),
                             data.text().read_bytes())


if __name__ == "__main__":
    unittest.main()

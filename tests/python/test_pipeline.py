"""Pipelines from Python: checking, running, reporting."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import tenon

TEXT = """
[pipeline]
name = "inventory"

[sources.tree]
task = "files.walk"
args = { root = "/dev/null/missing" }

[stages.digest]
task = "files.digest"
inputs = ["tree"]

[sinks.inventory]
task = "files.inventory"
inputs = ["digest"]
params = { title = "without a title" }
"""


class Pipelines(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.tree = self.directory / "tree"
        self.tree.mkdir()
        for number in range(20):
            (self.tree / f"{number}.txt").write_text("same" if number % 2 else str(number))
        self.file = self.directory / "inventory.toml"
        self.file.write_text(TEXT)

    def test_runs(self) -> None:
        report = tenon.run_pipeline(self.file, workers=2, sources={"tree": {"args": {"root": self.tree}}},
                                    **{"sinks.inventory.params.title": 'with "quotes" and \\ and ü'})
        self.assertEqual((report.end, report.failure_count, report.error), ("done", 0, None))
        self.assertEqual(report.stage("digest").items_out, 20)
        self.assertGreater(report.seconds, 0)
        inventory = report.outputs["inventory"]
        self.assertEqual(inventory.total_files, 20)
        self.assertEqual(inventory.title, 'with "quotes" and \\ and ü')
        self.assertEqual(len(inventory.duplicates.groups[0].paths), 10)
        with self.assertRaises(KeyError):
            report.stage("nothing")

    def test_failures_are_reported(self) -> None:
        (self.tree / "9.txt").unlink()
        (self.tree / "9.txt").symlink_to("nowhere")
        report = tenon.run_pipeline(self.file, sources={"tree": {"args": {"root": self.tree, "kinds": ["Link"]}}})
        self.assertEqual(report.failure_count, 1)
        self.assertEqual(report.failures[0].stage, "digest")
        self.assertIsInstance(report.failures[0].error, tenon.Error)

    def test_all_errors_at_once(self) -> None:
        self.file.write_text(TEXT.replace("files.digest", "files.digets").replace("title =", "titel ="))
        diagnostics = tenon.check_pipeline(self.file)
        errors = [d for d in diagnostics if d.severity == "error"]
        self.assertEqual(len(errors), 2, diagnostics)
        self.assertEqual(errors[0].line, 10)
        self.assertIn("files.digest", errors[0].hint + errors[0].message)
        self.assertIn("inventory.toml:10", str(errors[0]))
        with self.assertRaises(tenon.PipelineError) as caught:
            tenon.run_pipeline(self.file)
        self.assertIsInstance(caught.exception, ValueError)
        self.assertEqual(len(caught.exception.diagnostics), len(diagnostics))
        self.assertIn("titel", str(caught.exception))
        self.file.write_text(TEXT)
        self.assertEqual([d for d in tenon.check_pipeline(self.file) if d.severity == "error"], [])
        self.assertTrue(tenon.check_pipeline(self.directory / "missing.toml"))
        self.assertTrue(tenon.check_pipeline(self.file, **{"stages.digest.tsak": "x"}))

    def test_live_reports(self) -> None:
        reports: list[tenon.PipelineReport] = []
        tenon.run_pipeline(self.file, report=reports.append, sources={"tree": {"args": {"root": self.tree}}})
        self.assertEqual(reports[-1].end, "done")
        self.assertTrue(all(r.end == "running" for r in reports[:-1]))

    def test_an_exception_of_the_report_ends_the_run(self) -> None:
        self.file.write_text("[pipeline]\nname = 'slow'\n[sources.numbers]\ntask = 'tenon.numbers'\n"
                             "args = { count = 100, interval_ms = 600000 }\n[sinks.out]\ntask = 'tenon.discard'\n"
                             "inputs = ['numbers']\n")

        def refuse(report: tenon.PipelineReport) -> None:
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            tenon.run_pipeline(self.file, report=refuse)

    def test_values_that_toml_cannot_write(self) -> None:
        with self.assertRaisesRegex(TypeError, "sources.tree: TOML has no way to write an object"):
            tenon.run_pipeline(self.file, sources={"tree": object()})
        with self.assertRaises(TypeError):
            tenon.run_pipeline(7)


if __name__ == "__main__":
    unittest.main()

"""CPython's own tests of executors pass with tenon.Executor, except for those listed in cpython/expected.py."""

from __future__ import annotations

import sys
import time
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "cpython"))

import expected
import harness

# A smaller number would mean that tests have been lost.
AT_LEAST = 59


class Result(unittest.TestResult):
    """Collects how each test ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, tuple[str, str]] = {}

    def _end(self, test: Any, how: str, why: str = "") -> None:
        # Two tests have the same name.
        name = getattr(test, "_testMethodName", str(test))
        if name == "test_initializer":
            name = f"{type(test).__name__}.{name}"
        print(f"  {how:8} {name}  {time.monotonic():.1f}", file=sys.stderr, flush=True)
        if self.ended.get(name, ("ok", ""))[0] == "ok":
            self.ended[name] = (how, why)

    def addSuccess(self, test: Any) -> None:
        self._end(test, "ok")

    def addError(self, test: Any, err: Any) -> None:
        self._end(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    def addFailure(self, test: Any, err: Any) -> None:
        self._end(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    def addSkip(self, test: Any, reason: str) -> None:
        self._end(test, "skipped", reason)


class Cpython(unittest.TestCase):
    def test_executors(self) -> None:
        if harness.SKIPPED is not None:
            self.skipTest(harness.SKIPPED)
        result = Result()
        harness.load().run(result)
        passed = sorted(name for name, (how, _) in result.ended.items() if how == "ok")
        problems = []
        for name, (how, why) in sorted(result.ended.items()):
            if how == "failed" and name not in expected.EXPECTED:
                problems.append(f"{name} failed:\n{why}")
            if how == "ok" and name in expected.EXPECTED:
                problems.append(f"{name} passes, so that it must leave the list: {expected.EXPECTED[name]}")
        problems += [f"{name} is listed, but there is no such test" for name in expected.EXPECTED
                     if name not in result.ended]
        skipped = {name: why for name, (how, why) in result.ended.items() if how == "skipped"}
        print(f"{len(passed)} of {len(result.ended)} tests of CPython pass, {len(expected.EXPECTED)} cannot by design, "
              f"{len(skipped)} are skipped: {skipped}", file=sys.stderr)
        self.assertFalse(problems, "\n".join(problems))
        self.assertGreaterEqual(len(passed), AT_LEAST)

    def test_event_loop_of_a_new_process(self) -> None:
        """The test of test_asyncio that runs in any executor of processes."""
        if harness.SKIPPED is not None:
            self.skipTest(harness.SKIPPED)
        try:
            from test.test_asyncio import test_events
        except ImportError as error:
            self.skipTest(f"test_asyncio is not installed: {error}")
        import concurrent.futures

        result = unittest.TestResult()
        with unittest.mock.patch.object(concurrent.futures, "ProcessPoolExecutor", harness.ProcessPoolExecutor):
            for made in (test_events.TestPyGetEventLoop, test_events.TestCGetEventLoop):
                made("test_get_event_loop_new_process").run(result)
        self.assertEqual(result.failures + result.errors, [])
        self.assertEqual((result.testsRun, result.skipped), (2, []))


if __name__ == "__main__":
    unittest.main()

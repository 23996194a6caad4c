"""An object of an extension module (pybind11) that cannot be pickled is created once per worker and used by many
calls."""

from __future__ import annotations

import os
import pickle
import sys
import unittest
from pathlib import Path

import tenon

# The module is in the build directory; its tasks are beside this file. Workers get the path from this process.
sys.path[:0] = [str(Path(os.environ["TENON_TEST_BUILD"]) / "tests" / "pybind"),
                str(Path(__file__).resolve().parent / "pybind")]

try:
    import detector
    import detector_tasks
except ImportError:
    detector = None

WORKERS = 2
CALLS = 10_000


@unittest.skipIf(detector is None, "the module detector is not built; it needs pybind11 (pybind11-dev)")
class Detectors(unittest.TestCase):
    def test_the_object_cannot_be_sent(self) -> None:
        made = detector.Detector(10)
        with self.assertRaises(TypeError):
            pickle.dumps(made)
        with tenon.Executor(1) as executor:
            with self.assertRaisesRegex(TypeError, r"argument 0.*tenon\.worker_state"):
                executor.submit(detector_tasks.score, made)
            with self.assertRaisesRegex(TypeError, r"result.*tenon\.worker_state"):
                executor.call(detector_tasks.give_away)

    def test_one_object_per_worker_serves_all_calls(self) -> None:
        here = detector.made()
        with tenon.Executor(WORKERS) as executor:
            results = list(executor.map(detector_tasks.score, range(CALLS)))
        self.assertEqual([score for score, *_ in results], [item + 0.5 for item in range(CALLS)])
        uses: dict[int, int] = {}
        for _, process, made, used in results:
            self.assertEqual(made, 1)
            uses[process] = max(uses.get(process, 0), used)
        self.assertNotIn(os.getpid(), uses)
        self.assertLessEqual(len(uses), WORKERS)
        self.assertEqual(sum(uses.values()), CALLS)
        self.assertEqual(detector.made(), here)


if __name__ == "__main__":
    unittest.main()

"""An object of an extension module (pybind11) that cannot be pickled is created once per worker and used by many
calls."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import threading
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
LONG = 100.0
SCORING = """
__version__ = "{version}.0.0"
import tenon

@tenon.worker_state
def the_detector():
    import detector
    return detector.Detector(1_000_000 if {version} == 1 else 10)

@tenon.task(idempotent=True)
def score(item: int) -> list[float]:
    import detector
    return [tenon.state(the_detector).score(item), detector.made(), {version}]
"""


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

    def test_a_plugin_with_such_an_object_is_swapped(self) -> None:
        """Each version makes its own object in its own workers, and all calls meanwhile get right scores."""
        from tenon.pack import pack

        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            files = []
            for version in (1, 2):
                source = directory / f"v{version}" / "scoring.py"
                source.parent.mkdir()
                source.write_text(SCORING.format(version=version))
                files.append(pack(source, source.parent))
            with tenon.Runtime(workers=WORKERS, plugin_dirs=[files[0].parent], log=False,
                               settings={"scoring": {"python": {"path": sys.path[:2]}}},
                               hot_swap=tenon.HotSwap(store_dir=directory / "store")) as rt:
                first = [rt.submit("scoring.score", item=item, retries=10) for item in range(CALLS // 2)]
                swapped = threading.Thread(target=rt.swap, args=(files[1], tenon.SwapOptions(probation=0)))
                swapped.start()
                meanwhile = [rt.submit("scoring.score", item=item, retries=10) for item in range(CALLS // 2)]
                swapped.join(LONG)
                self.assertFalse(swapped.is_alive())
                results = [(item, list(future.result(LONG).value)) for futures in (first, meanwhile)
                           for item, future in enumerate(futures)]
                after = list(rt.call("scoring.score", item=7).value)
            self.assertEqual(len(results), CALLS)
            for item, (score, made, version) in results:
                self.assertIn(version, (1, 2))
                # The weights of version 2 begin anew after 10.
                self.assertEqual((score, made), ((item if version == 1 else item % 10) + 0.5, 1))
            self.assertEqual(after, [7.5, 1, 2])


if __name__ == "__main__":
    unittest.main()

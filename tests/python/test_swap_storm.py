"""A storm: swaps of a plugin in Python under calls from Python, while workers are killed.

Nothing may be lost, wrong or doubled, and memory use must stay constant. ctest runs a small storm; the whole one is

    PYTHONPATH=build/python TENON_TEST_BUILD=build /usr/bin/python3 tests/python/test_swap_storm.py --swaps 1000
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import tenon
from tenon.pack import pack

VERSIONS = 8
SWAPS = 8
CALLERS = 3
PLUGIN = """
import tenon

@tenon.task(idempotent=True)
def square(number: int) -> list[int]:
    return [number, number * number, {version}]

@tenon.task
def once(number: int) -> list[int]:
    return [number, number * number, {version}]
"""


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


class Storm(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="tenon-storm-")
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.files = []
        for version in range(VERSIONS):
            source = self.directory / "source" / "storm.py"
            source.parent.mkdir(exist_ok=True)
            source.write_text(PLUGIN.format(version=version))
            self.files.append(pack(source, self.directory / f"v{version}"))
        self.wrong: list[str] = []
        self.counts = {"ok": 0, "crashed": 0, "kills": 0}
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def count(self, name: str, number: int = 1) -> None:
        with self.lock:
            self.counts[name] += number

    def test_swaps_under_calls_and_kills(self) -> None:
        rt = tenon.Runtime(workers=3, plugin_dirs=[self.directory / "v0"], log=False, cancel_grace=0.2,
                           hot_swap=tenon.HotSwap(store_dir=self.directory / "store"))
        self.addCleanup(rt.close, "kill")
        callers = [threading.Thread(target=self.call, args=(rt, task, number))
                   for number, task in enumerate(["storm.square", "storm.once", "storm.square"][:CALLERS])]
        killer = threading.Thread(target=self.kill, args=(rt,))
        for thread in (*callers, killer):
            thread.start()
        warm = 0
        started = time.monotonic()
        options = tenon.SwapOptions(probation=0, force=True)
        try:
            for number in range(SWAPS):
                self.swap(rt, number % VERSIONS, options)
                if number == min(SWAPS // 4, 200):
                    warm = resident_kib()
        finally:
            self.ended.set()
            for thread in (*callers, killer):
                thread.join(100)
        grown = resident_kib() - warm
        report = (f"{SWAPS} swaps in {time.monotonic() - started:.0f} s: {self.counts['ok']} right results, "
                  f"{self.counts['crashed']} calls lost their worker, {self.counts['kills']} kills; "
                  f"memory {warm} KiB, {grown:+} KiB later")
        print(report, file=sys.stderr)
        self.assertFalse(any(thread.is_alive() for thread in (*callers, killer)), "a caller hangs")
        self.assertEqual(self.wrong, [])
        self.assertGreater(self.counts["ok"], SWAPS)
        self.assertLess(grown, 32 << 10, report)
        stats = rt.stats()
        self.assertEqual(stats.succeeded + stats.failed, stats.submitted, "calls are lost or doubled")
        self.assertEqual((stats.queued, stats.running), (0, 0))

    def swap(self, rt: tenon.Runtime, version: int, options: tenon.SwapOptions) -> None:
        """Swaps, and tries again if the swap is refused because a kill hit a worker that was trying the new version."""
        for _ in range(50):
            try:
                rt.swap(self.files[version], options)
                return
            except tenon.Error as error:
                if not isinstance(error, (tenon.WorkerCrashed, tenon.Unavailable, tenon.Rejected)):
                    raise
        self.wrong.append(f"version {version} cannot be swapped in")

    def call(self, rt: tenon.Runtime, task: str, seed: int) -> None:
        numbers = random.Random(seed)
        retries = 100 if task == "storm.square" else 0
        while not self.ended.is_set():
            wanted = [numbers.randrange(1 << 30) for _ in range(20)]
            futures = [rt.submit(task, number=number, **({"retries": retries} if retries else {}))
                       for number in wanted]
            for number, future in zip(wanted, futures):
                try:
                    got = list(future.result(100).value)
                except tenon.WorkerCrashed:
                    # Only a call that must not be repeated may be lost, and it reports that.
                    self.count("crashed")
                    if retries:
                        self.wrong.append(f"{task}({number}) was not tried again")
                    continue
                except tenon.Error as error:
                    self.wrong.append(f"{task}({number}): {type(error).__name__}: {error}")
                    continue
                if got[:2] != [number, number * number] or not 0 <= got[2] < VERSIONS:
                    self.wrong.append(f"{task}({number}) gave {got}")
                self.count("ok")

    def kill(self, rt: tenon.Runtime) -> None:
        numbers = random.Random(7)
        while not self.ended.wait(numbers.uniform(0.5, 2)):
            workers = [worker.pid for worker in rt.stats().workers if worker.pid > 0]
            if workers:
                try:
                    os.kill(numbers.choice(workers), signal.SIGKILL)
                    self.count("kills")
                except ProcessLookupError:
                    pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--swaps", type=int, default=SWAPS)
    given, rest = parser.parse_known_args()
    SWAPS = given.swaps
    unittest.main(argv=[sys.argv[0], *rest])

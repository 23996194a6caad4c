"""Storms: swaps under calls from Python, while workers are killed. One storm swaps a plugin in Python under calls of its
tasks. The other one swaps that plugin, and the plugin that runs an Executor's functions, under calls of an Executor.

Nothing may be lost, wrong or doubled, and memory use must stay constant. ctest runs small storms; the whole ones are

    PYTHONPATH=build/python TENON_TEST_BUILD=build /usr/bin/python3 tests/python/test_swap_storm.py --swaps 1000
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import storm_tasks
import tenon
from support import PLUGINS
from tenon.pack import pack

VERSIONS = 8
SWAPS = 8
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
    """What the storms share. A storm makes the runtime, and starts its callers."""

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

    def swap_under(self, rt: tenon.Runtime, callers: list[threading.Thread]) -> None:
        """Swaps while the callers run and workers are killed; then checks what is left."""
        killer = threading.Thread(target=self.kill, args=(rt,))
        for thread in (*callers, killer):
            thread.start()
        warm = 0
        started = time.monotonic()
        options = tenon.SwapOptions(probation=0, force=True)
        try:
            for number in range(SWAPS):
                self.swap(rt, self.files[number % len(self.files)], options)
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

    def swap(self, rt: tenon.Runtime, file: Path, options: tenon.SwapOptions) -> None:
        """Swaps, and tries again if the swap is refused because a kill hit a worker that was trying the new version."""
        for _ in range(50):
            try:
                rt.swap(file, options)
                return
            except tenon.Error as error:
                if not isinstance(error, (tenon.WorkerCrashed, tenon.Unavailable, tenon.Rejected)):
                    raise
        self.wrong.append(f"{file} cannot be swapped in")

    def check(self, what: str, number: int, future: tenon.Future[object], *, repeats: bool) -> bool:
        """Counts the outcome of a call; whether it has a result."""
        try:
            value = future.result(100)
        except tenon.WorkerCrashed:
            # Only a call that must not be repeated may be lost, and it reports that.
            self.count("crashed")
            if repeats:
                self.wrong.append(f"{what}({number}) was not tried again")
            return False
        except tenon.Error as error:
            self.wrong.append(f"{what}({number}): {type(error).__name__}: {error}")
            return False
        got = list(value.value if isinstance(value, tenon.Table) else value)  # type: ignore[call-overload]
        if got[:2] != [number, number * number] or not all(0 <= version < VERSIONS for version in got[2:]):
            self.wrong.append(f"{what}({number}) gave {got}")
        self.count("ok")
        return True

    def call_task(self, rt: tenon.Runtime, task: str, seed: int) -> None:
        numbers = random.Random(seed)
        retries = 100 if task == "storm.square" else 0
        while not self.ended.is_set():
            wanted = [numbers.randrange(1 << 30) for _ in range(20)]
            futures = [rt.submit(task, number=number, **({"retries": retries} if retries else {}))
                       for number in wanted]
            for number, future in zip(wanted, futures):
                self.check(task, number, future, repeats=retries > 0)

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


class OfTasks(Storm):
    def test_swaps_under_calls_and_kills(self) -> None:
        rt = tenon.Runtime(workers=3, plugin_dirs=[self.directory / "v0"], log=False, cancel_grace=0.2,
                           hot_swap=tenon.HotSwap(store_dir=self.directory / "store"))
        self.addCleanup(rt.close, "kill")
        self.swap_under(rt, [threading.Thread(target=self.call_task, args=(rt, task, number))
                             for number, task in enumerate(["storm.square", "storm.once", "storm.square"])])


class OfExecutor(Storm):
    """Each second swap is one of the plugin that runs the functions: bytes after the end of a file make another
    version of it."""

    def test_swaps_under_an_executor_and_kills(self) -> None:
        runners = []
        for version in range(VERSIONS):
            file = self.directory / f"runner{version}" / "py.so"
            file.parent.mkdir()
            shutil.copy(PLUGINS / "py.so", file)
            with file.open("ab") as stream:
                stream.write(b"version %d" % version)
            runners.append(file)
        self.files = [file for pair in zip(self.files, runners) for file in pair]
        executor = tenon.Executor(3, plugin_dirs=[self.directory / "v0"], log=False, cancel_grace=0.2,
                                  hot_swap=tenon.HotSwap(store_dir=self.directory / "store"))
        self.addCleanup(executor.runtime.close, "kill")
        # Files, because the memory of this process is measured.
        ledger = self.directory / "ledger"
        done = self.directory / "done"
        self.swap_under(executor.runtime, [
            threading.Thread(target=self.call_square, args=(executor, 1)),
            threading.Thread(target=self.call_once, args=(executor, ledger, done)),
            threading.Thread(target=self.map_square, args=(executor,)),
            threading.Thread(target=self.call_task, args=(executor.runtime, "storm.square", 3))])
        runs, results = ([number for number, in struct.iter_unpack("=Q", file.read_bytes())] for file in (ledger, done))
        self.assertEqual(len(runs), len(set(runs)), "a call that must not be repeated has run twice")
        self.assertEqual(set(results) - set(runs), set(), "a call has a result, but did not run")
        self.assertGreater(len(results), SWAPS)
        executor.shutdown()

    def call_square(self, executor: tenon.Executor, seed: int) -> None:
        numbers = random.Random(seed)
        while not self.ended.is_set():
            wanted = [numbers.randrange(1 << 30) for _ in range(20)]
            futures = [executor.submit(storm_tasks.square, number) for number in wanted]
            for number, future in zip(wanted, futures):
                self.check("square", number, future, repeats=True)

    def call_once(self, executor: tenon.Executor, ledger: Path, done: Path) -> None:
        """Calls with numbers that are not used again."""
        number = 0
        with done.open("wb") as results:
            while not self.ended.is_set():
                futures = [executor.submit(storm_tasks.once, number + i, str(ledger)) for i in range(20)]
                for i, future in enumerate(futures):
                    if self.check("once", number + i, future, repeats=False):
                        results.write(struct.pack("=Q", number + i))
                number += len(futures)

    def map_square(self, executor: tenon.Executor) -> None:
        while not self.ended.is_set():
            try:
                results = list(executor.map(storm_tasks.square, range(500)))
            except tenon.Error as error:
                self.wrong.append(f"map: {type(error).__name__}: {error}")
                continue
            if results != [[number, number * number] for number in range(500)]:
                self.wrong.append(f"map gave {results}")
            self.count("ok", len(results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--swaps", type=int, default=SWAPS)
    given, rest = parser.parse_known_args()
    SWAPS = given.swaps
    unittest.main(argv=[sys.argv[0], *rest])

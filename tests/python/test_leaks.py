"""No call leaks references or memory, however it ends. ctest makes a few hundred calls of each kind; for more:

    PYTHONPATH=build/python TENON_TEST_BUILD=build /usr/bin/python3 tests/python/test_leaks.py --rounds 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import queue
import resource
import sys
import threading
import unittest
from collections.abc import Callable

import executor_tasks as tasks
import tenon
from support import LONG, PLUGINS, TEST_PLUGINS

ROUNDS = 200
EVERYTHING = {
    "i32": 5, "color": "Blue", "rights": "Read Run", "text": "x" * 50, "point": (1, 2), "leaf": {"label": "l"},
    "shape": ("Leaf", {"label": "s"}), "bytes": b"b" * 500, "f64s": [0.5] * 20, "colors": ["Red"], "texts": ["a", "b"],
    "points": [(1, 2)] * 3, "leaves": [{"label": "x"}, {}], "shapes": [("Spot", (1, 2))],
}


class Leaks(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=1)
        cls.types = tenon.Runtime(workers=1, plugin_dirs=[TEST_PLUGINS])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close()
        cls.types.close()

    def settle(self) -> None:
        """Waits until the callbacks of all earlier futures have run: one thread runs them, in the order of the calls of
        the only worker. Calls in flight are not leaks. A callback added to a future that is already done runs at once,
        before the others, and proves nothing."""
        for submit in (lambda: self.rt.submit("tenon.sleep", duration_ms=2), lambda: self.types.submit("types.echo")):
            ran_on: queue.SimpleQueue[int] = queue.SimpleQueue()
            while True:
                submit().add_done_callback(lambda _, ran_on=ran_on: ran_on.put(threading.get_ident()))
                if ran_on.get(timeout=LONG) != threading.get_ident():
                    break
        gc.collect()

    def flat(self, action: Callable[[], object]) -> None:
        """Repeats an action in batches. A leak appears in every batch, but free lists, caches and other threads
        allocate only occasionally; so one batch that adds less than half a block per action shows that there is no
        leak."""
        grown: list[tuple[int, int]] = []
        for _ in range(6):
            self.settle()
            blocks = sys.getallocatedblocks()
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for _ in range(ROUNDS):
                action()
            self.settle()
            grown.append((sys.getallocatedblocks() - blocks,
                          resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident))
            if len(grown) > 1 and grown[-1][0] < ROUNDS // 2 and grown[-1][1] < 64 << 10:
                return
        self.fail(f"(blocks, KiB) that each {ROUNDS} actions left behind: {grown}")

    def fails(self, action: Callable[[], object]) -> None:
        with self.assertRaises(tenon.Error):
            action()

    def test_calls(self) -> None:
        self.flat(lambda: self.rt.call("tenon.echo", data=b"x", origin="y"))
        self.flat(lambda: self.rt.call("tenon.echo", data=b"x" * 100_000).data[5])
        self.flat(lambda: self.types.call("types.echo", EVERYTHING))
        self.flat(lambda: self.types.call("types.echo", self.types.call("types.echo", EVERYTHING)))
        self.flat(lambda: self.rt.call("tenon.echo", data=self.rt.buffer(100_000)))

    def test_results(self) -> None:
        table = self.types.call("types.echo", EVERYTHING)
        self.flat(table.asdict)
        self.flat(lambda: repr(table))
        self.flat(lambda: table == self.types.call("types.echo", EVERYTHING))
        self.flat(lambda: [list(value) for value in dict(table.items()).values() if isinstance(value, tenon.Vector)])
        self.flat(lambda: (table.shape.label, table.leaves[0].value, table.f64s[3], memoryview(table.points)))

    def test_failures(self) -> None:
        self.flat(lambda: self.fails(lambda: self.rt.call("tenon.echo", nothing=1)))
        self.flat(lambda: self.fails(lambda: self.rt.call("tenon.echo", data=[1, 2, "x"])))
        self.flat(lambda: self.fails(lambda: self.rt.call("tenon.nothing")))
        self.flat(lambda: self.fails(lambda: self.rt.call("tenon.fail", params={"message": "no"})))
        self.flat(lambda: self.fails(lambda: self.types.call("types.echo", {**EVERYTHING, "shapes": [{}]})))

    def test_futures(self) -> None:
        self.flat(lambda: self.rt.submit("tenon.echo", data=b"x").result(LONG))
        self.flat(lambda: self.rt.submit("tenon.echo", data=b"x"))
        self.flat(lambda: self.rt.submit("tenon.echo", data=b"x").add_done_callback(str))
        self.flat(lambda: list(self.rt.map("tenon.echo", [{}] * 5, ordered=False)))
        self.flat(lambda: self.rt.submit("tenon.fail", params={"message": "no"}).exception(LONG))

    def test_sessions(self) -> None:
        self.flat(lambda: list(self.rt.source("tenon.numbers", count=3)))
        self.flat(lambda: self.rt.reduce("tenon.sum", [{"value": 1}] * 3))

    def test_asyncio(self) -> None:
        async def main() -> None:
            for _ in range(20):
                await self.rt.acall("tenon.echo", data=b"x")

        loop = asyncio.new_event_loop()
        try:
            self.flat(lambda: loop.run_until_complete(main()))
        finally:
            loop.close()

    @unittest.skipUnless((PLUGINS / "py.so").exists(), "this build has no plugin py")
    def test_executor(self) -> None:
        executor = tenon.Executor(1, log=False)
        self.addCleanup(executor.shutdown)
        executor.submit(tasks.same, 0).result(LONG)
        record = {"name": "x", "values": (1, 2.5, None, {"a", "b"}), "data": b"b" * 500}

        def refused() -> None:
            with self.assertRaises(TypeError):
                executor.submit(tasks.same, object())

        def failed(function: object, *arguments: object) -> None:
            with self.assertRaises(Exception):
                executor.submit(function, *arguments).result(LONG)  # type: ignore[arg-type]

        def failed_map() -> None:
            with self.assertRaises(ValueError):
                list(executor.map(tasks.fail_at, range(5), [2] * 5))

        self.flat(lambda: executor.submit(tasks.same, 1).result(LONG))
        self.flat(lambda: executor.submit(tasks.same, record).result(LONG))
        self.flat(lambda: executor.submit(tasks.same, b"x" * 100_000).result(LONG))
        self.flat(lambda: executor.submit(lambda x: x + 1, 1).result(LONG))
        self.flat(refused)
        self.flat(lambda: failed(tasks.fail, "value"))
        self.flat(lambda: failed(tasks.fail, "chain"))
        self.flat(lambda: failed(tasks.lock))
        self.flat(lambda: failed("executor_tasks:missing"))
        self.flat(lambda: list(executor.map(tasks.same, range(50))))
        self.flat(lambda: list(executor.map(tasks.same, range(50), ordered=False)))
        self.flat(failed_map)
        self.flat(lambda: executor.options(run_timeout=LONG).submit(tasks.same, 1).result(LONG))

    def test_runtimes(self) -> None:
        def start_and_close() -> None:
            with tenon.Runtime(workers=1) as rt:
                rt.call("tenon.echo", data=b"x")

        for _ in range(3):
            start_and_close()
        gc.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(20):
            start_and_close()
        gc.collect()
        self.assertLess(sys.getallocatedblocks() - blocks, 400)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given, rest = parser.parse_known_args()
    ROUNDS = given.rounds
    unittest.main(argv=[sys.argv[0], *rest])

"""os.fork(): runtimes do not work in a child, say so, and do not affect those of the parent."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import traceback
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait

import tenon
import tenon.future
from support import LONG, run_script

warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded.*fork")


def square(number: int) -> int:
    return number * number


def use_tenon(number: int) -> bytes:
    with tenon.Runtime(workers=1) as rt:
        return bytes(rt.call("tenon.echo", data=b"%d" % number).data)


def put(queue: object, number: int) -> None:
    queue.put(use_tenon(number))


class Forks(unittest.TestCase):
    def setUp(self) -> None:
        self.rt = tenon.Runtime(workers=1)
        self.addCleanup(self.rt.close)

    def in_child(self, check: Callable[[], object]) -> None:
        """Runs a check in a child, which then exits as Python does."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            try:
                check()
                os.write(write, b"fine")
            except BaseException:
                os.write(write, traceback.format_exc().encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read().decode()
        os.waitpid(pid, 0)
        self.assertEqual(said, "fine")

    def test_a_child_can_wait_although_another_thread_of_its_parent_looks_into_a_future(self) -> None:
        looking, leave = threading.Event(), threading.Event()

        def look() -> None:
            with tenon.future._making:
                looking.set()
                leave.wait(LONG)

        def check() -> None:
            with tenon.Runtime(workers=1) as rt:
                wait([rt.submit("tenon.echo", data=b"x")], timeout=LONG)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            self.assertTrue(looking.wait(LONG))
            self.in_child(check)
        finally:
            leave.set()
            thread.join()

    def test_a_childs_runtime_is_dead(self) -> None:
        future = self.rt.submit("tenon.sleep", duration_ms=300)
        done = self.rt.submit("tenon.echo", data=b"x")
        done.result(LONG)
        source = self.rt.source("tenon.numbers", count=5)
        self.assertEqual(next(source).value, 0)

        def check() -> None:
            assert self.rt.closed
            for action in (lambda: self.rt.call("tenon.echo"), lambda: self.rt.submit("tenon.echo"),
                           lambda: self.rt.stats(), lambda: self.rt.tasks(), lambda: self.rt.task("tenon.echo"),
                           lambda: future.result(1), lambda: future.cancel(), lambda: future.done(),
                           lambda: self.rt.source("tenon.numbers"), lambda: source._session.start_next(1),
                           lambda: list(self.rt.map("tenon.echo", [{}]))):
                try:
                    action()
                except tenon.Unavailable as error:
                    assert "forked from" in str(error), error
                else:
                    raise AssertionError("no error")
            assert done.result().data == b"x"  # What is there already stays readable.
            self.rt.close()

        self.in_child(check)
        self.assertIsNone(future.exception(LONG))
        self.assertEqual([n.value for n in source], [1, 2, 3, 4])
        self.assertEqual(self.rt.call("tenon.echo", data=b"parent").data, b"parent")

    def test_a_child_starts_its_own(self) -> None:
        self.in_child(lambda: self.assertEqual(use_tenon(7), b"7"))
        self.assertEqual(self.rt.call("tenon.echo", data=b"parent").data, b"parent")

    def test_dropping_in_a_child_gives_nothing_back(self) -> None:
        large = self.rt.call("tenon.echo", data=b"x" * 1_000_000)
        futures = [self.rt.submit("tenon.echo", data=b"%d" % i * 100_000) for i in range(10)]

        def check() -> None:
            nonlocal large, futures
            large = futures = None
            del self.rt

        self.in_child(check)
        self.assertEqual(bytes(large.data), b"x" * 1_000_000)
        self.assertEqual([bytes(f.result(LONG).data[:1]) for f in futures], [b"%d" % i for i in range(10)])

    def test_a_child_that_exits_does_not_hang(self) -> None:
        script = """
import os, sys, tenon
rt = tenon.Runtime(workers=1)
future = rt.submit('tenon.sleep', duration_ms=200)
future.add_done_callback(lambda f: None)      # A thread of the package runs.
pid = os.fork()
if pid == 0:
    sys.exit(7)                               # All exit handlers run.
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
future.result()
rt.close()
print('fine')
"""
        result = run_script("-c", script)
        self.assertEqual((result.stdout, result.returncode), ("fine\n", 0), result.stderr)

    def test_multiprocessing_beside_it(self) -> None:
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method):
                context = multiprocessing.get_context(method)
                with ProcessPoolExecutor(2, mp_context=context) as executor:
                    self.assertEqual(list(executor.map(square, range(5))), [0, 1, 4, 9, 16])
                self.assertEqual(self.rt.call("tenon.echo", data=b"x").data, b"x")

    def test_inside_of_a_daemonic_child(self) -> None:
        # Here, multiprocessing itself says "daemonic processes are not allowed to have children".
        for method in ("fork", "spawn"):
            with self.subTest(method):
                context = multiprocessing.get_context(method)
                queue = context.SimpleQueue()
                process = context.Process(target=put, args=(queue, 5), daemon=True)
                process.start()
                self.assertEqual(queue.get(), b"5")
                process.join(LONG)
                self.assertEqual(process.exitcode, 0)
                process.close()
                queue.close()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    unittest.main()

"""Ctrl-C ends every wait of the main thread."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

import tenon
from support import LONG

# A loaded machine may take longer than the promised 50 ms; a wait that is not interrupted takes minutes.
PATIENCE = 20.0


class Interrupts(unittest.TestCase):
    def setUp(self) -> None:
        self.rt = tenon.Runtime(workers=1, cancel_grace=0.05)
        self.addCleanup(self.rt.close, "kill")

    def interrupted(self, action: object) -> None:
        """Runs an action that would take minutes, and presses Ctrl-C meanwhile."""
        timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
        started = time.monotonic()
        timer.start()
        try:
            with self.assertRaises(KeyboardInterrupt):
                action()
                time.sleep(PATIENCE)
        finally:
            timer.join()
        self.assertLess(time.monotonic() - started, PATIENCE)

    def test_call(self) -> None:
        self.interrupted(lambda: self.rt.call("tenon.sleep", duration_ms=600_000))
        # The call was cancelled, so its worker is free.
        self.assertEqual(self.rt.call("tenon.echo", data=b"x", timeout=LONG).data, b"x")

    def test_result(self) -> None:
        future = self.rt.submit("tenon.sleep", duration_ms=600_000)
        self.interrupted(future.result)
        self.assertFalse(future.done())
        self.interrupted(lambda: future.result(timeout=500))
        self.interrupted(future.exception)
        future.cancel()

    def test_map(self) -> None:
        for ordered in (True, False):
            arguments = ({"duration_ms": 600_000} for _ in range(3))
            self.interrupted(lambda: list(self.rt.map("tenon.sleep", arguments, ordered=ordered)))

    def test_source_and_reduce(self) -> None:
        self.interrupted(lambda: list(self.rt.source("tenon.numbers", count=9, interval_ms=600_000)))

        def endless():
            while True:
                time.sleep(0.001)
                yield {"value": 1}

        self.interrupted(lambda: self.rt.reduce("tenon.sum", endless()))

    def test_close(self) -> None:
        self.rt.submit("tenon.sleep", duration_ms=600_000)
        self.interrupted(self.rt.close)
        self.rt.close("kill")

    def test_events(self) -> None:
        with tempfile.TemporaryDirectory() as store:
            with tenon.Runtime(workers=1, hot_swap=tenon.HotSwap(store_dir=store)) as rt:
                self.interrupted(lambda: list(rt.events()))

    def test_pipeline(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "slow.toml")
            file.write_text("[pipeline]\nname = 'slow'\n[sources.numbers]\ntask = 'tenon.numbers'\n"
                            "args = { count = 100, interval_ms = 600000 }\n[sinks.out]\ntask = 'tenon.discard'\n"
                            "inputs = ['numbers']\n")
            self.interrupted(lambda: tenon.run_pipeline(file))

    def test_a_full_queue(self) -> None:
        with tenon.Runtime(workers=1, max_queued_calls=1, cancel_grace=0.05) as rt:
            first = rt.submit("tenon.sleep", duration_ms=600_000)
            self.interrupted(lambda: rt.submit("tenon.echo"))
            first.cancel()

    def test_other_signals_run_their_handlers(self) -> None:
        seen = []
        old = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            self.rt.call("tenon.sleep", duration_ms=300)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        self.assertEqual(seen, [1])

    def test_workers_do_not_see_it(self) -> None:
        before = self.rt.call("tenon.whoami").pid
        self.interrupted(self.rt.submit("tenon.sleep", duration_ms=600_000).result)
        with self.assertRaises(TimeoutError):
            # The call is still running: only the wait was interrupted.
            self.rt.call("tenon.whoami", timeout=0.02)
        self.assertEqual(self.rt.stats().workers[0].pid, before)


if __name__ == "__main__":
    unittest.main()

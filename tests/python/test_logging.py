"""Log lines of the runtime and of workers reach logging, and never block other threads."""

from __future__ import annotations

import logging
import threading
import time
import unittest

import tenon
from support import LONG


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Logs(unittest.TestCase):
    def setUp(self) -> None:
        self.collector = Collector()
        log = logging.getLogger("tenon")
        log.addHandler(self.collector)
        level, log.propagate = log.level, False
        log.setLevel(logging.DEBUG)

        def restore() -> None:
            log.removeHandler(self.collector)
            log.setLevel(level)
            log.propagate = True

        self.addCleanup(restore)

    def test_what_a_runtime_says(self) -> None:
        with tenon.Runtime(workers=1) as rt:
            with self.assertRaises(tenon.WorkerCrashed):
                rt.call("tenon.fail", params={"mode": "abort"})
            rt.call("tenon.echo")
        self.assertTrue(self.collector.records)
        for record in self.collector.records:
            self.assertTrue(record.name == "tenon" or record.name.startswith("tenon."), record.name)
            self.assertTrue(hasattr(record, "tenon_task"))
            record.getMessage()

    def test_off(self) -> None:
        with tenon.Runtime(workers=1, log=False) as rt:
            with self.assertRaises(tenon.WorkerCrashed):
                rt.call("tenon.fail", params={"mode": "abort"})
        self.assertEqual(self.collector.records, [])

    def test_a_handler_that_blocks_holds_nobody_up(self) -> None:
        go_on = threading.Event()
        self.collector.emit = lambda record: go_on.wait(LONG)  # type: ignore[method-assign]
        rt = tenon.Runtime(workers=2)
        for _ in range(3):
            with self.assertRaises(tenon.WorkerCrashed):
                rt.call("tenon.fail", params={"mode": "abort"})
        for _ in range(200):
            rt.call("tenon.echo", timeout=LONG)
        go_on.set()
        rt.close()

    def test_a_handler_that_calls_the_runtime(self) -> None:
        rt = tenon.Runtime(workers=1)
        seen: list[int] = []

        def emit(record: logging.LogRecord) -> None:
            if len(seen) < 3 and not rt.closed:
                seen.append(rt.call("tenon.whoami").pid)

        self.collector.emit = emit  # type: ignore[method-assign]
        with self.assertRaises(tenon.WorkerCrashed):
            rt.call("tenon.fail", params={"mode": "abort"})
        end = time.monotonic() + LONG
        while not seen and time.monotonic() < end:
            time.sleep(0.005)
        rt.close()
        self.assertTrue(seen)


if __name__ == "__main__":
    unittest.main()

"""The options of @tenon.task: how an Executor calls a marked function, and what marks are refused."""

from __future__ import annotations

import math
import tempfile
import time
import unittest
from pathlib import Path

import marked_tasks as tasks
import tenon
from support import LONG


class Marks(unittest.TestCase):
    def test_wrong_marks_are_refused(self) -> None:
        for options, words in (({"run_timeout": 0}, "run_timeout is a number of seconds above 0, not 0"),
                               ({"run_timeout": math.nan}, "not nan"),
                               ({"run_timeout": "5"}, "not '5'"),
                               ({"idempotent": True, "retries": -1}, "from 0 to 249, not -1"),
                               ({"idempotent": True, "retries": True}, "not True"),
                               ({"retries": 3}, "idempotent=True")):
            with self.subTest(options), self.assertRaisesRegex(ValueError, words):
                tenon.task(**options)  # type: ignore[call-overload]

    def test_a_marked_function_is_still_a_function(self) -> None:
        self.assertEqual(tasks.limited(0), 0)


class Calls(unittest.TestCase):
    executor: tenon.Executor

    @classmethod
    def setUpClass(cls) -> None:
        cls.executor = tenon.Executor(1, cancel_grace=0.2)
        cls.executor.submit(tasks.plain, 0).result(LONG)  # Imports the module.

    @classmethod
    def tearDownClass(cls) -> None:
        cls.executor.shutdown()

    def test_run_timeout_of_the_mark(self) -> None:
        begin = time.monotonic()
        with self.assertRaises(TimeoutError):
            self.executor.submit(tasks.limited, LONG).result(LONG)
        self.assertLess(time.monotonic() - begin, LONG / 2)
        with self.assertRaises(tenon.DeadlineExceeded):
            list(self.executor.map(tasks.limited, [LONG]))
        self.assertEqual(self.executor.submit(tasks.limited, 0).result(LONG), 0)

    def test_options_take_precedence(self) -> None:
        longer = self.executor.options(run_timeout=math.inf)
        self.assertEqual(longer.submit(tasks.limited, 0.5).result(LONG), 0.5)
        shorter = self.executor.options(run_timeout=0.05)
        with self.assertRaises(TimeoutError):
            shorter.submit(tasks.limited, 0.2).result(LONG)
        # Other options leave the mark in force.
        with self.assertRaises(TimeoutError):
            self.executor.options(priority=3).submit(tasks.limited, LONG).result(LONG)

    def test_a_source_keeps_the_mark(self) -> None:
        with self.assertRaises(TimeoutError):
            self.executor.submit(tenon.source(tasks.limited), LONG).result(LONG)

    def test_a_call_with_a_time_limit_does_not_use_up_the_time_of_others(self) -> None:
        # Short calls would travel in groups that grow, and one limit would apply to the whole group.
        times = [0.0] * 200 + [0.1] * 5
        self.assertEqual(list(self.executor.map(tasks.limited, times)), times)

    def test_idempotent_calls_are_tried_again(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            for name, function, deaths, ends in (("plain", tasks.dies_plain, 1, False), ("two", tasks.dies, 2, True),
                                                 ("three", tasks.dies, 3, False), ("four", tasks.dies_often, 4, True),
                                                 ("none", tasks.dies_never_again, 1, False)):
                with self.subTest(name):
                    ledger = Path(directory, name)
                    future = self.executor.submit(function, str(ledger), deaths)
                    if ends:
                        self.assertEqual(future.result(LONG), deaths)
                    else:
                        with self.assertRaises(tenon.WorkerCrashed):
                            future.result(LONG)
                        self.assertEqual(self.executor.options(retries=4).submit(function, str(ledger), deaths)
                                         .result(LONG), deaths)


if __name__ == "__main__":
    unittest.main()

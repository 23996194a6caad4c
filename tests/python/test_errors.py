"""Each failure is a tenon.Error, and also the exception that Python's own libraries raise for it."""

from __future__ import annotations

import concurrent.futures
import copy
import pickle
import signal
import unittest
from concurrent.futures.process import BrokenProcessPool

import tenon
from support import LONG


class Errors(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=2, cancel_grace=0.1)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close()

    def failure(self, **params: object) -> tenon.Error:
        with self.assertRaises(tenon.Error) as caught:
            self.rt.call("tenon.fail", params=params)
        return caught.exception

    def test_a_task_that_reports_a_failure(self) -> None:
        error = self.failure(message="the disk is on fire")
        self.assertIs(type(error), tenon.TaskFailed)
        self.assertEqual((error.code, error.task, error.attempts), ("failed", "tenon.fail", 1))
        self.assertIn("the disk is on fire", str(error))
        self.assertIn("tenon 1.0.0", error.context["plugin"])
        self.assertEqual(error.message, str(error))

    def test_codes_of_tasks(self) -> None:
        kinds = {2: concurrent.futures.CancelledError, 3: TimeoutError, 5: RuntimeError, 6: ValueError,
                 7: LookupError, 8: MemoryError, 9: tenon.Incompatible, 10: tenon.Corrupt, 11: OSError,
                 12: tenon.TooLarge, 13: tenon.Unavailable, 14: NotImplementedError, 15: tenon.InternalError}
        for code, kind in kinds.items():
            with self.subTest(code):
                error = self.failure(code=code, message="so it is")
                self.assertIsInstance(error, kind)
                self.assertIn("so it is", str(error))

    def test_a_worker_that_dies(self) -> None:
        for mode, number in (("abort", signal.SIGABRT), ("segfault", signal.SIGSEGV)):
            error = self.failure(mode=mode)
            self.assertIsInstance(error, tenon.WorkerCrashed)
            self.assertIsInstance(error, BrokenProcessPool)
            self.assertIsInstance(error, concurrent.futures.BrokenExecutor)
            self.assertEqual((error.signal, error.exit_code), (number, None))
            self.assertEqual((error.task, error.attempts), ("tenon.fail", 1))
            self.assertIsInstance(error.stderr_tail, str)
        error = self.failure(mode="exit", exit_code=7)
        self.assertEqual((error.signal, error.exit_code), (None, 7))

    def test_a_lost_worker_fails_its_call_alone(self) -> None:
        futures = [self.rt.submit("tenon.echo", data=b"%d" % i) for i in range(50)]
        crash = self.rt.submit("tenon.fail", params={"mode": "segfault"})
        futures += [self.rt.submit("tenon.echo", data=b"%d" % i) for i in range(50, 100)]
        self.assertIsInstance(crash.exception(LONG), tenon.WorkerCrashed)
        self.assertEqual([bytes(f.result(LONG).data) for f in futures], [b"%d" % i for i in range(100)])
        self.assertEqual(self.rt.call("tenon.echo", data=b"next").data, b"next")

    def test_timeouts(self) -> None:
        for keyword in ("timeout", "run_timeout"):
            with self.assertRaises(TimeoutError) as caught:
                self.rt.call("tenon.sleep", duration_ms=60_000, **{keyword: 0.05})
            self.assertIsInstance(caught.exception, tenon.DeadlineExceeded)
            self.assertIsInstance(caught.exception, concurrent.futures.TimeoutError)
        # A busy loop that never polls is killed.
        with self.assertRaises(TimeoutError):
            self.rt.call("tenon.fail", params={"mode": "hang"}, run_timeout=0.05)

    def test_errors_of_the_operating_system_hold_their_message(self) -> None:
        with self.assertRaises(LookupError) as caught:
            self.rt.call("text.count", path="/does/not/exist")
        self.assertIn("/does/not/exist", str(caught.exception))

    def test_pickle_and_repr(self) -> None:
        for error in (self.failure(message="x"), self.failure(mode="abort"), self.failure(code=3, message="late"),
                      self.failure(code=11, message="disk")):
            made = pickle.loads(pickle.dumps(error))
            self.assertIs(type(made), type(error))
            self.assertEqual((made.code, made.message, made.context), (error.code, error.message, error.context))
            self.assertIn(type(error).__name__, repr(error))

    def test_a_remote_error_is_copied_and_pickled(self) -> None:
        error = tenon.RemoteError("work.Odd: no", "work.Odd")
        error.add_note("why")
        self.assertEqual(error.args, ("work.Odd: no", "work.Odd"))
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), type(error)(*error.args)):
            self.assertEqual((other.message, other.type_name, other.code), (error.message, error.type_name, "failed"))

    def test_made_by_hand(self) -> None:
        kinds = [value for name in tenon.__all__ if isinstance(value := getattr(tenon, name), type)
                 and issubclass(value, tenon.Error) and value is not tenon.RemoteError]
        self.assertGreater(len(kinds), 15)
        for kind in kinds:
            error = kind("code", "what happened", {"task": "a.b"})
            self.assertIsInstance(error, tenon.Error)
            self.assertEqual((str(error), error.task), ("what happened", "a.b"))
            self.assertEqual(error.args, ("code", "what happened", {"task": "a.b"}))

    def test_bytes_in_messages(self) -> None:
        with self.assertRaises(LookupError) as caught:
            self.rt.call("text.count", path=b"/no/\xff\xfe")
        str(caught.exception)


if __name__ == "__main__":
    unittest.main()

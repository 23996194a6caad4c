"""tenon.Future: waiting, cancelling, and its use by concurrent.futures."""

from __future__ import annotations

import concurrent.futures
import gc
import queue
import threading
import time
import unittest
import weakref

import tenon
from support import LONG


class Futures(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=2, cancel_grace=0.1)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close("cancel")

    def sleep(self, seconds: float) -> tenon.Future:
        return self.rt.submit("tenon.sleep", duration_ms=int(seconds * 1000))

    def test_result(self) -> None:
        future = self.rt.submit("tenon.echo", data=b"x")
        self.assertIsInstance(future, concurrent.futures.Future)
        result = future.result(LONG)
        self.assertEqual(result.data, b"x")
        self.assertIs(future.result(), result)
        self.assertIsNone(future.exception())
        self.assertTrue(future.done())
        self.assertFalse(future.cancelled())
        self.assertFalse(future.running())
        self.assertFalse(future.cancel())

    def test_failure(self) -> None:
        future = self.rt.submit("tenon.fail", params={"message": "no"})
        error = future.exception(LONG)
        self.assertIsInstance(error, tenon.TaskFailed)
        self.assertIs(future.exception(), error)
        with self.assertRaises(tenon.TaskFailed) as caught:
            future.result()
        self.assertIs(caught.exception, error)

    def test_timeout_of_the_wait(self) -> None:
        future = self.sleep(LONG)
        for timeout in (0, 0.01, -1, -float("inf")):
            with self.assertRaises(TimeoutError) as caught:
                future.result(timeout)
            self.assertNotIsInstance(caught.exception, tenon.Error)
            with self.assertRaises(TimeoutError):
                future.exception(timeout=timeout)
        self.assertFalse(future.done())
        future.cancel()
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result(LONG)
        for wrong in ("1", float("nan"), []):
            with self.assertRaises((TypeError, ValueError)):
                self.sleep(0).result(wrong)

    def test_cancel(self) -> None:
        running = [self.sleep(LONG) for _ in range(2)]
        while not all(future.running() for future in running):
            time.sleep(0.001)
        queued = self.sleep(LONG)
        self.assertFalse(queued.started())
        self.assertTrue(queued.cancel())
        self.assertTrue(queued.cancelled())
        other = self.sleep(LONG)
        self.assertTrue(other.cancel_queued())
        self.assertFalse(running[0].cancel_queued())
        for future in running:
            self.assertFalse(future.cancel())
            with self.assertRaises(concurrent.futures.CancelledError) as caught:
                future.result(LONG)
            self.assertIsInstance(caught.exception, tenon.Cancelled)
            with self.assertRaises(concurrent.futures.CancelledError):
                future.exception()
            self.assertTrue(future.cancelled())

    def test_wait_and_as_completed(self) -> None:
        futures = [self.rt.submit("tenon.echo", data=b"%d" % i) for i in range(200)]
        done, pending = concurrent.futures.wait(futures, LONG)
        self.assertEqual((len(done), len(pending)), (200, 0))
        futures = [self.rt.submit("tenon.echo", data=b"%d" % i) for i in range(200)]
        seen = sorted(int(bytes(f.result().data)) for f in concurrent.futures.as_completed(futures, LONG))
        self.assertEqual(seen, list(range(200)))
        slow = self.sleep(LONG)
        quick = self.rt.submit("tenon.echo")
        done, pending = concurrent.futures.wait([slow, quick], LONG, concurrent.futures.FIRST_COMPLETED)
        self.assertEqual((done, pending), ({quick}, {slow}))
        with self.assertRaises(TimeoutError):
            list(concurrent.futures.as_completed([slow], 0.01))
        slow.cancel()
        failed = self.rt.submit("tenon.fail", params={"message": "no"})
        done, _ = concurrent.futures.wait([failed, slow], LONG)
        self.assertEqual(done, {failed, slow})

    def test_mixed_with_futures_of_others(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            futures = [executor.submit(int, "7"), self.rt.submit("tenon.echo")]
            done, pending = concurrent.futures.wait(futures, LONG)
            self.assertEqual((len(done), len(pending)), (2, 0))

    def test_callbacks(self) -> None:
        called: list[object] = []
        event = threading.Event()
        future = self.sleep(0.05)
        future.add_done_callback(called.append)
        future.add_done_callback(lambda f: event.set())
        self.assertTrue(event.wait(LONG))
        self.assertEqual(called, [future])
        future.add_done_callback(called.append)  # At once, on this thread.
        self.assertEqual(called, [future, future])
        for params in ({"message": "no"}, {"mode": "abort"}):
            event.clear()
            self.rt.submit("tenon.fail", params=params).add_done_callback(lambda f: event.set())
            self.assertTrue(event.wait(LONG))

    def test_a_callback_that_waits_for_a_call_is_told(self) -> None:
        seen: queue.Queue[str] = queue.Queue()
        slow = self.rt.submit("tenon.sleep", duration_ms=600_000)
        slow.add_done_callback(lambda _: None)

        def wait(_: object) -> None:
            for action in (slow.result, slow.exception, lambda: concurrent.futures.wait([slow]),
                           lambda: next(concurrent.futures.as_completed([slow]))):
                try:
                    action()
                except RuntimeError as error:
                    seen.put(str(error))
            try:
                slow.result(timeout=0)
            except TimeoutError:
                seen.put("not yet")
            slow.add_done_callback(lambda _: seen.put("later"))

        self.rt.submit("tenon.sleep", duration_ms=10).add_done_callback(wait)
        for _ in range(4):
            self.assertIn("add a callback to that future", seen.get(timeout=LONG))
        self.assertEqual(seen.get(timeout=LONG), "not yet")
        slow.cancel()
        self.assertEqual(seen.get(timeout=LONG), "later")

    def test_many_callbacks_from_many_threads(self) -> None:
        count = 0
        lock = threading.Lock()
        done = threading.Event()

        def called(future: tenon.Future) -> None:
            nonlocal count
            with lock:
                count += 1
                if count == 800:
                    done.set()

        def work() -> None:
            for _ in range(200):
                self.rt.submit("tenon.echo", data=b"x").add_done_callback(called)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        self.assertTrue(done.wait(LONG))

    def test_two_threads_wait_for_one_future(self) -> None:
        future = self.sleep(0.1)
        results: list[object] = []
        threads = [threading.Thread(target=lambda: results.append(future.result(LONG))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        self.assertEqual(len(results), 4)
        self.assertEqual(len({id(result) for result in results}), 1)

    def test_a_dropped_future_goes(self) -> None:
        future = self.rt.submit("tenon.echo", data=b"x" * 100_000)
        reference = weakref.ref(future)
        data = future.result(LONG).data
        del future
        gc.collect()
        self.assertIsNone(reference())
        self.assertEqual(bytes(data), b"x" * 100_000)

    def test_progress_and_repr(self) -> None:
        future = self.rt.submit("tenon.echo")
        future.result(LONG)
        self.assertIn("finished", repr(future))
        self.assertIn("TaskFailed", repr(self._failed()))
        self.assertIsNone(tenon.Future.progress(future))

    def _failed(self) -> tenon.Future:
        future = self.rt.submit("tenon.fail", params={"message": "no"})
        future.exception(LONG)
        return future

    def test_a_future_of_no_call(self) -> None:
        future = tenon.Future()
        for method in (future.result, future.done, future.cancel, future.exception, future.started):
            with self.assertRaises(ValueError):
                method()


if __name__ == "__main__":
    unittest.main()

"""tenon.Executor: what users of concurrent.futures.ProcessPoolExecutor expect."""

from __future__ import annotations

import concurrent.futures
import datetime
import functools
import itertools
import math
import operator
import os
import tempfile
import threading
import time
import unittest
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import executor_tasks as tasks
import tenon
from support import LONG


class Pool(unittest.TestCase):
    workers = 2
    executor: tenon.Executor

    @classmethod
    def setUpClass(cls) -> None:
        cls.executor = tenon.Executor(cls.workers)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.executor.shutdown()


class Submit(Pool):
    def test_positional_and_keyword_arguments(self) -> None:
        self.assertEqual(self.executor.submit(tasks.add, 2, 5).result(LONG), 7)
        self.assertEqual(self.executor.submit(tasks.add, 2, y=5, scale=3).result(LONG), 21)
        self.assertEqual(self.executor.submit(tasks.add, x=1).result(LONG), 1)
        self.assertEqual(self.executor.call(tasks.add, 1, 1), 2)

    def test_keywords_that_submit_itself_might_have(self) -> None:
        future = self.executor.submit(dict, fn=1, self=2, function=3, timeout=4)
        self.assertEqual(future.result(LONG), {"fn": 1, "self": 2, "function": 3, "timeout": 4})

    def test_functions_of_every_kind(self) -> None:
        for function, arguments, expected in (
            (pow, (2, 5), 32), (math.hypot, (3, 4), 5.0), (operator.add, (1, 2), 3), (os.path.join, ("a", "b"), "a/b"),
            (str.upper, ("x",), "X"), (int, ("42",), 42), (dict.fromkeys, ([1],), {1: None}),
            (tasks.Tools.double, (4,), 8), (tasks.Tools.name, (), "Tools"), (tasks.cached, (1,), 2),
            (tasks.Point, (1, 2), tasks.Point(1, 2)), (datetime.date, (2024, 2, 29), datetime.date(2024, 2, 29)),
            ("math:sqrt", (9,), 3.0), ("executor_tasks:Tools.double", (5,), 10),
            (functools.partial(tasks.add, 1), (2,), 3),
            (functools.partial(functools.partial(tasks.add, 1, scale=2), y=2), (), 6),
        ):
            with self.subTest(function=function):
                self.assertEqual(self.executor.submit(function, *arguments).result(LONG), expected)

    def test_data_of_every_kind(self) -> None:
        for value in (None, True, -1, 2**100, 1.5, "text \u20ac", b"bytes", [1, [2]], (1, (2,)), {"b": 1, "a": 2},
                      {1: 2},
                      {1, 2}, frozenset([3]), 1j, Path("/x"), tasks.Point(1, 2), tasks.Colour.RED,
                      datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), range(3), b"x" * 1_000_000):
            with self.subTest(kind=type(value).__name__):
                got = self.executor.submit(tasks.same, value).result(LONG)
                self.assertEqual(got, value)
                self.assertIs(type(got), type(value))

    def test_what_cannot_be_sent_is_refused_with_what_to_do(self) -> None:
        def local() -> None:
            pass

        k = 3
        for function, words in ((local, "top of a module"), (lambda: k, "argument"), (tasks.Tools().method, "bound"),
                                ([].append, "bound"), (3, "function"), ("no colon", "module:function")):
            with self.subTest(function=function), self.assertRaisesRegex((TypeError, ValueError), words):
                self.executor.submit(function)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, r"argument 1\['a'\]\[1\]"):
            self.executor.submit(tasks.same, 1, {"a": [1, open(os.devnull)]})  # noqa: SIM115
        loop: list[Any] = []
        loop.append(loop)
        with self.assertRaisesRegex(ValueError, "contains itself"):
            self.executor.submit(tasks.same, loop)

    def test_plain_lambdas_go_as_source(self) -> None:
        self.assertEqual(self.executor.submit(lambda x, y=2: x ** y + len("ab"), 3).result(LONG), 11)
        self.assertEqual(list(self.executor.map(lambda x: x * x, range(5))), [0, 1, 4, 9, 16])
        first, second = (lambda x: x + 1), (lambda x: x + 2)
        self.assertEqual(self.executor.submit(second, 1).result(LONG), 3)
        self.assertEqual(self.executor.submit(first, 1).result(LONG), 2)

    def test_a_lambda_inside_another_one(self) -> None:
        call = lambda n: self.executor.submit(lambda x: x + 1, n).result(LONG)  # noqa: E731
        self.assertEqual([call(n) for n in range(3)], [1, 2, 3])
        nested = (lambda y: (lambda x: x * 2)(y) + 1, lambda x: x * 2)
        self.assertEqual([self.executor.submit(one, 5).result(LONG) for one in nested], [11, 10])

    def test_built_in_functions_that_look_at_their_caller(self) -> None:
        submit = self.executor.submit
        self.assertEqual(submit(eval, "1 + 1").result(LONG), 2)
        self.assertEqual(submit(eval, "a + b", {"a": 1}, {"b": 2}).result(LONG), 3)
        self.assertIsNone(submit(exec, "import json; x = json.dumps(1)").result(LONG))
        with self.assertRaisesRegex(NameError, "'x' is not defined"):
            submit(eval, "x").result(LONG)
        self.assertEqual(submit(dir).result(LONG), ["__builtins__"])
        self.assertIn("append", submit(dir, []).result(LONG))
        for function in (vars, locals, globals):
            with self.subTest(function), self.assertRaisesRegex(TypeError, "cannot be sent"):
                submit(function).result(LONG)
        self.assertEqual(list(self.executor.map(eval, ["1", "2"])), [1, 2])

    def test_words_for_types(self) -> None:
        for value, expected in ((object(), "an object is not data"), (iter(()), "a tuple_iterator cannot be sent")):
            with self.assertRaisesRegex(TypeError, expected):
                self.executor.submit(tasks.same, value)
        with self.assertRaisesRegex(TypeError, "not an int"):
            self.executor.submit(5)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "'math:pi' is of type float and cannot be called"):
            self.executor.submit("math:pi").result(LONG)

    def test_what_is_missing_in_the_worker(self) -> None:
        with self.assertRaisesRegex(ModuleNotFoundError, "no_such_module"):
            self.executor.submit("no_such_module:f").result(LONG)
        with self.assertRaisesRegex(AttributeError, "no_such_function"):
            self.executor.submit("math:no_such_function").result(LONG)

    def test_an_import_that_fails_or_hangs(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "fails_here.py").write_text("import no_such_module_of_mine\ndef f(): pass\n")
            (directory / "broken_here.py").write_text("def f(:\n")
            (directory / "hangs_here.py").write_text("import time\ntime.sleep(1000)\ndef f(): pass\n")
            with tenon.Executor(1, path=[directory], cancel_grace=0.2) as executor:
                with self.assertRaisesRegex(ModuleNotFoundError, "no_such_module_of_mine") as caught:
                    executor.call("fails_here:f")
                self.assertIn("fails_here.py", str(caught.exception.__cause__))
                with self.assertRaises(SyntaxError) as wrong:
                    executor.call("broken_here:f")
                self.assertIn("broken_here.py", str(wrong.exception.__cause__))
                with self.assertRaises(TimeoutError):
                    executor.options(run_timeout=0.3).call("hangs_here:f")
                self.assertEqual(executor.call(pow, 2, 3), 8)

    def test_arguments_may_be_kept_and_changed(self) -> None:
        """Arguments are the task's own, although the memory in which they came is reused by later calls."""
        arguments = [bytes([i]) * 100_000 for i in range(20)]
        for argument in arguments:
            self.executor.options(affinity="one").submit(tasks.keep, argument, bytearray(argument)).result(LONG)
        kept = self.executor.options(affinity="one").submit(tasks.kept).result(LONG)
        self.assertEqual(kept, [(argument, argument[:-1] + b"!") for argument in arguments])

    def test_many_futures(self) -> None:
        futures = [self.executor.submit(tasks.add, i, 1) for i in range(20_000)]
        self.assertEqual([future.result(LONG) for future in futures], list(range(1, 20_001)))

    def test_from_many_threads(self) -> None:
        results: list[int] = []

        def work() -> None:
            results.append(sum(self.executor.submit(tasks.add, i).result(LONG) for i in range(300)))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [sum(range(300))] * 8)

    def test_numpy_arrays(self) -> None:
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        array = numpy.arange(3_000_000, dtype=numpy.float64).reshape(3000, 1000)
        result = self.executor.submit(numpy.multiply, array, 2).result(LONG)
        self.assertTrue(numpy.array_equal(result, array * 2))
        result[0, 0] = 5  # It belongs to the caller.
        copies = [self.executor.submit(tasks.same, array[i]).result(LONG) for i in range(3)]
        self.assertTrue(all(numpy.array_equal(copy, array[i]) for i, copy in enumerate(copies)))

    def test_nothing_of_the_program_runs_in_a_worker(self) -> None:
        self.assertIsNone(self.executor.submit(tasks.main_file).result(LONG))


class Futures(Pool):
    def test_is_a_future_of_the_standard_library(self) -> None:
        future = self.executor.submit(tasks.same, 1)
        self.assertIsInstance(future, concurrent.futures.Future)
        self.assertEqual(future.result(LONG), 1)
        self.assertTrue(future.done())
        self.assertFalse(future.cancel())
        self.assertFalse(future.cancelled())
        self.assertIsNone(future.exception())

    def test_timeout_of_result_leaves_the_call(self) -> None:
        future = self.executor.submit(tasks.sleep, 0.3, 7)
        with self.assertRaises(TimeoutError):
            future.result(0.01)
        with self.assertRaises(TimeoutError):
            future.exception(timeout=0)
        self.assertEqual(future.result(LONG), 7)

    def test_cancel_ends_only_what_is_queued(self) -> None:
        with tenon.Executor(1) as executor:
            running = executor.submit(tasks.sleep, 0.5, "ran")
            queued = executor.submit(tasks.sleep, 0.5, "never")
            while not running.running():
                time.sleep(0.01)
            self.assertFalse(running.cancel())
            self.assertTrue(queued.cancel())
            self.assertTrue(queued.cancel())
            self.assertTrue(queued.cancelled())
            with self.assertRaises(concurrent.futures.CancelledError):
                queued.result(LONG)
            self.assertEqual(running.result(LONG), "ran")

    def test_callbacks(self) -> None:
        called: list[tuple[str, Any]] = []
        ready = threading.Event()
        future = self.executor.submit(tasks.sleep, 0.05, 3)
        future.add_done_callback(lambda f: called.append(("first", f.result())))
        future.add_done_callback(lambda f: ready.set())
        self.assertTrue(ready.wait(LONG))
        future.add_done_callback(lambda f: called.append(("late", f.result())))
        self.assertEqual(called, [("first", 3), ("late", 3)])

    def test_wait_and_as_completed_with_futures_of_others(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            futures: list[concurrent.futures.Future[Any]] = [
                self.executor.submit(tasks.sleep, 0.05, 1), threads.submit(tasks.sleep, 0.02, 2),
                self.executor.submit(tasks.same, 3)]
            done, pending = concurrent.futures.wait(futures, LONG)
            self.assertEqual((len(done), len(pending)), (3, 0))
            self.assertEqual({f.result() for f in concurrent.futures.as_completed(futures, LONG)}, {1, 2, 3})
        slow = self.executor.submit(tasks.sleep, 0.5)
        done, pending = concurrent.futures.wait([slow, self.executor.submit(tasks.same, 1)], LONG,
                                                concurrent.futures.FIRST_COMPLETED)
        self.assertEqual(pending, {slow})
        with self.assertRaises(TimeoutError):
            list(concurrent.futures.as_completed([slow], timeout=0.01))

    def test_progress_of_a_task(self) -> None:
        future = self.executor.submit(tasks.report, 20)
        seen = set()
        while not future.done():
            if (progress := future.progress()) is not None:
                seen.add(progress)
            time.sleep(0.01)
        self.assertEqual(future.result(), 20)
        self.assertTrue(all(total == 20 for _, total in seen))
        self.assertTrue(seen)


class Exceptions(Pool):
    def raised(self, kind: str) -> BaseException:
        error = self.executor.submit(tasks.fail, kind).exception(LONG)
        assert error is not None
        return error

    def test_type_and_arguments(self) -> None:
        error = self.raised("value")
        self.assertIs(type(error), ValueError)
        self.assertEqual(error.args, ("wrong", 42))
        self.assertIs(type(self.raised("key")), KeyError)
        missing = self.raised("os")
        assert isinstance(missing, FileNotFoundError)
        self.assertEqual((missing.errno, missing.filename), (2, "x.txt"))

    def test_traceback_is_the_cause(self) -> None:
        error = self.raised("value")
        self.assertIn("executor_tasks.py", str(error.__cause__))
        self.assertIn('raise ValueError("wrong", 42)', str(error.__cause__))

    def test_chains_and_notes(self) -> None:
        self.assertIs(type(self.raised("chain")), LookupError)
        self.assertEqual(self.raised("notes").__notes__, ["a note"])

    def test_exceptions_that_cannot_be_made_again(self) -> None:
        error = self.raised("unpicklable")
        self.assertIn("3: because", str(error))
        self.assertIn("of a function", str(self.raised("local")))

    def test_exit_is_an_exception_of_its_call(self) -> None:
        self.assertIsInstance(self.raised("exit"), SystemExit)
        self.assertEqual(self.executor.submit(tasks.same, 1).result(LONG), 1)

    def test_result_that_is_not_data(self) -> None:
        with self.assertRaisesRegex(TypeError, "result"):
            self.executor.submit(tasks.lock).result(LONG)
        self.assertEqual(self.executor.submit(tasks.same, 1).result(LONG), 1)


class Crashes(Pool):
    def test_a_dead_worker_fails_its_own_call(self) -> None:
        bad = self.executor.submit(tasks.die)
        good = [self.executor.submit(tasks.add, i) for i in range(20)]
        with self.assertRaises(BrokenProcessPool) as caught:
            bad.result(LONG)
        assert isinstance(caught.exception, tenon.WorkerCrashed)
        self.assertEqual(caught.exception.signal, 6)
        self.assertEqual([f.result(LONG) for f in good], list(range(20)))
        self.assertEqual(self.executor.submit(tasks.add, 1, 1).result(LONG), 2)

    def test_exit_code(self) -> None:
        error = self.executor.submit(tasks.leave, 7).exception(LONG)
        assert isinstance(error, tenon.WorkerCrashed)
        self.assertEqual(error.exit_code, 7)

    def test_retries(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            marker = os.path.join(directory, "marker")
            again = self.executor.options(retries=2)
            self.assertEqual(again.submit(tasks.die_once, marker).result(LONG), "survived")

    def test_killed_from_outside(self) -> None:
        with tenon.Executor(1) as executor:
            os.kill(executor.submit(tasks.pid).result(LONG), 9)
            self.assertEqual(executor.submit(tasks.add, 1, 2).result(LONG), 3)


class Options(Pool):
    def test_run_timeout_ends_a_busy_loop(self) -> None:
        begin = time.monotonic()
        with self.assertRaises(TimeoutError):
            self.executor.options(run_timeout=0.2).submit(tasks.spin, LONG).result(LONG)
        self.assertLess(time.monotonic() - begin, LONG / 2)
        self.assertEqual(self.executor.submit(tasks.add, 1, 2).result(LONG), 3)

    def test_queue_timeout(self) -> None:
        with tenon.Executor(1) as executor:
            running = executor.submit(tasks.sleep, 1)
            while not running.running():
                time.sleep(0.01)
            late = executor.options(queue_timeout=0.05).submit(tasks.same, 1)
            with self.assertRaises(TimeoutError):
                late.result(LONG)

    def test_priority(self) -> None:
        with tenon.Executor(1) as executor, tempfile.TemporaryDirectory() as directory:
            first = executor.submit(tasks.sleep, 0.3)
            while not first.running():
                time.sleep(0.01)
            low = executor.submit(tasks.mark, directory, "low")
            high = executor.options(priority=5).submit(tasks.mark, directory, "high")
            concurrent.futures.wait([low, high], LONG)
            times = {name: os.stat(os.path.join(directory, name)).st_mtime_ns for name in ("low", "high")}
            self.assertLessEqual(times["high"], times["low"])

    def test_affinity(self) -> None:
        view = self.executor.options(affinity="key")
        self.assertEqual(len({view.submit(tasks.pid).result(LONG) for _ in range(10)}), 1)

    def test_a_view_keeps_the_executor(self) -> None:
        view = tenon.Executor(1).options(priority=1)
        self.assertEqual(view.submit(tasks.add, 1, 1).result(LONG), 2)
        view.shutdown()
        with self.assertRaises(RuntimeError):
            view.submit(tasks.add, 1, 1)

    def test_wrong_options(self) -> None:
        for keywords in ({"retries": -1}, {"run_timeout": "x"}, {"priority": "high"}, {"unknown": 1}):
            with self.subTest(keywords=keywords), self.assertRaises((TypeError, ValueError)):
                self.executor.options(**keywords)  # type: ignore[arg-type]


class Map(Pool):
    def test_order_and_several_iterables(self) -> None:
        self.assertEqual(list(self.executor.map(tasks.add, range(100), range(100))), [2 * i for i in range(100)])
        self.assertEqual(list(self.executor.map(tasks.add, range(5), itertools.count())), [0, 2, 4, 6, 8])
        self.assertEqual(list(self.executor.map(tasks.add, [])), [])
        self.assertEqual(list(self.executor.map(tasks.add)), [])
        self.assertEqual(list(self.executor.map(functools.partial(tasks.add, 10), range(3))), [10, 11, 12])

    def test_chunks(self) -> None:
        for size in (1, 3, 1000, "auto"):
            with self.subTest(size=size):
                results = self.executor.map(tasks.add, range(50), chunksize=size)  # type: ignore[arg-type]
                self.assertEqual(list(results), list(range(50)))
        for size in (0, -1, "many"):
            with self.subTest(size=size), self.assertRaises(ValueError):
                self.executor.map(tasks.add, [1], chunksize=size)  # type: ignore[arg-type]

    def test_large_and_endless_input(self) -> None:
        self.assertEqual(sum(self.executor.map(tasks.add, range(100_000))), sum(range(100_000)))
        endless = self.executor.map(tasks.add, itertools.count(), buffersize=50)
        self.assertEqual(list(itertools.islice(endless, 1000)), list(range(1000)))
        endless.close()  # type: ignore[attr-defined]

    def test_buffersize_bounds_what_is_read(self) -> None:
        read = 0

        def numbers() -> Any:
            nonlocal read
            for read in itertools.count(1):  # noqa: B007
                yield read

        results = self.executor.map(tasks.add, numbers(), buffersize=10)
        for taken in range(1, 100):
            next(results)
            self.assertLessEqual(read, taken + 10)
        with self.assertRaises(ValueError):
            self.executor.map(tasks.add, [1], buffersize=0)

    def test_runs_without_being_iterated(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            with tenon.Executor(2) as executor:
                executor.map(tasks.mark, [directory] * 10, [str(i) for i in range(10)])
            self.assertEqual(len(os.listdir(directory)), 10)

    def test_results_after_shutdown(self) -> None:
        with tenon.Executor(2) as executor:
            results = executor.map(tasks.add, range(1000))
        self.assertEqual(list(results), list(range(1000)))

    def test_unordered(self) -> None:
        with tenon.Executor(2) as executor:
            results = list(executor.map(tasks.sleep, [0.5, 0, 0], ["slow", "a", "b"], ordered=False))
            self.assertEqual(sorted(results), ["a", "b", "slow"])
            self.assertEqual(results[-1], "slow")
            many = executor.map(tasks.add, range(5000), ordered=False, buffersize=100)
            self.assertEqual(sorted(many), list(range(5000)))

    def test_exception_stands_in_its_place(self) -> None:
        for size in (1, 10, "auto"):
            with self.subTest(size=size):
                chunks: Any = size
                results = self.executor.map(tasks.fail_at, range(10), [4] * 10, chunksize=chunks)
                self.assertEqual([next(results) for _ in range(4)], [0, 1, 2, 3])
                with self.assertRaisesRegex(ValueError, "bad 4"):
                    next(results)
                with self.assertRaises(StopIteration):
                    next(results)

    def test_timeout(self) -> None:
        results = self.executor.map(tasks.sleep, [0, 0.7], [1, 2], timeout=0.3)
        self.assertEqual(next(results), 1)
        with self.assertRaises(TimeoutError):
            next(results)
        results = self.executor.map(tasks.sleep, [0.7, 0.7], timeout=0.1, ordered=False)
        with self.assertRaises(TimeoutError):
            list(results)

    def test_close_cancels_what_is_queued(self) -> None:
        with tenon.Executor(1) as executor, tempfile.TemporaryDirectory() as directory:
            executor.submit(tasks.sleep, 0.3)
            results = executor.map(tasks.mark, [directory] * 100, [str(i) for i in range(100)], chunksize=1)
            next(results)
            results.close()  # type: ignore[attr-defined]
            executor.shutdown()
            self.assertLess(len(os.listdir(directory)), 100)

    def test_progress(self) -> None:
        seen: list[tuple[int, int | None]] = []
        list(self.executor.map(tasks.add, range(10), progress=lambda done, total: seen.append((done, total))))
        self.assertEqual(seen[-1], (10, 10))
        self.assertEqual([done for done, _ in seen], sorted(done for done, _ in seen))

    def test_an_iterable_that_raises(self) -> None:
        def broken() -> Any:
            yield 1
            raise KeyError("input")

        with self.assertRaises(KeyError):
            self.executor.map(tasks.add, broken())

    def test_a_dead_worker_in_a_map(self) -> None:
        results = self.executor.map(tasks.leave, [1, 2, 3])
        with self.assertRaises(BrokenProcessPool):
            list(results)
        self.assertEqual(list(self.executor.map(tasks.add, range(5))), list(range(5)))


class Foreign(Pool):
    """The code around a call must not affect other calls."""

    def test_calls_whose_futures_nobody_kept_end_before_the_executor_does(self) -> None:
        names = [str(i) for i in range(5)]
        settings = {"py": {"path": [str(Path(__file__).parent)]}}
        with tempfile.TemporaryDirectory() as directory, tenon.Runtime(workers=1, settings=settings) as runtime:
            with tenon.Executor(runtime=runtime) as executor:
                executor.submit(tasks.sleep, 0.2)
                for name in names:
                    executor.submit(tasks.mark, directory, name)
            self.assertEqual(sorted(os.listdir(directory)), names)

    def test_a_callback_that_raises_systemexit_ends_no_other_wait(self) -> None:
        def leave(_: concurrent.futures.Future[Any]) -> None:
            raise SystemExit(3)

        with self.assertLogs("concurrent.futures", "ERROR") as caught:
            first = self.executor.submit(tasks.sleep, 0.1)
            first.add_done_callback(leave)
            second = self.executor.submit(tasks.sleep, 0.2, 7)
            done, _ = concurrent.futures.wait([second], timeout=LONG)
            # The two calls may end in any order.
            deadline = time.monotonic() + LONG
            while not caught.records and time.monotonic() < deadline:
                time.sleep(0.01)
        self.assertEqual([future.result() for future in done], [7])

    def test_a_dict_that_changes_while_it_is_sent_is_refused(self) -> None:
        values: dict[str, Any] = {}
        values.update(a=tasks.Meddler(values), b=2)
        with self.assertRaisesRegex(RuntimeError, "changed while it was sent"):
            self.executor.submit(tasks.same, values)


if __name__ == "__main__":
    unittest.main()

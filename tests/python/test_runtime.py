"""tenon.Runtime: starting, calling, closing, and the information that it provides."""

from __future__ import annotations

import collections
import dataclasses
import gc
import inspect
import os
import pickle
import pydoc
import tempfile
import threading
import time
import types
import unittest
import warnings
import weakref
from pathlib import Path

import tenon
from support import LONG, PLUGINS, TEST_PLUGINS


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=2)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close()

    def test_fields_by_name(self) -> None:
        result = self.rt.call("text.count", path=__file__)
        text = Path(__file__).read_bytes()
        self.assertEqual(result.lines, text.count(b"\n"))
        self.assertEqual(result.size_bytes, len(text))

    def test_every_form_of_an_argument(self) -> None:
        @dataclasses.dataclass
        class Data:
            data: bytes
            origin: str | None = None

        Named = collections.namedtuple("Named", "data origin")
        forms = [
            {"data": b"abc", "origin": "x"}, collections.OrderedDict(data=b"abc", origin="x"),
            types.MappingProxyType({"data": b"abc", "origin": "x"}), collections.ChainMap({"data": b"abc"},
                                                                                          {"origin": "x"}),
            Data(b"abc", "x"), Named(b"abc", "x"),
        ]
        for form in forms:
            with self.subTest(type(form).__name__):
                result = self.rt.call("tenon.echo", form)
                self.assertEqual(result, {"data": b"abc", "origin": "x"})
        table = self.rt.call("tenon.echo", data=b"abc", origin="x")
        for form in (table, bytes(table), bytearray(table), memoryview(table)):
            self.assertEqual(self.rt.call("tenon.echo", form), table)
        self.assertEqual(self.rt.call("tenon.echo"), {"data": None, "origin": None})
        self.assertEqual(self.rt.call("tenon.echo", None, data=b""), {"data": b"", "origin": None})

    def test_results_go_into_further_calls(self) -> None:
        large = self.rt.call("tenon.echo", data=bytes(range(256)) * 8192)
        again = self.rt.call("tenon.echo", large)
        self.assertEqual(again.data, large.data)
        self.assertEqual(self.rt.call("tenon.discard", large), {})

    def test_large_buffers(self) -> None:
        for size in (0, 1, 4095, 65536, 1 << 20, 5_000_001):
            data = os.urandom(size)
            self.assertEqual(bytes(self.rt.call("tenon.echo", data=data).data), data)
            self.assertEqual(bytes(self.rt.call("tenon.echo", {"data": memoryview(data)}).data), data)

    def test_params_among_the_fields(self) -> None:
        with self.assertRaisesRegex(tenon.InvalidArgument,
                                    r"^tenon.fail: 'message' is one of its params; give it as params={'message': ...}$"):
            self.rt.call("tenon.fail", message="no")
        with self.assertRaisesRegex(tenon.InvalidArgument, "has no field 'massage'"):
            self.rt.call("tenon.fail", massage="no")

    def test_params(self) -> None:
        file = {"path": "x", "data": b"b b a\n"}
        words = self.rt.call("text.words", file, params={"ignore_case": False})
        self.assertEqual(words.total, 3)
        with self.assertRaisesRegex(ValueError, "params: text.WordsParams has no field 'ignore_cse'; did you mean"):
            self.rt.call("text.words", file, params={"ignore_cse": False})
        with self.assertRaisesRegex(ValueError, "tenon.echo has no params"):
            self.rt.call("tenon.echo", params={})

    def test_options(self) -> None:
        result = self.rt.call("tenon.echo", data=b"x", timeout=LONG, run_timeout=LONG, queue_timeout=float("inf"),
                              priority=-3, retries=0, affinity="key")
        self.assertEqual(result.data, b"x")
        workers = {self.rt.call("tenon.whoami", affinity="one").worker_id for _ in range(20)}
        self.assertEqual(len(workers), 1)
        for keyword, value in (("timeout", "soon"), ("timeout", []), ("priority", 1.5), ("retries", True),
                               ("affinity", 7)):
            with self.subTest(keyword), self.assertRaisesRegex(TypeError, keyword):
                self.rt.call("tenon.echo", **{keyword: value})
        for keyword, value in (("timeout", -1), ("run_timeout", float("nan")), ("retries", -1), ("retries", 1000),
                               ("priority", 1 << 40)):
            with self.subTest(keyword), self.assertRaisesRegex(ValueError, keyword):
                self.rt.call("tenon.echo", **{keyword: value})

    def test_wrong_calls(self) -> None:
        with self.assertRaises(TypeError):
            self.rt.call()
        with self.assertRaises(TypeError):
            self.rt.call(7)
        with self.assertRaises(TypeError):
            self.rt.call("tenon.echo", b"", b"")
        with self.assertRaisesRegex(LookupError, "did you mean"):
            self.rt.call("tenon.ecko")
        with self.assertRaisesRegex(ValueError, "not both"):
            self.rt.call("tenon.echo", {"data": b""}, data=b"")
        with self.assertRaises(ValueError):
            self.rt.call("tenon.numbers", count=3)
        with self.assertRaises(tenon.Error):
            self.rt.call("tenon.echo", b"not a FlatBuffer at all")

    def test_from_many_threads(self) -> None:
        wrong = []

        def work(number: int) -> None:
            for i in range(200):
                data = b"%d:%d" % (number, i)
                if self.rt.call("tenon.echo", data=data).data != data:
                    wrong.append(data)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        self.assertEqual(wrong, [])

    def test_other_threads_run_while_one_waits(self) -> None:
        future = threading.Thread(target=self.rt.call, args=("tenon.sleep",), kwargs={"duration_ms": 300})
        future.start()
        turns = 0
        while future.is_alive():
            turns += 1
            time.sleep(0.001)
        self.assertGreater(turns, 10)

    def test_a_call_inside_of_encoding_a_call(self) -> None:
        rt = self.rt

        class Nested:
            def __fspath__(self) -> str:
                return rt.call("tenon.echo", data=b"x", origin="inner").origin

        self.assertEqual(rt.call("tenon.echo", data=b"outer", origin=Nested()).origin, "inner")

    def test_map(self) -> None:
        arguments = [{"data": b"%d" % i} for i in range(500)]
        for window in (None, 1, 7, 10_000):
            results = list(self.rt.map("tenon.echo", iter(arguments), window=window))
            self.assertEqual([bytes(r.data) for r in results], [a["data"] for a in arguments])
            found = self.rt.map("tenon.echo", iter(arguments), window=window, ordered=False)
            self.assertEqual(sorted(bytes(r.data) for r in found), sorted(a["data"] for a in arguments))
        self.assertEqual(list(self.rt.map("tenon.echo", [])), [])
        self.assertEqual(list(self.rt.map("tenon.echo", [], ordered=False)), [])

    def test_map_of_endless_input(self) -> None:
        taken = 0

        def endless():
            nonlocal taken
            while True:
                taken += 1
                yield {"data": b"x"}

        for ordered in (True, False):
            taken = 0
            results = self.rt.map("tenon.echo", endless(), window=5, ordered=ordered)
            for _ in range(20):
                next(results)
            results.close()
            self.assertLess(taken, 40)

    def test_map_with_failures(self) -> None:
        bad = [{"data": b"x"}, {"origin": 7}]
        with self.assertRaises(TypeError):
            list(self.rt.map("tenon.echo", bad))
        with self.assertRaises(ZeroDivisionError):
            list(self.rt.map("tenon.echo", (1 // 0 for _ in range(1))))
        failing = [{}, {}, {}]
        outcomes = list(self.rt.map("tenon.fail", failing, params={"message": "no"}, return_exceptions=True))
        self.assertEqual([type(o) for o in outcomes], [tenon.TaskFailed] * 3)
        with self.assertRaises(ValueError):
            self.rt.map("tenon.echo", [], window=0)

    def test_buffers_in_shared_memory(self) -> None:
        for size in (0, 1, 4096, 65_536, 1_000_003):
            buffer = self.rt.buffer(size)
            self.assertEqual(bytes(buffer), bytes(size))
            buffer[:] = os.urandom(size)
            for _ in range(3):  # The first call takes the memory as it is, the others copy it.
                result = self.rt.call("tenon.echo", data=buffer, origin="x" * 100)
                self.assertEqual(result.data, buffer)
            buffer[:] = bytes(size)
            self.assertEqual(bytes(self.rt.call("tenon.echo", {"data": buffer}).data), bytes(size))
        self.assertEqual(len(self.rt.buffer("1 MiB")), 1 << 20)
        with self.assertRaises(ValueError):
            self.rt.buffer(-1)
        with self.assertRaises(tenon.TooLarge):
            self.rt.buffer("3 GiB")

    def test_a_shared_buffer_is_used_in_place(self) -> None:
        memory = self.rt._shared_buffer(200_000, 1)
        view = memoryview(memory)
        self.assertFalse(memory.used)
        for wrong in ({"data": view, "origin": 7}, {"data": view, "nothing": 1}):
            with self.assertRaises(ValueError):
                self.rt.call("tenon.echo", wrong)
        with self.assertRaisesRegex(tenon.TooLarge, "pass a copy"):
            self.rt.call("tenon.echo", data=view, origin="x" * 60_000)
        self.assertEqual(self.rt.call("tenon.echo", data=view[1:]).data, bytes(199_999))
        self.assertFalse(memory.used)
        view[5] = 7
        result = self.rt.call("tenon.echo", data=view, origin="x")
        self.assertTrue(memory.used)
        self.assertEqual((result.data[5], result.origin), (7, "x"))
        view[5] = 8
        self.assertEqual(self.rt.call("tenon.echo", data=view).data[5], 8)

    def test_arrays_in_shared_memory(self) -> None:
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        image = self.rt.array((100, 300, 3))
        self.assertEqual((image.shape, image.dtype, image.sum()), ((100, 300, 3), numpy.dtype("uint8"), 0))
        image[:, 10] = 5
        result = self.rt.call("tenon.echo", data=image)
        numpy.testing.assert_array_equal(result.array("data").reshape(image.shape), image)
        with tenon.Runtime(workers=1, plugin_dirs=[TEST_PLUGINS]) as other:
            numbers = other.array(50_000, "float64")
            numbers[:] = numpy.arange(50_000)
            numpy.testing.assert_array_equal(other.call("types.echo", f64s=numbers).array("f64s"), numbers)
            pixels = self.rt.array(100_000)  # Memory of another runtime is copied.
            pixels[7] = 9
            self.assertEqual(other.call("types.echo", bytes=pixels).bytes[7], 9)
            both = other.array(100_000)
            with self.assertRaisesRegex(tenon.TooLarge, "self.bytes: .* pass a copy"):
                other.call("types.echo", bytes=both, self={"bytes": both})
            both = other.array(100_000)
            result = other.call("types.echo", bytes=both, self={"bytes": both[:1000]})
            self.assertEqual(result["self"].bytes, bytes(1000))
            result = other.call("types.echo", bytes=both, self={"bytes": both})
            self.assertEqual(result.bytes, result["self"].bytes)
        self.assertEqual(numbers[49_999], 49_999)
        self.assertEqual(self.rt.array((0, 5)).shape, (0, 5))
        for shape, dtype in ((-1, "uint8"), (5, "O"), ("x", "uint8")):
            with self.assertRaises((ValueError, TypeError)):
                self.rt.array(shape, dtype)

    def test_task_handles(self) -> None:
        count = self.rt.task("text.count")
        self.assertEqual((count.name, count.kind, count.idempotent), ("text.count", "plain", True))
        self.assertEqual(count.plugin, "text 1.0.0")
        self.assertGreater(count(path=__file__).lines, 10)
        self.assertEqual(count.submit({"path": __file__}).result(LONG), count(path=__file__))
        self.assertEqual(len(list(count.map([{"path": __file__}] * 3))), 3)
        self.assertIn("Counts the lines", count.__doc__)
        self.assertIn("path: string, required", count.__doc__)
        self.assertIn("Params: text.CountParams", count.__doc__)
        signature = inspect.signature(count)
        self.assertIs(signature.parameters["path"].annotation, str)
        self.assertIs(signature.parameters["path"].default, inspect.Parameter.empty)
        self.assertEqual(repr(signature.parameters["size_bytes"].default), "0")
        self.assertIn("text.count", pydoc.render_doc(count))
        self.assertIn("text.count", repr(count))
        with self.assertRaises(LookupError):
            self.rt.task("text.cont")
        self.assertEqual([n.value for n in self.rt.task("tenon.numbers")(count=3)], [0, 1, 2])
        self.assertEqual(self.rt.task("tenon.sum")([{"value": 2}, {"value": 3}]).value, 5)

    def test_what_there_is(self) -> None:
        self.assertIn("text.count", self.rt.tasks())
        plugins = {plugin.name: plugin for plugin in self.rt.plugins()}
        self.assertEqual(plugins["tenon"].version, "1.0.0")
        self.assertIsNone(plugins["tenon"].problem)
        stats = self.rt.stats()
        self.assertEqual(len(stats.workers), 2)
        self.assertGreaterEqual(stats.submitted, stats.succeeded)
        self.assertTrue(all(worker.pid > 0 for worker in stats.workers))


class Starting(unittest.TestCase):
    def test_settings_along_the_schema(self) -> None:
        @dataclasses.dataclass
        class Settings:
            greeting: str
            times: int = 2

        for settings in ({"greeting": "hi", "times": 2}, Settings("hi")):
            with tenon.Runtime(workers=1, plugin_dirs=[TEST_PLUGINS], settings={"types": settings}) as rt:
                self.assertEqual(rt.call("types.greet").text, "hihi")
        for settings, message in (({"types": {"greting": "x"}}, "did you mean 'greeting'"),
                                  ({"types": {"times": -1}}, "settings of types: times: -1 is out of range"),
                                  ({"nothing": {}}, "no usable plugin 'nothing'")):
            with self.assertRaisesRegex(tenon.Error, message):
                tenon.Runtime(workers=1, plugin_dirs=[TEST_PLUGINS], settings=settings)
        with self.assertRaisesRegex(ValueError, "has no settings"):
            tenon.Runtime(workers=1, settings={"text": {}})

    def test_wrong_options(self) -> None:
        for keyword, value, kind in (
                ("workers", -1, ValueError), ("workers", "2", TypeError), ("workers", True, TypeError),
                ("plugin_dirs", 7, TypeError), ("plugin_dirs", [7], TypeError), ("result_arena", "much", ValueError),
                ("result_arena", -5, ValueError), ("result_arena", 1.5, TypeError), ("cancel_grace", -1, ValueError),
                ("cancel_grace", "1", TypeError), ("overflow", "explode", ValueError), ("settings", 7, TypeError),
                ("stall_timeout", float("nan"), ValueError)):
            with self.subTest(keyword=keyword, value=value), self.assertRaisesRegex(kind, keyword):
                tenon.Runtime(**{"workers": 1, keyword: value})
        with self.assertRaises(TypeError):
            tenon.Runtime(wrokers=1)
        with tempfile.TemporaryDirectory() as directory, self.assertRaises(LookupError):
            tenon.Runtime(plugin_dirs=[Path(directory) / "missing"])
        with self.assertRaises(tenon.Unavailable):
            tenon.Runtime(workers=1, worker_executable="/bin/false", start_timeout=LONG)

    def test_sizes_and_durations(self) -> None:
        with tenon.Runtime(workers=1, plugin_dirs=PLUGINS, result_arena="64 MiB", argument_arena="64MB",
                           large_block_cache=0, cancel_grace=0.25, drain_timeout=LONG, stall_timeout=0,
                           limits=tenon.Limits(start_timeout=LONG, memory="8 GiB"),
                           plugin_limits={"text": tenon.Limits(start_timeout=LONG)}, copy_results=True) as rt:
            self.assertEqual(bytes(rt.call("tenon.echo", data=b"x" * 100_000).data), b"x" * 100_000)

    def test_environment_of_workers(self) -> None:
        with tenon.Runtime(workers=2, worker_environment=lambda index: {"DEVICE": str(index)}) as rt:
            seen = set()
            end = time.monotonic() + LONG
            while len(rt.stats().workers) < 2 and time.monotonic() < end:
                time.sleep(0.005)  # A runtime is available with its first worker.
            for worker in rt.stats().workers:
                entries = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
                variables = dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)
                seen.add((variables[b"DEVICE"], variables[b"TENON_WORKER_INDEX"]))
            self.assertEqual(seen, {(b"0", b"0"), (b"1", b"1")})

    def test_recycling(self) -> None:
        with tenon.Runtime(workers=1, recycle_after_calls=5) as rt:
            workers = {rt.call("tenon.whoami").pid for _ in range(20)}
            self.assertGreaterEqual(len(workers), 3)

    def test_queue_that_is_full(self) -> None:
        with tenon.Runtime(workers=1, max_queued_calls=2, overflow="reject") as rt:
            futures = [rt.submit("tenon.sleep", duration_ms=200) for _ in range(6)]
            errors = [future.exception(LONG) for future in futures]
            self.assertIn(tenon.Rejected, {type(error) for error in errors})
        with tenon.Runtime(workers=1, max_queued_calls=2) as rt:
            futures = [rt.submit("tenon.sleep", duration_ms=20) for _ in range(6)]
            self.assertEqual([future.exception(LONG) for future in futures], [None] * 6)
            futures = [rt.submit("tenon.sleep", duration_ms=500) for _ in range(2)]
            with self.assertRaises(TimeoutError):
                rt.call("tenon.echo", queue_timeout=0.05)


class Closing(unittest.TestCase):
    def test_close_drains(self) -> None:
        rt = tenon.Runtime(workers=1)
        futures = [rt.submit("tenon.sleep", duration_ms=20) for _ in range(5)]
        rt.close()
        self.assertEqual([future.exception(0) for future in futures], [None] * 5)
        rt.close()
        self.assertTrue(rt.closed)
        for action in (lambda: rt.call("tenon.echo"), lambda: rt.submit("tenon.echo").result(LONG)):
            with self.assertRaises(RuntimeError) as caught:
                action()
            self.assertIsInstance(caught.exception, tenon.Error)

    def test_close_cancels(self) -> None:
        for how in ("cancel", "kill", "drain_running"):
            with self.subTest(how):
                rt = tenon.Runtime(workers=1, cancel_grace=0.1)
                futures = [rt.submit("tenon.sleep", duration_ms=300) for _ in range(5)]
                rt.close(how)
                self.assertTrue(all(future.done() for future in futures))
                self.assertTrue(futures[-1].cancelled())
        rt = tenon.Runtime(workers=1)
        with self.assertRaises(ValueError):
            rt.close("gently")
        rt.close()

    def test_an_exception_cancels(self) -> None:
        with self.assertRaises(KeyError):
            with tenon.Runtime(workers=1) as rt:
                future = rt.submit("tenon.sleep", duration_ms=60_000)
                raise KeyError
        self.assertTrue(future.done())

    def test_a_dropped_runtime_goes(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rt = tenon.Runtime(workers=1)
            pids = [worker.pid for worker in rt.stats().workers]
            reference = weakref.ref(rt)
            future = rt.submit("tenon.sleep", duration_ms=60_000)
            del rt
            gc.collect()
        self.assertEqual([w.category for w in caught], [ResourceWarning])
        caught.clear()  # The error names its source.
        gc.collect()
        self.assertIsNone(reference())
        self.assertTrue(future.done())
        self.assertFalse(any(Path(f"/proc/{pid}").exists() for pid in pids))

    def test_results_outlive_the_runtime(self) -> None:
        with tenon.Runtime(workers=1) as rt:
            small = rt.call("tenon.echo", data=b"small")
            large = rt.call("tenon.echo", data=b"large" * 100_000)
            future = rt.submit("tenon.echo", data=b"future")
        self.assertEqual(small.data, b"small")
        self.assertEqual(bytes(large.data), b"large" * 100_000)
        self.assertEqual(future.result(0).data, b"future")

    def test_an_instance_without_init(self) -> None:
        rt = tenon.Runtime.__new__(tenon.Runtime)
        self.assertTrue(rt.closed)
        with self.assertRaises(tenon.Unavailable):
            rt.call("tenon.echo")
        with self.assertRaises(TypeError):
            pickle.dumps(rt)

    def test_several_at_once(self) -> None:
        runtimes = [tenon.Runtime(workers=1) for _ in range(4)]
        large = runtimes[0].call("tenon.echo", data=b"x" * 200_000)
        for rt in runtimes:
            self.assertEqual(rt.call("tenon.echo", large).data, large.data)
        for rt in runtimes:
            rt.close()


if __name__ == "__main__":
    unittest.main()

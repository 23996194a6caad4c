"""Sources and reduces: tasks with many results, and tasks with many arguments."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tempfile
import threading
import unittest
import weakref
from pathlib import Path

import tenon
from support import LONG


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=2, cancel_grace=0.1)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close("cancel")

    def test_a_source_is_an_iterator(self) -> None:
        for batch in (1, 3, 64, 10_000):
            numbers = [number.value for number in self.rt.source("tenon.numbers", count=200, first=5, batch=batch)]
            self.assertEqual(numbers, list(range(5, 205)))
        self.assertEqual(list(self.rt.source("tenon.numbers", {"count": 0})), [])
        source = self.rt.source("tenon.numbers", count=2)
        self.assertIs(iter(source), source)
        self.assertEqual(len(list(source)), 2)
        self.assertEqual(list(source), [])

    def test_files_and_lines(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            for name in ("a.txt", "b.txt"):
                Path(directory, name).write_text(f"{name}\n" * 100)
            files = list(self.rt.source("files.walk", root=Path(directory)))
            self.assertEqual([Path(file.path).name for file in files], ["a.txt", "b.txt"])
            lines = [line.text for line in self.rt.source("text.lines", files[0])]
            self.assertEqual(lines, ["a.txt"] * 100)
            lines = list(self.rt.source("text.lines", path=files[0].path, params={"max_line_bytes": 2}))
            self.assertEqual(lines[0].text, "a.")

    def test_endless_sources_are_closed(self) -> None:
        with self.rt.source("tenon.numbers", count=2**60) as source:
            first = [number.value for number in itertools.islice(source, 10)]
        self.assertEqual(first, list(range(10)))
        self.assertEqual(list(source), [])
        self.assertEqual(self.rt.call("tenon.echo", data=b"x").data, b"x")

    def test_checkpoints(self) -> None:
        with self.rt.source("tenon.numbers", count=10, batch=4) as source:
            first = [next(source).value for _ in range(4)]
            checkpoint = source.checkpoint()
        self.assertIsInstance(checkpoint, bytes)
        rest = [n.value for n in self.rt.source("tenon.numbers", count=10, checkpoint=checkpoint)]
        self.assertEqual(first + rest, list(range(10)))
        with self.rt.source("tenon.numbers", count=10, batch=4) as source:
            next(source)
            with self.assertRaisesRegex(ValueError, "3 results of the last batch"):
                source.checkpoint()
        with self.assertRaises(tenon.Error):
            list(self.rt.source("tenon.numbers", count=10, checkpoint=b"nonsense"))

    def test_a_reduce(self) -> None:
        for count in (0, 1, 1000):
            total = self.rt.reduce("tenon.sum", ({"value": n} for n in range(count)), batch=64)
            self.assertEqual(total.value, sum(range(count)))
        total = self.rt.reduce("tenon.sum", self.rt.source("tenon.numbers", count=100))
        self.assertEqual(total.value, sum(range(100)))
        lines = [{"text": "b a b"}, {"text": "c"}]
        words = self.rt.reduce("text.word_count", lines, params={"k": 1})
        self.assertEqual([(w.word, w.count) for w in words.words], [("b", 2)])

    def test_wrong_use(self) -> None:
        for action, message in ((lambda: self.rt.source("text.count", path="x"), "is a plain task; use Runtime.call"),
                                (lambda: self.rt.source("tenon.sum"), "is a reduce; use Runtime.reduce"),
                                (lambda: self.rt.reduce("tenon.numbers", []), "is a source; use Runtime.source"),
                                (lambda: self.rt.source("tenon.numbers", {"count": 1}, count=1), "not both"),
                                (lambda: self.rt.source("tenon.numbers", batch=0), "batch"),
                                (lambda: self.rt.source("tenon.numbers", cont=1), "did you mean 'count'"),
                                (lambda: self.rt.reduce("tenon.sum", [{"valeu": 1}]), "did you mean 'value'")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                action()
        with self.assertRaises(LookupError):
            self.rt.source("tenon.nubmers")
        with self.assertRaises(ZeroDivisionError):
            self.rt.reduce("tenon.sum", (1 // 0 for _ in range(3)))
        with self.assertRaises(LookupError):
            list(self.rt.source("text.lines", path="/does/not/exist"))

    def test_closed_while_a_step_is_under_way(self) -> None:
        rt = tenon.Runtime(workers=1, cancel_grace=0.1)
        self.addCleanup(rt.close, "kill")
        session = rt.source("tenon.numbers", count=9)._session
        session.wait()
        rt.submit("tenon.sleep", duration_ms=3000)  # The step comes after it.
        session.start_next(1)
        closer = threading.Timer(0.3, session.close)
        closer.start()
        with self.assertRaisesRegex(tenon.Unavailable, "closed while this step was under way"):
            session.wait()
        closer.join()
        for action in (session.wait, lambda: session.start_next(1), lambda: session.start_feed([])):
            with self.assertRaisesRegex(tenon.Unavailable, "the session is closed; open another one"):
                action()

    def test_a_cycle_through_a_session_goes(self) -> None:
        rt = tenon.Runtime(workers=1)
        rt.session = rt.source("tenon.numbers", count=9)._session
        rt.close()
        gone = weakref.ref(rt)
        del rt
        gc.collect()
        self.assertIsNone(gone())

    def test_step_timeout(self) -> None:
        source = self.rt.source("tenon.numbers", count=3, step_timeout=LONG)
        self.assertEqual(len(list(source)), 3)

    def test_asynchronous(self) -> None:
        async def main() -> None:
            numbers = [n.value async for n in self.rt.source("tenon.numbers", count=100, batch=7)]
            self.assertEqual(numbers, list(range(100)))
            async with self.rt.source("tenon.numbers", count=2**60) as source:
                async for number in source:
                    if number.value == 5:
                        break
            with self.assertRaises(LookupError):
                async for _ in self.rt.source("text.lines", path="/does/not/exist"):
                    pass
            slow = self.rt.source("tenon.numbers", count=10, interval_ms=60_000)
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(_first(slow), 0.05)

        asyncio.run(main())


async def _first(source: tenon.Source) -> object:
    async for number in source:
        if number.value > 0:
            return number
    return None


if __name__ == "__main__":
    unittest.main()

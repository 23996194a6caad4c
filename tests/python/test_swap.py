"""Hot swap from Python: swap, roll back, generations, events."""

from __future__ import annotations

import shutil
import tempfile
import threading
import unittest
from pathlib import Path

import tenon
from support import LONG, PLUGINS, TEST_PLUGINS


class Swaps(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.plugins = self.directory / "plugins"
        self.plugins.mkdir()
        self.file = self.plugins / "tenon.so"
        shutil.copy(PLUGINS / "tenon.so", self.file)
        self.swap = tenon.HotSwap(store_dir=self.directory / "store",
                                  swaps=tenon.SwapOptions(probation=0))
        self.quick = tenon.SwapOptions(probation=0)

    def change(self) -> None:
        """Gives the plugin file another content: bytes after the end of an ELF file have no effect."""
        content = self.file.read_bytes() + b"another build"
        self.file.unlink()
        self.file.write_bytes(content)

    def test_swap_and_rollback(self) -> None:
        with tenon.Runtime(workers=1, plugin_dirs=self.plugins, hot_swap=self.swap) as rt:
            before = rt.generations()
            self.assertEqual([(g.plugin, g.state) for g in before], [("tenon", "current")])
            echo = rt.task("tenon.echo")
            self.assertEqual(echo(data=b"1").data, b"1")
            self.change()
            report = rt.swap("tenon", self.quick)
            self.assertEqual(report.before.sha256, before[0].sha256)
            self.assertNotEqual(report.now.sha256, report.before.sha256)
            self.assertEqual(report.now.state, "current")
            self.assertEqual(echo(data=b"2").data, b"2")
            back = rt.rollback("tenon", "it was worse")
            self.assertEqual(back.now.sha256, before[0].sha256)
            self.assertEqual(rt.call("tenon.echo", data=b"3").data, b"3")
            self.assertEqual(len({g.sha256 for g in rt.generations()}), 2)
            kinds = [event.kind for event in rt.events(since=0, timeout=0)]
            self.assertIn("switched", kinds)
            self.assertIn("rolled_back", kinds)

    def test_calls_meanwhile(self) -> None:
        with tenon.Runtime(workers=2, plugin_dirs=self.plugins, hot_swap=True) as rt:
            stop = threading.Event()
            wrong: list[object] = []

            def work() -> None:
                number = 0
                while not stop.is_set():
                    number += 1
                    data = b"%d" % number
                    if rt.call("tenon.echo", data=data).data != data:
                        wrong.append(data)

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                for _ in range(3):
                    self.change()
                    rt.swap("tenon", self.quick)
            finally:
                stop.set()
                for thread in threads:
                    thread.join(LONG)
            self.assertEqual(wrong, [])

    def test_events_as_they_come(self) -> None:
        with tenon.Runtime(workers=1, plugin_dirs=self.plugins, hot_swap=self.swap) as rt:
            seen: list[tenon.Event] = []

            def watch() -> None:
                for event in rt.events():
                    seen.append(event)

            watcher = threading.Thread(target=watch)
            watcher.start()
            self.change()
            rt.swap("tenon", self.quick)
        watcher.join(LONG)
        self.assertFalse(watcher.is_alive())
        switched = [event for event in seen if event.kind == "switched"]
        self.assertEqual(len(switched), 1)
        self.assertEqual(switched[0].plugin, "tenon")
        self.assertEqual(list(map(lambda e: e.number, seen)), sorted(e.number for e in seen))

    def test_what_cannot_be(self) -> None:
        with tenon.Runtime(workers=1, plugin_dirs=self.plugins, hot_swap=self.swap) as rt:
            with self.assertRaises(LookupError):
                rt.swap("nothing")
            with self.assertRaises(LookupError):
                rt.rollback("tenon")
            self.file.unlink()
            self.file.write_bytes(b"not a plugin")
            with self.assertRaises(tenon.Error):
                rt.swap("tenon", self.quick)
            shutil.copy(TEST_PLUGINS / "types.so", self.directory / "types.so")
            with self.assertRaises(tenon.Error):
                rt.swap(self.directory / "nowhere.so")
            self.assertEqual(rt.call("tenon.echo", data=b"x").data, b"x")
        with tenon.Runtime(workers=1) as rt:
            with self.assertRaises(NotImplementedError):
                rt.swap("tenon")
            self.assertEqual(rt.generations(), [])
            self.assertEqual(list(rt.events(timeout=0)), [])


if __name__ == "__main__":
    unittest.main()

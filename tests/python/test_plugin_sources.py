"""Plugins in Python that are used as they are: in plugin directories and by swaps."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from packing import PackingTest

import tenon

HELLO = """
    def greet(name: str) -> str:
        return f"{word}, {{name}}"
"""


class Sources(PackingTest):
    def setUp(self) -> None:
        super().setUp()
        before = os.environ.get("XDG_CACHE_HOME")
        self.addCleanup(lambda: os.environ.pop("XDG_CACHE_HOME") if before is None
                        else os.environ.__setitem__("XDG_CACHE_HOME", before))
        os.environ["XDG_CACHE_HOME"] = str(self.directory / "cache")

    def hello(self, word: str, name: str = "hello.py") -> Path:
        return self.write(f"plugins/{name}", HELLO.format(word=word))

    def packed(self) -> list[Path]:  # type: ignore[override]
        return sorted((self.directory / "cache" / "tenon" / "python-plugins").glob("*/*.so"))


class InRuntime(Sources):
    def greet(self) -> str:
        with tenon.Runtime(workers=1, plugin_dirs=self.directory / "plugins") as rt:
            return rt.call("hello.greet", name="you").value  # type: ignore[no-any-return]

    def test_a_directory_of_sources(self) -> None:
        self.hello("Hello")
        self.write("plugins/pack_age/__init__.py", "from .part import VALUE\ndef work() -> int:\n    return VALUE\n")
        self.write("plugins/pack_age/part.py", "VALUE = 7\n")
        self.assertEqual(self.greet(), "Hello, you")
        with tenon.Runtime(workers=1, plugin_dirs=[self.directory / "plugins"]) as rt:
            self.assertEqual(rt.call("pack_age.work").value, 7)
        self.assertEqual([file.name for file in self.packed()], ["hello.so", "pack_age.so"])

    def test_it_is_packed_by_its_content(self) -> None:
        file = self.hello("Hello")
        self.greet()
        packed, = self.packed()
        before = packed.stat().st_mtime_ns, packed.stat().st_ino
        file.touch()
        self.greet()
        self.assertEqual((packed.stat().st_mtime_ns, packed.stat().st_ino), before)
        self.hello("Good evening")
        self.assertEqual(self.greet(), "Good evening, you")
        file.unlink()
        self.hello("Hi", "other.py")
        with tenon.Runtime(workers=1, plugin_dirs=[self.directory / "plugins"]) as rt:
            self.assertEqual([plugin.name for plugin in rt.plugins() if plugin.name in ("hello", "other")], ["other"])
        self.assertEqual([file.name for file in self.packed()], ["other.so"])

    def test_what_is_no_plugin(self) -> None:
        self.hello("Hello")
        self.write("plugins/helper.py", "X = 1\n")
        self.write("plugins/test_hello.py", "raise SystemExit\n")
        with self.assertNoLogs("tenon"):
            self.assertEqual(self.greet(), "Hello, you")
        self.write("plugins/broken.py", "def f(a: int) -> int:\n    return a +\n")
        with self.assertLogs("tenon") as caught:
            self.assertEqual(self.greet(), "Hello, you")
        self.assertIn("broken.py:2: invalid syntax", caught.output[0])

    def test_a_packed_plugin_goes_before_its_source(self) -> None:
        self.run_pack(str(self.hello("Packed")), "-o", str(self.directory / "plugins"))
        self.hello("Source")
        self.assertEqual(self.greet(), "Packed, you")
        self.assertEqual(self.packed(), [])

    def test_a_cache_that_others_can_write_is_refused(self) -> None:
        self.hello("Hello")
        self.greet()
        self.packed()[0].parent.chmod(0o777)
        with self.assertLogs("tenon") as caught, self.assertRaises(tenon.NotFound):
            self.greet()
        self.assertIn("can be written by others", caught.output[0])

    def test_swap(self) -> None:
        file = self.hello("Hello")
        with tenon.Runtime(workers=1, plugin_dirs=[file.parent],
                           hot_swap=tenon.HotSwap(store_dir=self.directory / "store")) as rt:
            self.assertEqual(rt.call("hello.greet", name="you").value, "Hello, you")
            self.hello("Good evening")
            report = rt.swap(file)
            self.assertNotEqual(report.now.sha256, report.before.sha256)
            self.assertEqual(rt.call("hello.greet", name="you").value, "Good evening, you")
            rt.rollback("hello")
            self.assertEqual(rt.call("hello.greet", name="you").value, "Hello, you")
            self.write("plugins/hello.py", "def greet(name: str) -> str:\n    return name +\n")
            with self.assertRaisesRegex(tenon.InvalidArgument, "hello.py:2: invalid syntax"):
                rt.swap(str(file))


if __name__ == "__main__":
    unittest.main()

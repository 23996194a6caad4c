"""Plugins in Python that are used as source files: in plugin directories, by swaps and by the command line."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import weakref
from pathlib import Path

from packing import TENON, TIMEOUT_S, PackingTest

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

    def test_scripts_beside_a_plugin_are_not_run(self) -> None:
        """Not by the program that uses the directory, not even if it is that program."""
        self.hello("Hello")
        self.write("plugins/script.py", "def helper(x):\n    return x\nprint('script', file=open('ran', 'a'))\n")
        main = self.write("plugins/main.py", """
            import pathlib, tenon
            print('main', file=open('ran', 'a'))

            def main() -> None:
                here = pathlib.Path(__file__).parent
                with tenon.Runtime(workers=1, plugin_dirs=[here]) as rt:
                    print(rt.call('hello.greet', name='you').value)

            main()
        """)
        done = subprocess.run([sys.executable, str(main)], cwd=self.directory, env=self.environment, text=True,
                              capture_output=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.stdout, "Hello, you\n")
        self.assertRegex(done.stderr, r"\A.*script.py:1: helper\(\) has no type hints, .*\n\Z")
        self.assertEqual((self.directory / "ran").read_text(), "main\n")

    def test_a_plugin_that_packs_itself_when_it_is_imported(self) -> None:
        file = self.hello("Hello")
        with file.open("a") as stream:
            stream.write("import pathlib, tenon\nprint('imported', file=open('ran', 'a'))\n"
                         "tenon.Runtime(workers=1, plugin_dirs=[pathlib.Path('plugins').absolute()]).close()\n"
                         "from tenon.pack import pack\npack(pathlib.Path('plugins/hello.py').absolute())\n")
        done = self.run_pack("plugins/hello.py")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "it would be packed while .*hello.py is being imported to be packed")
        self.assertEqual((self.directory / "ran").read_text(), "imported\n")

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


class Watched(Sources):
    """A runtime that watches its plugin directories."""

    def start(self, **options: object) -> tenon.Runtime:
        rt = tenon.Runtime(workers=1, plugin_dirs=[self.directory / "plugins"], **options,
                           hot_swap=tenon.HotSwap(store_dir=self.directory / "store", watch=True,
                                                  swaps=tenon.SwapOptions(probation=0)))
        self.addCleanup(rt.close, "kill")
        return rt

    def call_until(self, rt: tenon.Runtime, expected: str, task: str = "hello.greet", **fields: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        said: object = None
        while said != expected:
            self.assertLess(time.monotonic(), deadline, f"{task} still says {said!r}, not {expected!r}")
            try:
                said = rt.call(task, **fields).value
            except tenon.NotFound as error:
                said = error
            time.sleep(0.02)

    def test_sources_that_are_saved_are_swapped_in(self) -> None:
        self.hello("Hello")
        self.write("plugins/parts/__init__.py", "from .words import word\n\ndef say() -> str:\n    return word()\n")
        self.write("plugins/parts/words.py", "def word() -> str:\n    return 'one'\n")
        rt = self.start()
        self.call_until(rt, "Hello, you", name="you")
        self.hello("Good evening")
        self.call_until(rt, "Good evening, you", name="you")
        self.call_until(rt, "one", "parts.say")
        self.write("plugins/parts/words.py", "def word() -> str:\n    return 'two'\n")
        self.call_until(rt, "two", "parts.say")
        self.write("plugins/later.py", "def say() -> str:\n    return 'later'\n")
        self.call_until(rt, "later", "later.say")

    def test_a_source_that_cannot_be_packed_is_reported_and_the_old_one_stays(self) -> None:
        self.hello("Hello")
        rt = self.start()
        with self.assertLogs("tenon", "ERROR") as caught:
            self.write("plugins/hello.py", "def greet(name: str) -> str:\n    return name +\n")
            deadline = time.monotonic() + TIMEOUT_S
            while not any("hello.py:2: invalid syntax" in line for line in caught.output):
                self.assertLess(time.monotonic(), deadline, caught.output)
                time.sleep(0.02)
        self.assertEqual(rt.call("hello.greet", name="you").value, "Hello, you")
        self.hello("Good night")
        self.call_until(rt, "Good night, you", name="you")

    def test_the_watch_ends_with_its_runtime(self) -> None:
        def watches() -> int:
            return sum(thread.name == "tenon-sources" for thread in threading.enumerate())

        self.hello("Hello")
        rt = self.start()
        self.assertEqual(watches(), 1)
        rt.close()
        self.assertEqual(watches(), 0)
        dropped = tenon.Runtime(workers=1, plugin_dirs=[self.directory / "plugins"],
                                hot_swap=tenon.HotSwap(store_dir=self.directory / "store", watch=True))
        gone = weakref.ref(dropped)
        with self.assertWarns(ResourceWarning):
            del dropped
            gc.collect()
        self.assertIsNone(gone())
        deadline = time.monotonic() + TIMEOUT_S
        while watches():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_swap_by_name_takes_what_the_source_holds_now(self) -> None:
        self.hello("Hello")
        with tenon.Runtime(workers=1, plugin_dirs=[self.directory / "plugins"],
                           hot_swap=tenon.HotSwap(store_dir=self.directory / "store")) as rt:
            self.hello("Good evening")
            self.assertEqual(rt.call("hello.greet", name="you").value, "Hello, you")
            rt.swap("hello", tenon.SwapOptions(probation=0))
            self.assertEqual(rt.call("hello.greet", name="you").value, "Good evening, you")
            self.write("plugins/hello.py", "def greet(name: str) -> str:\n    return name +\n")
            with self.assertRaisesRegex(tenon.InvalidArgument, "hello.py:2: invalid syntax"):
                rt.swap("hello")


class OnCommandLine(Sources):
    def test_list_and_call(self) -> None:
        self.hello("Hello")
        self.write("plugins/broken.py", "def f(a) -> int: ...\n")
        said = self.tenon("list", "--plugin-dir", "plugins")
        self.assertIn("hello 1.0.0", said)
        self.assertIn("warning: ", said)
        self.assertIn("broken.py:1: f() has no type hint", said)
        self.hello("Good evening")
        (self.directory / "plugins" / "broken.py").unlink()
        self.assertEqual(json.loads(self.tenon("call", "hello.greet", '{"name": "you"}', "--plugin-dir", "plugins")),
                         {"value": "Good evening, you"})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([str(TENON), *arguments], cwd=self.directory, env=self.environment, text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def end() -> None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT_S)

        self.addCleanup(end)
        return process

    def call_until(self, expected: str, socket: str, task: str = "hello.greet",
                   argument: str = '{"name": "you"}') -> None:
        """Calls a daemon until it returns the expected result."""
        deadline = time.monotonic() + TIMEOUT_S
        said = ""
        while time.monotonic() < deadline:
            done = subprocess.run([str(TENON), "call", task, argument, "--socket", socket],
                                  cwd=self.directory, env=self.environment, text=True, capture_output=True,
                                  timeout=TIMEOUT_S, check=False)
            said = done.stdout + done.stderr
            if done.returncode == 0 and json.loads(done.stdout)["value"] in (expected, f"{expected}, you"):
                return
            time.sleep(0.1)
        self.fail(said)

    def test_serve_and_swap(self) -> None:
        self.hello("Hello")
        self.start("serve", "--plugin-dir", "plugins", "--socket", "a.sock")
        self.call_until("Hello", "a.sock")
        self.hello("Good evening")
        self.tenon("swap", "plugins/hello.py", "--socket", "a.sock")
        self.call_until("Good evening", "a.sock")
        self.write("plugins/hello.py", "def greet(name: str) -> str:\n    return name +\n")
        self.assertIn("hello.py:2: invalid syntax",
                      self.tenon("swap", "plugins/hello.py", "--socket", "a.sock", status=78))

    def test_serve_swaps_sources_that_are_saved(self) -> None:
        self.hello("Hello")
        self.write("plugins/parts/__init__.py", "from .words import word\n\ndef say() -> str:\n    return word()\n")
        self.write("plugins/parts/words.py", "def word() -> str:\n    return 'one'\n")
        self.start("serve", "--plugin-dir", "plugins", "--socket", "w.sock")
        self.call_until("Hello", "w.sock")
        self.hello("Good evening")
        self.call_until("Good evening", "w.sock")
        self.write("plugins/hello.py", "def greet(name: str) -> str:\n    return name +\n")
        self.call_until("Good evening", "w.sock")
        self.hello("Good night")
        self.call_until("Good night", "w.sock")
        self.call_until("one", "w.sock", "parts.say", "{}")
        self.write("plugins/parts/words.py", "def word() -> str:\n    return 'two'\n")
        self.call_until("two", "w.sock", "parts.say", "{}")
        self.write("plugins/later/__init__.py", "def say() -> str:\n    return 'later'\n")
        self.call_until("later", "w.sock", "later.say", "{}")

    def test_dev(self) -> None:
        self.hello("Hello")
        self.start("dev", "plugins/hello.py", "--socket", "b.sock", "--workers", "1")
        self.call_until("Hello", "b.sock")
        self.hello("Good evening")
        self.call_until("Good evening", "b.sock")

    def test_new(self) -> None:
        said = self.tenon("new", "plugin", "greeter", "--lang", "python")
        self.assertIn("greeter/greeter.py", said)
        done = subprocess.run(["/usr/bin/env", "python3", "test_greeter.py"], cwd=self.directory / "greeter", text=True,
                              env=self.environment | {"PATH": f"{Path(os.sys.executable).parent}:/usr/bin:/bin"},
                              capture_output=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.tenon("call", "greeter.greet", '{"name": "you"}', "--plugin-dir", "greeter")),
                         {"value": "Hello, you!"})
        self.tenon("new", "plugin", "greeter", status=2)
        self.tenon("new", "plugin", "Greeter", status=2)
        self.tenon("new", "plugin", "other", "--lang", "cobol", status=2)
        self.assertFalse((self.directory / "other").exists())


@unittest.skipIf(os.environ.get("TENON_TEST_NO_COMPILER"), "asked to build nothing")
class Starts(Sources):
    def test_what_new_writes_builds_tests_and_runs(self) -> None:
        for language, call, expected in (("cpp", ("greet", '{"text": "you"}'), {"text": "Hello, you!"}),
                                         ("c", ("same", '{"data": "aGVsbG8="}'), {"data": "aGVsbG8="})):
            with self.subTest(language):
                name = f"in_{language}"
                self.tenon("new", "plugin", name, "--lang", language)
                build = self.directory / name / "build"
                for command in (["cmake", "-S", name, "-B", str(build), "-G", "Ninja",
                                 f"-Dtenon_DIR={os.environ['TENON_TEST_BUILD']}"],
                                ["cmake", "--build", str(build)],
                                ["ctest", "--test-dir", str(build), "--output-on-failure"]):
                    done = subprocess.run(command, cwd=self.directory, env=self.environment, text=True,
                                          capture_output=True, timeout=10 * TIMEOUT_S, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                said = self.tenon("call", f"{name}.{call[0]}", call[1], "--plugin-dir", str(build / "plugins"))
                self.assertEqual(json.loads(said) | expected, json.loads(said))


if __name__ == "__main__":
    unittest.main()

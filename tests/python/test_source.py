"""tenon.source: functions of __main__, of cells and of other functions are sent as text."""

from __future__ import annotations

import dataclasses
import linecache
import math
import os
import re
import sys
import tempfile
import types
import unittest
from collections import OrderedDict
from pathlib import Path
from typing import Any

import tenon
from support import LONG, run_script
from tenon import _source, _source_store

FACTOR = 3
PATTERN = re.compile("a+", re.IGNORECASE)
NESTED = {"a": [1, (2.5, None)], "b": {1, 2}, "inf": float("inf")}
HANDLE = sys.stderr


@dataclasses.dataclass
class Point:
    x: int

    def scaled(self) -> Point:
        return Point(self.x * FACTOR)


class OtherError(Exception):
    pass


def helper(value: int) -> int:
    return value * FACTOR + len(PATTERN.findall("aa b A"))


square = lambda value: value * value  # noqa: E731


def main_module() -> types.ModuleType:
    """A module __main__ like that of a script, created from this file's text."""
    return sys.modules["__main__"]


def work(number: int, default: int = FACTOR, *, kind: Any = Point) -> Any:
    """Uses the same things as a function of a script."""
    path = os.path.join("a", "b")
    return helper(square(number)) + default, kind(number).scaled(), OrderedDict(pi=math.pi), NESTED, path


def raises() -> None:
    raise OtherError("of main")


def uses_handle() -> None:
    HANDLE.write("x")


def writes_global() -> None:
    global FACTOR
    FACTOR = 4


def takes_point(point: Point) -> int:
    return point.x if isinstance(point, Point) else -1


def cell(number: int, text: str) -> dict[str, Any]:
    """Runs a cell as IPython does, in a separate __main__."""
    name = f"<ipython-input-{number}-0123456789ab>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), scope)
    return scope


@unittest.skipUnless(__name__ == "__main__", "the functions belong to __main__")
class Source(unittest.TestCase):
    executor: tenon.Executor

    @classmethod
    def setUpClass(cls) -> None:
        cls.executor = tenon.Executor(1)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.executor.shutdown()

    def test_without_it_the_error_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(TypeError, r"defined in __main__.*tenon\.source\(helper\)"):
            self.executor.submit(helper, 1)

    def test_with_functions_classes_imports_and_constants(self) -> None:
        result = self.executor.submit(tenon.source(work), 2).result(LONG)
        self.assertEqual(result, work(2))
        self.assertIs(type(result[1]), Point)
        self.assertIs(type(result[2]), OrderedDict)
        self.assertEqual(tenon.source(work)(2), work(2))

    def test_objects_and_errors_of_main(self) -> None:
        self.assertEqual(self.executor.submit(tenon.source(takes_point), tenon.source(Point)(5)).result(LONG), 5)
        with self.assertRaises(OtherError) as caught:
            self.executor.submit(tenon.source(raises)).result(LONG)
        self.assertIn("OtherError('of main')", str(caught.exception.__cause__))

    def test_map(self) -> None:
        self.assertEqual(list(self.executor.map(tenon.source(helper), range(100))), [helper(i) for i in range(100)])

    def test_refusals(self) -> None:
        outer = 5

        def closure(x: int) -> int:
            return x + outer

        for function, words in ((uses_handle, "'HANDLE'.*stays in this process"), (writes_global, "assigns the global"),
                                (closure, "uses outer of the function around it"), (3, "takes a function")):
            with self.subTest(function=function), self.assertRaisesRegex(TypeError, words):
                self.executor.submit(tenon.source(function))  # type: ignore[arg-type]
        scope = {"__name__": "__main__"}
        exec("def unknown(): pass", scope)
        with self.assertRaisesRegex(TypeError, "is not known"):
            self.executor.submit(tenon.source(scope["unknown"]))  # type: ignore[arg-type]
        undefined = cell(90, "def f(): return later()\n")["f"]
        with self.assertRaisesRegex(TypeError, "'later', which is not defined"):
            self.executor.submit(tenon.source(undefined))

    def test_cells_that_run_again(self) -> None:
        scope = cell(1, "OFFSET = 1\ndef work(x):\n    return x + OFFSET\n")
        source = tenon.source(scope["work"])
        self.assertEqual(self.executor.submit(source, 1).result(LONG), 2)
        scope["OFFSET"] = 10
        self.assertEqual(self.executor.submit(source, 1).result(LONG), 11)
        again = cell(2, "def work(x):\n    return -x\n")
        self.assertEqual(self.executor.submit(tenon.source(again["work"]), 1).result(LONG), -1)

    def test_decorated_functions_and_defaults(self) -> None:
        scope = cell(3, "import functools, tenon\n\nBASE = 2\n\n@tenon.source\n@functools.lru_cache(maxsize=BASE)\n"
                        "def work(x, y=BASE):\n    return other(x) + y\n\ndef other(x):\n    return x * 10\n")
        self.assertEqual(self.executor.submit(scope["work"], 1).result(LONG), 12)
        self.assertEqual(scope["work"](1), 12)

    def test_local_function_and_lambda(self) -> None:
        def local(x: int) -> int:
            return x + FACTOR

        self.assertEqual(self.executor.submit(tenon.source(local), 1).result(LONG), 1 + FACTOR)
        self.assertEqual(self.executor.submit(tenon.source(lambda x: x * FACTOR), 2).result(LONG), 2 * FACTOR)
        with self.assertRaisesRegex(TypeError, "tenon.source"):
            self.executor.submit(lambda x: x * FACTOR, 2)
        nested = [lambda x: x + 1, lambda x: [y for y in range(x)], lambda *a, **k: (a, k)]
        self.assertEqual([self.executor.submit(f, 2).result(LONG) for f in nested], [3, [0, 1], ((2,), {})])

    def test_recursion_and_cycles(self) -> None:
        scope = cell(4, "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n"
                        "class A:\n    def other(self): return B()\nclass B:\n    def other(self): return A()\n"
                        "def names(): return type(A().other().other()).__name__\n")
        self.assertTrue(self.executor.submit(tenon.source(scope["even"]), 10).result(LONG))


class Store(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.cache = directory.name
        old = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = self.cache
        self.addCleanup(lambda: os.environ.pop("XDG_CACHE_HOME") if old is None
                        else os.environ.__setitem__("XDG_CACHE_HOME", old))

    def test_same_text_is_the_same_module(self) -> None:
        name = _source_store.write("A = 1\n")
        self.assertEqual(_source_store.write("A = 1\n"), name)
        self.assertNotEqual(_source_store.write("A = 2\n"), name)
        path = _source_store.path_of(name)
        assert path is not None
        self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o777, 0o700)
        self.assertEqual(len(os.listdir(os.path.dirname(path))), 2)

    def test_changed_files_do_not_run(self) -> None:
        name = _source_store.write("A = 3\n")
        path = _source_store.path_of(name)
        assert path is not None
        Path(path).write_text("A = 4\n")
        self.assertIsNone(_source_store.path_of(name))
        self.assertEqual(_source_store.write("A = 3\n"), name)
        self.assertIsNotNone(_source_store.path_of(name))


class Programs(unittest.TestCase):
    def test_command_line(self) -> None:
        done = run_script("-c", "import tenon\nK = 2\ndef f(x): return x * K\n"
                                "with tenon.Executor(1) as ex: print(ex.submit(tenon.source(f), 4).result())")
        self.assertEqual((done.stdout, done.stderr), ("8\n", ""))

    def test_standard_input_says_why_not(self) -> None:
        done = run_script("-", stdin="import tenon\ndef f(x): return x\n"
                                     "with tenon.Executor(1) as ex: ex.submit(tenon.source(f), 4)\n")
        self.assertIn("is not known", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""tenon.pack: what becomes a plugin, what is refused, and the messages."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from packing import PackingTest

import tenon
from tenon.pack import pack


class Schema(PackingTest):
    def schema(self, source: str) -> str:
        path = self.write("sample.py", source)
        pack(path, self.directory, keep_schema=True)
        return (self.directory / "sample.fbs").read_text()

    def test_hints_become_types_and_defaults(self) -> None:
        schema = self.schema('''
            import enum
            from dataclasses import dataclass, field
            from typing import Annotated, Optional
            import tenon

            class Color(enum.Enum):
                RED = 3
                GREEN = 1

            @dataclass
            class Inner:
                """What is inside."""
                at: Annotated[int, tenon.uint16] = 7
                """Where it is."""

            @dataclass
            class Everything:
                whole: int
                real: float = 1.5
                flag: bool = True
                text: str = "a 'b'"
                needed: Annotated[str, "Must be there."] = field(kw_only=True)
                data: bytes = field(kw_only=True)
                some: int | None = None
                maybe: Optional[str] = None
                colors: list[Color] = field(default_factory=list)
                color: Color = Color.GREEN
                inner: Inner | None = None
                inners: list[Inner] = field(default_factory=list)
                narrow: Annotated[float, tenon.float32] = 0.0

            def work(argument: Everything) -> Everything:
                """Works.

                For a long time."""
                return argument
        ''')
        for line in ("whole: int64;", "real: float64 = 1.5;", "flag: bool = true;", "text: string;",
                     "/// Default: \"a 'b'\"", "needed: string (required);", "/// Must be there.",
                     "data: [ubyte] (required);", "some: int64 = null;", "maybe: string;",
                     "colors: [sample.Color];", "color: sample.Color = GREEN;", "inner: sample.Inner;",
                     "inners: [sample.Inner];", "narrow: float32 = 0.0;", "at: uint16 = 7;",
                     "/// Where it is.", "enum Color: int32 { GREEN = 1, RED = 3 }", "/// What is inside.",
                     "/// Works.\n  ///\n  /// For a long time.",
                     "work(sample.Everything): sample.Everything (settings: \"sample.Settings\");"):
            self.assertIn(line, schema)

    def test_parameters_become_tables(self) -> None:
        schema = self.schema('''
            from collections.abc import Iterable, Iterator
            import tenon

            @tenon.task(idempotent=True)
            def add(a: int, b: int = 5, *, scale: float = 1.0) -> float:
                return (a + b) * scale

            @tenon.task
            def count(to: int) -> Iterator[int]:
                yield from range(to)

            @tenon.reduce
            def total(items: Iterable[int]) -> int:
                return sum(items)

            @tenon.task
            def size(file: tenon.File) -> None: ...

            def not_marked(a): ...
        ''')
        for line in ("table AddArgument {\n  a: int64;\n  b: int64 = 5;\n}", "table AddParams {\n  scale: float64 = 1.0;",
                     'add(sample.AddArgument): sample.AddResult (params: "sample.AddParams", '
                     'settings: "sample.Settings", idempotent);',
                     'count(sample.CountArgument): sample.CountResult (streaming: "server");',
                     'total(sample.TotalItem): sample.TotalResult (streaming: "client");',
                     "size(tenon.File): tenon.Empty;"):
            self.assertIn(line, schema)
        self.assertNotIn("not_marked", schema)

    def test_the_settings_of_a_worker_state_are_the_plugins(self) -> None:
        schema = self.schema('''
            from __future__ import annotations
            from dataclasses import dataclass
            import tenon

            @dataclass
            class Options:
                model: str

            @tenon.worker_state
            def state(options: Options) -> object:
                return object()

            def work() -> None: ...
        ''')
        self.assertIn("table Options {\n  /// The Python that runs the plugin.\n  python: PythonEnvironment;\n"
                      "  model: string (required);\n}", schema)
        self.assertIn('work(tenon.Empty): tenon.Empty (settings: "sample.Options");', schema)


class Output(PackingTest):
    SOURCE = "def work(a: int) -> int:\n    return a\n"

    def test_the_same_source_gives_the_same_bytes(self) -> None:
        first = self.packed("same", self.SOURCE, "one").read_bytes()
        other = self.write("elsewhere/same.py", self.SOURCE)
        self.assertEqual(pack(other, self.directory / "two").read_bytes(), first)
        other.write_text(self.SOURCE.replace("return a", "return a + 1"))
        self.assertNotEqual(pack(other, self.directory / "two").read_bytes(), first)

    def test_what_is_mapped_is_replaced_and_not_written_to(self) -> None:
        path = self.packed("same", self.SOURCE)
        with path.open("rb") as mapped:
            before = mapped.read()
            self.packed("same", self.SOURCE.replace("return a", "return -a"))
            mapped.seek(0)
            self.assertEqual(mapped.read(), before)
        self.assertEqual([file.name for file in path.parent.iterdir()], ["same.so"])

    def test_the_module_is_imported_in_a_process_of_its_own(self) -> None:
        path = self.write("loud.py", "print('importing')\nimport sys\nsys.modules['json'] = None\n" + self.SOURCE)
        self.assertEqual(pack(path, self.directory), self.directory / "loud.so")
        import json
        self.assertIsNotNone(json)
        done = self.run_pack("loud.py")
        self.assertEqual(done.stdout, "loud.so\n")

    def test_a_package_is_packed_whole(self) -> None:
        self.write("pack_age/__init__.py", "from .part import VALUE\ndef work() -> int:\n    return VALUE\n")
        self.write("pack_age/part.py", "VALUE = 7\n")
        self.write("pack_age/data.txt", "data")
        self.write("pack_age/__pycache__/part.pyc", "never")
        plugin = pack(self.directory / "pack_age", self.directory).read_bytes()
        self.assertIn(b"pack_age/data.txt", plugin)
        self.assertNotIn(b"part.pyc", plugin)


class Refusals(PackingTest):
    def refused(self, source: str, *expected: str, name: str = "sample.py") -> None:
        path = self.write(name, source)
        with self.assertRaises(tenon.InvalidArgument) as caught:
            pack(path, self.directory)
        for part in expected:
            self.assertIn(part, str(caught.exception))
        self.assertEqual(list(self.directory.glob("*.so")), [])

    def test_missing_hints(self) -> None:
        self.refused("\ndef greet(name, count=3) -> str: ...",
                     "sample.py:2: greet() has no type hint for its parameter 'name'; write name: str", "_")
        self.refused("def greet(name: str, count=3) -> str: ...", "parameter 'count'; write count: int")
        self.refused("def greet(name: str): ...", "greet() has no type hint for its result; write -> ")

    def test_hints_without_a_type(self) -> None:
        self.refused("def f(a: dict[str, int]) -> int: ...", "sample.py:1: f(): parameter 'a' has the hint dict",
                     "write a list of a dataclass")
        self.refused("def f(a: tuple[int, int]) -> int: ...", "tuple", "dataclass")
        self.refused("def f(a: list) -> int: ...", "say of what, as in list[str]")
        self.refused("def f(a: list[bytes]) -> int: ...", "a list of bytes, and a schema has no vectors of vectors")
        self.refused("def f(a: list[int | None]) -> int: ...", "a list with None among its items")
        self.refused("def f(a: int | str) -> int: ...", "a union of several types")
        self.refused("class A: ...\ndef f(a: A) -> int: ...", "make A a dataclass")
        self.refused("def f(a: int) -> object: ...", "f(): the result: its value has the hint object")
        self.refused("def f(a: 'Missing') -> int: ...", "a hint names 'Missing', which the module does not have")
        self.refused("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: set[int]\ndef f(a: A) -> int: ...",
                     "field 'x' of A has the hint set", "write a list")

    def test_signatures_that_no_schema_has(self) -> None:
        self.refused("def f(*a: int) -> int: ...", "f() takes *a, and a schema names each field")
        self.refused("def f(a: int, /) -> int: ...", "before '/'")
        self.refused("async def f(a: int) -> int: ...", "f() is async")
        self.refused("def f(a: int) -> int:\n    yield a", "write -> Iterator[int]")
        self.refused("def f(a: int = None) -> int: ...", "has the default None; write int | None")
        self.refused("def f(table: int) -> int: ...", "it is a word of its language; rename it")
        self.refused("import tenon\n@tenon.reduce\ndef f(a: int) -> int: ...", "f(items: Iterable[int]) -> int")
        self.refused("import tenon\n@tenon.reduce\nclass F: ...", "has no method add()")
        self.refused("from typing import Annotated\nimport tenon\n"
                     "def f(a: Annotated[int, tenon.uint8] = 256) -> int: ...", "not in the range of uint8")

    def test_names_that_collide(self) -> None:
        self.refused("from dataclasses import dataclass\n@dataclass\nclass AddArgument:\n    x: int\n"
                     "def add(a: int, b: AddArgument) -> int: ...", "two types 'AddArgument'", "rename")
        self.refused("def f(a: int) -> int: ...", "'json' is a module of Python's library", name="json.py")
        self.refused("def f(a: int) -> int: ...", "'py' is a plugin of tenon", name="py.py")
        self.refused("def f(a: int) -> int: ...", "cannot name a plugin", name="My-Plugin.py")

    def test_modules_that_cannot_be_imported(self) -> None:
        self.refused("def f(a: int) -> int:\n    return a +\n", "sample.py:2: invalid syntax")
        self.refused("\nimport no_such_module\n", "sample.py:2: there is no module 'no_such_module': install it")
        self.write("helper.py", "")
        self.refused("import helper\n", "it lies beside the plugin", "package")
        self.refused("raise ValueError('no')", "importing the module failed: ValueError: no")
        self.refused("import os\nos._exit(3)", "ended its process (exit status 3)")
        self.refused("X = 1\n", "there is no task in it")
        self.refused("__version__ = '1'\ndef f(a: int) -> int: ...", "__version__ is '1'", "1.2.0")

    def test_an_import_that_hangs(self) -> None:
        path = self.write("sample.py", "import time\ntime.sleep(1000)\n")
        with self.assertRaisesRegex(tenon.InvalidArgument, "takes longer than 0.2 s; move what takes so long into"):
            pack(path, self.directory, import_timeout=0.2)

    def test_files_that_are_not_there(self) -> None:
        for name, expected in (("none.py", "there is no such file"), ("plugin.txt", "not a .py file"),
                               ("empty", "without __init__.py")):
            (self.directory / "empty").mkdir(exist_ok=True)
            (self.directory / "plugin.txt").touch()
            with self.assertRaisesRegex(tenon.InvalidArgument, expected):
                pack(self.directory / name)

    def test_flatc_is_missing(self) -> None:
        path = self.write("sample.py", Output.SOURCE)
        self.addCleanup(os.environ.pop, "TENON_FLATC", None)
        os.environ["TENON_FLATC"] = str(Path(self.directory) / "no-flatc")
        with self.assertRaisesRegex(tenon.NotFound, "flatc.*flatbuffers-compiler"):
            pack(path, self.directory)

    def test_the_command_says_it_in_one_line(self) -> None:
        self.write("sample.py", "def f(a) -> int: ...\n")
        done = self.run_pack("sample.py")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith("error: sample.py:1: f() has no type hint"), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()

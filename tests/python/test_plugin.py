"""Plugins written in Python, used by the command line as any other plugin: in an empty directory, with a daemon."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import unittest
from typing import Any

from packing import TENON, TIMEOUT_S, PackingTest

GREETER = '''
"""Greets people."""
from __future__ import annotations
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated
import tenon

class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"

@dataclass
class Settings:
    greeting: str = "Hello"

@dataclass
class Person:
    name: str
    age: Annotated[int, tenon.uint8] = 0
    mood: Mood = Mood.GLAD
    tags: list[str] = field(default_factory=lambda: ["new"])
    nick: str | None = None
    mentor: Person | None = None

@dataclass
class Greeting:
    text: str
    person: Person | None = None
    scores: list[float] = field(default_factory=list)

made = 0

@tenon.worker_state
def state(settings: Settings) -> list[str]:
    global made
    made += 1
    return [settings.greeting]

@tenon.task(idempotent=True)
def greet(person: Person, *, loud: bool = False) -> Greeting:
    """Greets a person."""
    assert tenon.state(state) is tenon.state(state) and made == 1
    text = f"{tenon.state(state)[0]}, {person.name}!"
    return Greeting(text.upper() if loud else text, person, [1.5, 2])

@tenon.task
def defaults(a: int = 3, text: str = "x", data: bytes = b"y", some: int | None = None, on: bool = True) -> str:
    return repr((a, text, data, some, on))

@tenon.task
def fail(kind: str) -> None:
    if kind == "tenon":
        raise tenon.NotFound("not_found", "there is no such thing; make one")
    raise ValueError(f"bad {kind}")

@tenon.task
def wrong(kind: str) -> Greeting:
    if kind == "class":
        return "text"
    if kind == "range":
        return Greeting("", Person("x", age=256))
    return Greeting("", None, [1.0, "two"])

@tenon.task
def numbers(count: int) -> Iterator[int]:
    try:
        for i in range(count):
            yield i
    finally:
        print("closed")

@tenon.reduce
def total(items: Iterable[int], *, start: int = 0) -> int:
    """Adds numbers."""
    return sum(items, start)

@tenon.reduce
class Longest:
    """Finds the longest name."""
    def __init__(self, *, least: int = 0) -> None:
        self.least = least
        self.best = ""
    def add(self, item: Person) -> None:
        if len(item.name) >= self.least and len(item.name) > len(self.best):
            self.best = item.name
    def result(self) -> str:
        return self.best

@tenon.task
def rename(file: tenon.File) -> tenon.File:
    file.path = file.path.upper()
    return file

@tenon.task
def wait() -> None:
    import time
    while True:
        time.sleep(60)

@tenon.task
def nested(depth: int) -> int:
    # An empty table.
    table = bytes((8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0))
    assert tenon.call("tenon.echo", table) == table
    return len(tenon.call("greeter.defaults", table)) and depth + 1

@tenon.task
def report(steps: int) -> int:
    for step in range(steps):
        tenon.progress(step, steps)
        tenon.check()
    return tenon.current_worker().attempt
'''


class Calls(PackingTest):
    def setUp(self) -> None:
        super().setUp()
        self.packed("greeter", GREETER)

    def call(self, task: str, *arguments: Any, status: int = 0, options: tuple[str, ...] = ()) -> Any:
        texts = [json.dumps(argument) for argument in arguments]
        output = self.tenon("call", task, *texts, "--plugin-dir", "plugins", *options, status=status)
        return output if status else json.loads(output)

    def test_dataclasses_params_settings_and_state(self) -> None:
        person = {"name": "Ada", "age": 36, "mood": "SAD", "tags": ["a", "b"], "mentor": {"name": "Mary", "tags": []}}
        result = self.call("greeter.greet", person, options=(
            "--params", '{"loud": true}', "--settings", '{"greeting": "Moin"}'))
        self.assertEqual(result["text"], "MOIN, ADA!")
        self.assertEqual(result["scores"], [1.5, 2])
        self.assertEqual(result["person"]["mood"], "SAD")
        self.assertEqual(result["person"]["mentor"]["name"], "Mary")
        self.assertEqual(self.call("greeter.greet", {"name": "Bob"})["person"]["tags"], ["new"])

    def test_absent_fields_have_pythons_defaults(self) -> None:
        self.assertEqual(self.call("greeter.defaults", {})["value"], "(3, 'x', b'y', None, True)")
        self.assertEqual(self.call("greeter.defaults", {"text": "", "some": 0, "on": False})["value"],
                         "(3, '', b'y', 0, False)")

    def test_shared_tables(self) -> None:
        result = self.call("greeter.rename", {"path": "a", "size_bytes": 5, "kind": "Link", "data": "AAE="})
        self.assertEqual((result["path"], result["size_bytes"], result["kind"], result["data"]),
                         ("A", 5, "Link", "AAE="))

    def test_sources_and_reduces(self) -> None:
        output = self.tenon("call", "greeter.numbers", '{"count": 1000}', "--plugin-dir", "plugins")
        self.assertEqual([json.loads(line)["value"] for line in output.splitlines()], list(range(1000)))
        self.assertEqual(self.call("greeter.total", *({"value": i} for i in range(200)),
                                   options=("--params", '{"start": 5}')), {"value": 19905})
        self.assertEqual(self.call("greeter.longest", {"name": "Al"}, {"name": "Grace"}), {"value": "Grace"})
        self.assertEqual(self.call("greeter.longest", {"name": "Al"}, options=("--params", '{"least": 3}')),
                         {"value": ""})

    def test_exceptions_are_errors_with_type_and_line(self) -> None:
        output = self.call("greeter.fail", {"kind": "value"}, status=1)
        self.assertIn("error: ValueError: bad value", output)
        self.assertIn('File "greeter.so/greeter.py", line', output)
        self.assertIn('raise ValueError(f"bad {kind}")', output)
        output = self.call("greeter.fail", {"kind": "tenon"}, status=1)
        self.assertIn("error: there is no such thing; make one", output)
        self.assertNotIn("Traceback", output)

    def test_wrong_results_say_where(self) -> None:
        for kind, expected in (("class", "result must be Greeting, and is str: 'text'"),
                               ("range", "result.person.age is 256, which is not in the range of uint8"),
                               ("item", "result.scores[1] must be float, and is str: 'two'")):
            self.assertIn(expected, self.call("greeter.wrong", {"kind": kind}, status=1))

    def test_nested_calls_and_progress(self) -> None:
        self.assertEqual(self.call("greeter.nested", {"depth": 1}), {"value": 2})
        self.assertEqual(self.call("greeter.report", {"steps": 100}), {"value": 1})

    def test_a_task_that_sleeps_is_stopped(self) -> None:
        output = self.call("greeter.wait", {}, status=1, options=("--timeout", "500ms"))
        self.assertIn("did not finish within", output)

    def test_list_and_inspect_show_the_documentation(self) -> None:
        listed = self.tenon("list", "--plugin-dir", "plugins")
        self.assertRegex(listed, r"greeter.greet +plain +Greets a person\.")
        self.assertRegex(listed, r"greeter.numbers +source")
        self.assertRegex(listed, r"greeter.total +reduce +Adds numbers\.")
        inspected = self.tenon("inspect", "greeter.greet", "--plugin-dir", "plugins")
        self.assertIn("plain, idempotent", inspected)
        self.assertIn("GLAD, SAD", inspected)

    def test_the_environment_of_the_settings(self) -> None:
        output = self.call("greeter.nested", {"depth": 1}, status=1, options=(
            "--settings", '{"python": {"executable": "/no/such/python"}}'))
        self.assertIn("there is no Python at /no/such/python", output)
        self.packed("uses", "def where() -> str:\n    import only_here\n    return only_here.__file__\n")
        self.write("venv/only_here.py", "")
        found = self.call("uses.where", {}, options=("--settings", json.dumps(
            {"python": {"path": [str(self.directory / "venv")]}})))
        self.assertEqual(found["value"], str(self.directory / "venv" / "only_here.py"))
        self.assertIn("ModuleNotFoundError", self.call("uses.where", {}, status=1))

    def test_a_virtual_environment(self) -> None:
        import venv
        venv.create(self.directory / "venv", with_pip=False, symlinks=True)
        packages = next((self.directory / "venv" / "lib").glob("python3*")) / "site-packages"
        (packages / "only_in_venv.py").write_text("VALUE = 42\n")
        self.packed("uses", "def value() -> int:\n    import only_in_venv\n    return only_in_venv.VALUE\n")
        result = self.call("uses.value", {}, options=("--settings", json.dumps(
            {"python": {"executable": str(self.directory / "venv")}})))
        self.assertEqual(result, {"value": 42})

    def test_the_module_is_the_plugins_own(self) -> None:
        # A module of the same name is where Python searches first.
        self.write("path/own.py", "raise ImportError('the wrong one')")
        self.packed("own", "def name() -> str:\n    import own\n    return own.__file__\n")
        result = self.call("own.name", {}, options=("--settings", json.dumps(
            {"python": {"path": [str(self.directory / "path")]}})))
        self.assertEqual(result, {"value": "own.so/own.py"})

    def test_a_package_with_its_modules_and_data(self) -> None:
        self.write("whole/__init__.py", """
            import pkgutil
            from whole.part import double
            def work(a: int) -> str:
                from . import late
                return f"{double(a)} {late.NAME} {pkgutil.get_data('whole', 'data.txt').decode()}"
        """)
        self.write("whole/part.py", "def double(a):\n    return 2 * a\n")
        self.write("whole/late.py", "NAME = __name__\n")
        self.write("whole/data.txt", "data")
        self.assertEqual(self.run_pack("whole", "-o", "plugins").returncode, 0)
        self.assertEqual(self.call("whole.work", {"a": 4}), {"value": "8 whole.late data"})


class Versions(PackingTest):
    OLD = """
        from dataclasses import dataclass
        __version__ = "1.0.0"

        @dataclass
        class Point:
            x: int
            y: int

        def add(point: Point) -> int:
            return point.x + point.y
    """

    def test_conform_refuses_a_changed_dataclass(self) -> None:
        old = self.packed("points", self.OLD, "old")
        grown = self.packed("points", self.OLD.replace("y: int\n", "y: int\n            z: int = 0\n"), "grown")
        broken = self.packed("points", self.OLD.replace("y: int\n", "y: float\n"), "broken")
        self.tenon("conform", str(old), str(grown))
        output = self.tenon("conform", str(old), str(broken), status=1)
        self.assertIn("points.Point", output)
        self.assertIn("y", output)

    def test_serve_swap_and_rollback(self) -> None:
        self.packed("points", self.OLD)
        socket = str(self.directory / "s")
        ready, writing = os.pipe()
        daemon = subprocess.Popen(
            [str(TENON), "serve", "--socket", socket, "--plugin-dir", "plugins", "--workers", "1", "--store", "store",
             "--no-watch", "--ready-fd", str(writing)], cwd=self.directory, env=self.environment, pass_fds=[writing],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        try:
            with os.fdopen(ready) as stream:
                stream.readline()

            def add() -> int:
                return json.loads(self.tenon("call", "points.add", '{"x": 2, "y": 3}', "--socket", socket))["value"]

            self.assertEqual(add(), 5)
            new = self.packed("points", self.OLD.replace("1.0.0", "1.1.0").replace("x + ", "x * "), "new")
            self.tenon("swap", str(new), "--socket", socket)
            self.assertEqual(add(), 6)
            self.assertIn("1.1.0", self.tenon("generations", "--socket", socket))
            broken = self.packed("points", self.OLD.replace("1.0.0", "1.2.0").replace("y: int\n", "y: str\n"), "broken")
            self.assertIn("points.Point", self.tenon("swap", str(broken), "--socket", socket, status=1))
            self.assertEqual(add(), 6)
            # Packing imports it too, but not in a worker.
            failing = self.packed("points", "import sys\nif '_tenon_worker' in sys.modules:\n"
                                  "    raise OSError('no model')\n"
                                  + textwrap.dedent(self.OLD.replace("1.0.0", "1.3.0")), "failing")
            self.assertIn("init of plugin 'points' failed",
                          self.tenon("swap", str(failing), "--socket", socket, status=1))
            self.assertEqual(add(), 6)
            self.tenon("rollback", "points", "--socket", socket)
            self.assertEqual(add(), 5)
            self.tenon("stop", "--socket", socket)
            log = daemon.communicate(timeout=TIMEOUT_S)[1]
            self.assertIn("OSError: no model", log)
        finally:
            daemon.kill()
            daemon.communicate()

    def test_run_a_pipeline(self) -> None:
        self.packed("stages", """
            from collections.abc import Iterable, Iterator
            import tenon

            @tenon.task
            def count(to: int) -> Iterator[tenon.Number]:
                for value in range(to):
                    yield tenon.Number(value)

            @tenon.task(idempotent=True)
            def square(number: tenon.Number) -> tenon.Number:
                return tenon.Number(number.value ** 2)

            @tenon.reduce
            def total(numbers: Iterable[tenon.Number]) -> tenon.Number:
                return tenon.Number(sum(number.value for number in numbers))

            @tenon.task
            def write(number: tenon.Number, *, path: str) -> None:
                with open(path, "x") as file:
                    file.write(str(number.value))
        """)
        self.write("squares.toml", """
            [pipeline]
            name = "squares"

            [sources.numbers]
            task = "stages.count"
            args = { to = 100 }

            [stages.squares]
            task = "stages.square"
            inputs = ["numbers"]

            [stages.total]
            kind = "reduce"
            task = "stages.total"
            inputs = ["squares"]

            [sinks.written]
            task = "stages.write"
            params = { path = "DIRECTORY/sum.txt" }
            inputs = ["total"]
        """.replace("DIRECTORY", str(self.directory)))
        self.tenon("run", "squares.toml", "--plugin-dir", "plugins")
        self.assertEqual((self.directory / "sum.txt").read_text(), "328350")


if __name__ == "__main__":
    unittest.main()

"""Cases of the plugin `py`, run inside the test program (py_cases_test.cpp), which is their host."""

import contextlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import py_tasks
import _host_test as host

HERE = str(pathlib.Path(__file__).resolve().parent)

try:
    import numpy
except ImportError:
    numpy = None


@contextlib.contextmanager
def started(**options):
    options.setdefault("path", [HERE])
    host.start(**options)
    try:
        yield
    finally:
        host.stop()


def call(function, *args, timeout_ms=0, cancel_after_ms=0, **kwargs):
    name = function if isinstance(function, str) else f"py_tasks:{function.__qualname__}"
    return host.call(name, args, kwargs, timeout_ms=timeout_ms, cancel_after_ms=cancel_after_ms)


def raised(kind, *parts, **options):
    @contextlib.contextmanager
    def manager():
        caught = []
        try:
            yield caught
        except BaseException as error:
            assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
            for part in parts:
                assert part in str(error), f"'{part}' is not in: {error}"
            caught.append(error)
            return
        raise AssertionError(f"nothing was raised instead of {kind.__name__}")
    return manager()


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 30 s")


def calls():
    with started():
        assert call(py_tasks.add, 2, 5) == 7
        assert call(py_tasks.give, 1, "a", k=[2], j=None) == ((1, "a"), {"k": [2], "j": None})
        assert call(py_tasks.give, z=1, a=2) == ((), {"z": 1, "a": 2})
        assert call("builtins:pow", 2, 5) == 32 and call("os.path:join", "a", "b") == "a/b"
        assert call("py_tasks:Class.static", 1) == 2 and call("py_tasks:Class.make", 1) == ("Class", 1)
        for size in (0, 100, 4096, 5_000_000):
            assert call(py_tasks.same, b"x" * size) == b"x" * size
            assert call(py_tasks.same, bytearray(size)) == bytearray(size)
        values = [{"id": i, "name": f"n{i}", "part": [i, i / 3]} for i in range(2000)]
        assert call(py_tasks.same, values) == values
        for i in range(300):
            assert call(py_tasks.add, i, 1) == i + 1
        executable, prefix, base, path, argv = call(py_tasks.interpreter)
        assert executable.startswith("/") and argv in ([], [""]), argv
        assert call(py_tasks.modules, "datetime") is False, "a plain call imports rare types"
        if numpy is not None:
            array = numpy.arange(1_000_000.0)
            got = call(py_tasks.same, array)
            assert (got == array).all() and got.flags.writeable
            # A function may keep and change an argument: it belongs to the worker.
            assert call(py_tasks.keep, array) == array.sum()
            call(py_tasks.same, numpy.zeros(1_000_000))
            assert call(py_tasks.change_kept) == array.sum() + 5


def many():
    with started():
        values, failures = host.call_many("py_tasks:add", [(i, 1) for i in range(1000)], True)
        assert values == [i + 1 for i in range(1000)] and failures == []
        assert host.call_many("py_tasks:add", [], True) == ([], [])
        values, failures = host.call_many("py_tasks:odd", [(i,) for i in range(1, 8)], True)
        assert values == [1, 2] and [(i, type(e), e.args) for i, e in failures] == [(2, ValueError, (3,))]
        values, failures = host.call_many("py_tasks:odd", [(i,) for i in range(1, 8)], False)
        assert values == [1, 2, None, 4, 5, None, 7] and [i for i, _ in failures] == [2, 5]
        values, failures = host.call_many("py_tasks:give_lock", [()] * 3, False)
        assert values == [None] * 3 and "result['a'][1]" in str(failures[0][1])
        values, failures = host.call_many("py_tasks:missing", [()], False)
        assert values == [] and type(failures[0][1]) is AttributeError
        values, failures = host.call_many("py_tasks:same", [(bytes([i]) * 5000,) for i in range(10)], False)
        assert values == [bytes([i]) * 5000 for i in range(10)]


def exceptions():
    with started():
        with raised(ValueError, "wrong") as caught:
            call(py_tasks.fail, ValueError, "wrong", 5)
        assert caught[0].args == ("wrong", 5) and "in fail" in str(caught[0].__cause__)
        with raised(ValueError, "outer") as caught:
            call(py_tasks.fail_chained)
        assert caught[0].__notes__ == ["look here"] and type(caught[0].__cause__) is KeyError
        with raised(ValueError) as caught:
            call(py_tasks.fail, ValueError, b"x" * 100_000, bytearray(5000))
        assert caught[0].args == (b"x" * 100_000, bytearray(5000))
        with raised(FileNotFoundError, "/no/such"):
            call("builtins:open", "/no/such")
        for kind, args in ((SystemExit, (3,)), (KeyboardInterrupt, ()), (StopIteration, (1,)), (MemoryError, ()),
                           (GeneratorExit, ())):
            with raised(kind) as caught:
                call(py_tasks.fail, kind, *args)
            assert caught[0].args == args
        with raised(SystemExit) as caught:
            call(py_tasks.exit_with, 4)
        assert caught[0].code == 4
        with raised(RecursionError):
            call(py_tasks.recurse)
        with raised(MemoryError):
            call(py_tasks.eat_memory)
        import tenon.errors
        with raised(tenon.errors.RemoteError, "hidden class"):
            call(py_tasks.fail_locally)
        with raised(TypeError, "result['a'][1]: a _thread.lock"):
            call(py_tasks.give_lock)
        with raised(TypeError, "missing 1 required positional argument"):
            call(py_tasks.add, 1)
        # It is the same worker, which has survived all of this.
        assert call(py_tasks.add, 1, 2) == 3


def names_that_fail():
    with started():
        with raised(ModuleNotFoundError, "no module 'no_such_module'", HERE, "`path`"):
            call("no_such_module:f")
        with raised(ModuleNotFoundError, "no_such_module_at_all"):
            call("py_broken:f")
        with raised(AttributeError, "has no 'missing'", "py_tasks.py"):
            call("py_tasks:missing")
        with raised(AttributeError, "has no 'Class.missing'"):
            call("py_tasks:Class.missing")
        with raised(TypeError, "cannot be called"):
            call("py_tasks:not_callable")
        for name in ("plain", ":f", "m:", ""):
            with raised(ValueError, "module:function"):
                call(name)


def settings():
    with started(preload=["colorsys"], initializer="py_tasks:initialize", initializer_args=(1, {"a": (2,)}),
                 environment={"TENON_TEST_VARIABLE": "ä b"}):
        assert call(py_tasks.was_initialized) == [(1, {"a": (2,)})]
        assert call(py_tasks.modules, "colorsys")
        assert call(py_tasks.environment, "TENON_TEST_VARIABLE") == "ä b"
        assert call(py_tasks.interpreter)[3][0] == HERE
    for options, part in (({"preload": ["no_such_module"]}, "no_such_module"),
                          ({"initializer": "py_tasks:refuse_to_start"}, "no device"),
                          ({"initializer": "py_tasks:missing"}, "has no 'missing'"),
                          ({"executable": "/no/such/python"}, "there is no Python at /no/such/python"),
                          ({"executable": HERE}, "is not a virtual environment")):
        with started(**options):
            with raised(RuntimeError, part):
                call(py_tasks.add, 1, 2)


def virtual_environment():
    with tempfile.TemporaryDirectory() as directory:
        python = call_base_python(directory)
        site = next(pathlib.Path(directory).glob("venv/lib/python*/site-packages"))
        (site / "only_here.py").write_text("def f():\n    import sys\n    return sys.prefix\n")
        for executable in (f"{directory}/venv", python):
            with started(executable=executable):
                assert call("only_here:f") == f"{directory}/venv"
                assert call(py_tasks.add, 1, 2) == 3
                executable, prefix, base, path, argv = call(py_tasks.interpreter)
                assert prefix != base and executable == python, (prefix, base, executable)
        with started():
            with raised(ModuleNotFoundError, "only_here"):
                call("only_here:f")
        configuration = pathlib.Path(directory) / "venv" / "pyvenv.cfg"
        configuration.write_text(configuration.read_text().replace("version = 3.", "version = 2."))
        with started(executable=f"{directory}/venv"):
            with raised(RuntimeError, "is for Python 2.", "-m venv"):
                call(py_tasks.add, 1, 2)


def call_base_python(directory):
    # Checks the files that make up a virtual environment: ensurepip may not be installed.
    base = pathlib.Path(os.path.realpath(os.environ.get("TENON_TEST_PYTHON", "/usr/bin/python3")))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    root = pathlib.Path(directory) / "venv"
    (root / "bin").mkdir(parents=True)
    (root / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    (root / "bin" / "python").symlink_to(base)
    (root / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {version}.0\n")
    return str(root / "bin" / "python")


def deaths():
    with started(workers=1):
        for how, part in (("exit", "7"), ("abort", "signal 6"), ("segv", "signal 11")):
            with raised(RuntimeError, "crashed", part) as caught:
                call(py_tasks.die, how)
            if how != "exit":
                assert "in die" in str(caught[0]), "the end of stderr shows where the Python code was"
            assert call(py_tasks.add, 1, 2) == 3


def stopping():
    with started(workers=1), tempfile.TemporaryDirectory() as directory:
        call(py_tasks.add, 1, 2)
        pid = call("os:getpid")
        # Each notices the cancel long before the worker would be killed, which is after 10 s.
        for function in (py_tasks.loop, py_tasks.sleep, py_tasks.poll):
            with raised(RuntimeError, "cancelled"):
                call(function, cancel_after_ms=100)
            with raised(RuntimeError, "deadline"):
                call(function, timeout_ms=100)
        file = pathlib.Path(directory) / "cleaned"
        with raised(RuntimeError, "cancelled"):
            call(py_tasks.clean_up, str(file), cancel_after_ms=300)
        assert call("os:getpid") == pid, "the worker was killed instead of interrupted"
        assert file.read_text() == "cleaned"
        with contextlib.suppress(RuntimeError):
            call(py_tasks.swallow, cancel_after_ms=100)
        assert call("os:getpid") == pid
        for i in range(200):
            assert call(py_tasks.add, i, 1) == i + 1


def output():
    with started(workers=1):
        host.log()
        call(py_tasks.talk)
        lines = []

        def all_there():
            lines.extend(host.log())
            return len([line for line in lines if line[0] >= 0]) >= 4

        wait_for(all_there)
        found = {message: (level, source) for level, source, message in lines}
        assert found["printed line"][1] == "stdout", lines
        assert found["to stderr"][1] == "stderr", lines
        assert found["some.part: a warning: ä"] == (2, ""), lines
        assert found["an error"] == (3, ""), lines
        assert not any("not shown" in message for message in found)
    with started(workers=1, log_level="info"):
        call(py_tasks.talk)
        wait_for(lambda: any("not shown" in line[2] for line in host.log()))


def task_functions():
    with started(workers=2):
        seen = {call(py_tasks.worker)[:2] for _ in range(20)}
        assert all(id > 0 and index in (0, 1) for id, index in seen), seen
    with started(workers=1):
        assert call(py_tasks.use_model) == (1, True) and call(py_tasks.use_model) == (1, True)
        call(py_tasks.start_thread)
        before = call(py_tasks.count_ticks)
        wait_for(lambda: call(py_tasks.count_ticks) > before + 5)
        assert call(py_tasks.nested, 20) == 20
        empty = struct.pack("<IHHi", 8, 4, 4, 4)
        assert call(py_tasks.nested_bytes, empty) == empty
        text, task = call(py_tasks.nested_failure)
        assert "no.task" in text and task == "no.task"
        assert "only from the thread" in call(py_tasks.nested_from_thread)[0]


def packages():
    with started(workers=1):
        if numpy is not None:
            assert call("numpy:add", 1, 2) == 3
        for module in ("decimal", "ctypes", "sqlite3", "ssl", "json", "hashlib", "asyncio"):
            assert call("py_tasks:load", module) == module

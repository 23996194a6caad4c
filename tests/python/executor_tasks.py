"""Functions that the tests of tenon.Executor send to workers."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

STATE: dict[str, Any] = {}


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Colour(enum.Enum):
    RED = 1


class Unpicklable(Exception):
    """Cannot be recreated from its arguments, which makes a pool of multiprocessing hang or break."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Tools:
    @staticmethod
    def double(value: int) -> int:
        return value * 2

    @classmethod
    def name(cls) -> str:
        return cls.__name__

    def method(self) -> int:
        return 1


class Meddler:
    """Changes the dict that contains it while it is sent."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __tenon__(self) -> int:
        self.values.pop("b", None)
        self.values["c"] = 99
        return 1

    @classmethod
    def __from_tenon__(cls, data: int) -> int:
        return data


class Interrupting:
    """Presses Ctrl-C when it is first created in the host."""

    made = 0

    def __tenon__(self) -> int:
        return os.getpid()

    @classmethod
    def __from_tenon__(cls, data: int) -> int:
        cls.made += 1
        if cls.made == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return data


def interrupting() -> Interrupting:
    return Interrupting()


def interrupt() -> None:
    raise KeyboardInterrupt("in the task")


@functools.lru_cache
def cached(value: int) -> int:
    return value + 1


def add(x: Any, y: Any = 0, *, scale: int = 1) -> Any:
    return (x + y) * scale


def same(value: Any) -> Any:
    return value


def pid(_: Any = None) -> int:
    return os.getpid()


def sleep(seconds: float, value: Any = None) -> Any:
    time.sleep(seconds)
    return value


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def block_signals_and_sleep(seconds: float) -> None:
    # This represents a busy library: only killing it ends it.
    import ctypes

    with contextlib.suppress(BaseException):
        ctypes.PyDLL(None).sleep(int(seconds))


def fail(kind: str) -> None:
    if kind == "value":
        raise ValueError("wrong", 42)
    if kind == "key":
        raise KeyError("missing")
    if kind == "chain":
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise LookupError("outer") from error
    if kind == "notes":
        error = ValueError("noted")
        error.add_note("a note")
        raise error
    if kind == "unpicklable":
        raise Unpicklable(3, reason="because")
    if kind == "local":

        class Local(Exception):
            pass

        raise Local("of a function")
    if kind == "exit":
        sys.exit(3)
    if kind == "os":
        raise FileNotFoundError(2, "no such file", "x.txt")
    raise AssertionError(kind)


def fail_at(value: int, bad: int) -> int:
    if value == bad:
        raise ValueError(f"bad {value}")
    return value


def lock() -> Any:
    import threading

    return threading.Lock()


def die() -> None:
    os.abort()


def leave(code: int) -> None:
    os._exit(code)


def die_once(marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.write_text("died")
        os.abort()
    return "survived"


def prepare(key: str, value: Any) -> None:
    STATE[key] = value


def state(key: str) -> Any:
    return STATE.get(key)


def broken_initializer() -> None:
    raise ValueError("the model is missing")


def keep(data: bytes, memory: bytearray) -> None:
    memory[-1] = ord("!")
    STATE.setdefault("kept", []).append((data, memory))


def kept() -> list[tuple[bytes, bytes]]:
    return [(data, bytes(memory)) for data, memory in STATE.pop("kept")]


def variable(name: str) -> str | None:
    return os.environ.get(name)


def say(text: str) -> None:
    print(text)


def log(text: str) -> None:
    logging.getLogger("executor_tasks").warning("%s", text)


def mark(directory: str, name: str) -> None:
    (Path(directory) / name).write_text("ran")


def grow(size: int) -> int:
    STATE.setdefault("grown", []).append(bytearray(os.urandom(1) * size))
    return os.getpid()


def nested(values: list[int]) -> list[int]:
    import tenon

    with tenon.Executor(1) as executor:
        return list(executor.map(add, values, values))


def nested_multiprocessing(values: list[int]) -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(abs, values)


def report(total: int) -> int:
    import tenon

    for done in range(total + 1):
        tenon.progress(done, total)
        time.sleep(0.02)
    return total


def thread_name() -> str:
    import threading

    return threading.current_thread().name


def main_file() -> str | None:
    main = sys.modules.get("__main__")
    return getattr(main, "__file__", None)

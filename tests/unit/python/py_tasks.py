"""Functions that the tests of the plugin `py` run in workers."""

import logging
import os
import signal
import sys
import threading
import time

import tenon

calls = 0
initialized = []


def add(a, b):
    return a + b


def give(*args, **kwargs):
    return args, kwargs


def same(value):
    return value


def initialize(*args):
    initialized.append(args)


def refuse_to_start():
    raise RuntimeError("no device")


def was_initialized():
    return initialized


def environment(name):
    return os.environ.get(name)


def interpreter():
    return sys.executable, sys.prefix, sys.base_prefix, sys.path, sys.argv


def modules(name):
    return name in sys.modules


def fail(kind, *args):
    raise kind(*args)


def fail_chained():
    try:
        {}["inner"]
    except KeyError as error:
        failure = ValueError("outer")
        failure.add_note("look here")
        raise failure from error


def fail_locally():
    class Local(Exception):
        pass

    raise Local("hidden class", threading.Lock())


def give_lock():
    return {"a": [1, threading.Lock()]}


def exit_with(code):
    sys.exit(code)


def recurse():
    return recurse()


def eat_memory():
    return bytearray(1 << 60)


def die(how):
    if how == "exit":
        os._exit(7)
    if how == "abort":
        os.abort()
    os.kill(os.getpid(), signal.SIGSEGV)


def loop():
    while True:
        pass


def sleep():
    time.sleep(600)


def clean_up(path):
    try:
        time.sleep(600)
    finally:
        with open(path, "w") as file:
            file.write("cleaned")


def swallow():
    try:
        time.sleep(600)
    except tenon.Cancelled as error:
        return type(error).__name__


def poll():
    while True:
        tenon.check()
        time.sleep(0.001)


def talk():
    print("printed line")
    print("to stderr", file=sys.stderr)
    logging.getLogger("some.part").warning("a warning: %s", "ä")
    logging.error("an error")
    logging.info("not shown unless asked for")


def worker():
    tenon.progress(1, 2)
    tenon.check()
    return tuple(tenon.current_worker())


made = 0


@tenon.worker_state
def model():
    global made
    made += 1
    return threading.Lock()


def use_model():
    with tenon.state(model):
        return made, tenon.state(model) is tenon.state(model)


ticks = 0


def start_thread():
    def tick():
        global ticks
        while True:
            ticks += 1
            time.sleep(0.001)

    threading.Thread(target=tick, daemon=True).start()


def count_ticks():
    return ticks


def nested(depth):
    return depth if depth == 0 else 1 + tenon.call("py_tasks:nested", depth - 1)


def nested_bytes(data):
    return tenon.call("tenon.echo", data)


def nested_failure():
    try:
        tenon.call("no.task", b"")
    except tenon.NotFound as error:
        return str(error), error.task


def nested_from_thread():
    caught = []

    def run():
        try:
            tenon.call("tenon.echo", b"")
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught


def keep(value):
    global kept
    kept = value
    return float(value.sum())


def change_kept():
    kept[0] = 5
    return float(kept.sum())


class Class:
    @staticmethod
    def static(x):
        return x + 1

    @classmethod
    def make(cls, x):
        return cls.__name__, x


not_callable = 5


def odd(i):
    if i % 3 == 0:
        raise ValueError(i)
    return i


def load(name):
    return __import__(name).__name__

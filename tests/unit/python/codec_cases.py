"""Cases of the codec, run inside the test program (codec_cases_test.cpp)."""

import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import ipaddress
import math
import operator
import pathlib
import random
import re
import sys
import tracemalloc
import types
import typing
import uuid
import zoneinfo

import codec_classes as classes
from _codec_test import decode, decode_arguments, decode_calls, encode, encode_arguments, encode_many

try:
    import numpy
except ImportError:
    numpy = None


def back(value, shared=False):
    data, buffers = encode(value)
    return decode(data, buffers, shared)


def same(left, right):
    """Equal in type and value, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right) or left != left and right != right
    if isinstance(left, complex):
        return same(left.real, right.real) and same(left.imag, right.imag)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(a, b) and same(left[a], right[b]) for a, b in zip(left, right))
    if isinstance(left, (set, frozenset)):
        return left == right and sorted(map(repr, left)) == sorted(map(repr, right))
    if dataclasses.is_dataclass(left) and not isinstance(left, type):
        return all(same(getattr(left, f.name, None), getattr(right, f.name, None)) for f in dataclasses.fields(left))
    return left == right


def expect_back(*values):
    for value in values:
        got = back(value)
        assert same(value, got), f"{value!r} came back as {got!r}"


@contextlib.contextmanager
def raises(kind, *parts):
    try:
        yield
    except BaseException as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
        for part in parts:
            assert part in str(error), f"'{part}' is not in: {error}"
        assert not isinstance(error, UnicodeError)
        return
    raise AssertionError(f"nothing was raised instead of {kind.__name__}")


def native_types():
    expect_back(None, True, False, 0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 1e308, 5e-324, 0.1, 3.4e38, 3.5e38)
    expect_back("", "a", "text", "\0", "a\0b", "ä", "日本", "😀", "\ud800", "a\udcffb", "x" * 255, "x" * 256, "x" * 70000)
    expect_back(b"", b"a\0b", bytes(range(256)), b"x" * 5000, bytearray(), bytearray(b"abc"), bytearray(b"x" * 70000))
    expect_back([], [1], [1.5], [True, False], [None], [1, 2.0], [1, True], [[]], [[], [[]]], (), (1,), ((), ((),)))
    expect_back([1] * 300, [1.5] * 300, ["x"] * 70000, list(range(70000)), [2**40, -1], [0.1, 0.5], [[1, 2], [3.0]])
    expect_back(set(), {1}, {1, "a", None, (1, 2)}, frozenset(), frozenset({1, 2.5}), {frozenset()})
    expect_back(1j, complex(-0.0, math.inf), complex(math.nan, 0))
    expect_back(("a", 1, 2.5, None, True, b"x", [1], {"k": (1, 2)}, {1: 2}, {3}))
    nan = float.fromhex("nan")
    assert math.isnan(back([nan, 1.0])[0])


def integers():
    for bits in (0, 1, 7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 1000, 40000):
        for delta in (-1, 0, 1):
            for sign in (1, -1):
                number = sign * (2**bits + delta)
                expect_back(number, [number, 1], [number, None], {"a": number})
    assert back([2**63, 2**64 - 1]) == [2**63, 2**64 - 1]
    assert back([2**64 - 1, -1]) == [2**64 - 1, -1]
    assert type(back([True, 1])[0]) is bool


def dicts():
    expect_back({}, {"a": 1}, {"b": 1, "a": 2}, {"a": 1, "b": 2}, {1: 2}, {"": 0}, {"a\0b": 1}, {"\ud800": 1},
                {None: 1, 2: None, (1, "x"): [1], 1.5: 2, b"k": 3, True: 4}, {"ä": 1, "z": 2, "a": 3})
    expect_back({str(i): i for i in range(1000)}, {f"k{i:04}": i for i in range(1000)}, {i: str(i) for i in range(1000)})
    expect_back([{"id": i, "name": f"n{i}", "value": i * 0.5} for i in range(5000)])
    expect_back([{"b": {"b": i, "a": {"a": 1, "b": 2}}, "a": i} for i in range(100)])
    expect_back([{f"k{i % 50}": i, f"j{i % 7}": 1} for i in range(1000)])
    # Keys that are equal but are not the same object.
    expect_back([{"".join(["k", "ey"]): i, "".join(["a", "b"]): 1} for i in range(100)])
    assert list(back({"z": 1, "a": 2, "m": 3})) == ["z", "a", "m"]
    # Keys that are destroyed while others are created at the same address.
    values = [classes.Holder({f"temporary{i}": i, f"other{i}": 1}) for i in range(300)]
    got = back(values)
    assert [one.data for one in got] == [one.data for one in values]


def rare_types():
    utc = datetime.timezone.utc
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    named = datetime.timezone(datetime.timedelta(hours=-3, microseconds=5), "X")
    for zone in (None, utc, berlin, named, datetime.timezone(datetime.timedelta(minutes=90))):
        for value in (datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=zone), datetime.datetime(1, 1, 1, tzinfo=zone),
                      datetime.datetime(2023, 10, 29, 2, 30, fold=1, tzinfo=zone), datetime.time(1, 2, 3, 4, tzinfo=zone),
                      datetime.time(0, fold=1, tzinfo=zone)):
            got = back(value)
            assert same(value, got) and got.fold == value.fold and repr(got) == repr(value), (value, got)
            if zone is not None and isinstance(value, datetime.datetime):
                assert got.utcoffset() == value.utcoffset() and got.tzname() == value.tzname()
    assert back(berlin) is berlin
    expect_back(datetime.date(2024, 1, 2), datetime.date.min, datetime.date.max, datetime.timedelta(0),
                datetime.timedelta(-1, 2, 3), datetime.timedelta.max, datetime.timedelta.min, utc, named)
    for text in ("0", "-0", "1.50", "1E+1000", "Infinity", "-Infinity", "123456789012345678901234567890.1"):
        assert str(back(decimal.Decimal(text))) == text
    assert back(decimal.Decimal("sNaN12")).is_snan() and str(back(decimal.Decimal("sNaN12"))) == "sNaN12"
    expect_back(fractions.Fraction(1, 3), fractions.Fraction(-10**40, 7), uuid.uuid4(), uuid.UUID(int=0))
    expect_back(pathlib.Path("/a/b"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c:\\x"), pathlib.Path("\udcff"),
                pathlib.Path("."))
    expect_back(range(3), range(1, -10, -2), range(10**30), slice(None), slice(1, 2, None), slice("a", 2.5, [1]))
    expect_back(..., NotImplemented, re.compile("a.b", re.I | re.S), re.compile(b"x"))
    expect_back(collections.deque([1, 2], 5), collections.deque(), collections.Counter("abca"),
                types.SimpleNamespace(a=1, b=[2]))
    got = back(collections.OrderedDict([("b", 1), ("a", 2)]))
    assert type(got) is collections.OrderedDict and list(got) == ["b", "a"]
    got = back(collections.defaultdict(list, a=[1]))
    assert type(got) is collections.defaultdict and got == {"a": [1]} and got["new"] == []
    assert back(collections.defaultdict(None, a=1)).default_factory is None
    assert back(collections.deque([1], 3)).maxlen == 3
    expect_back(*map(ipaddress.ip_address, ("1.2.3.4", "::1", "fe80::1%eth0")), ipaddress.ip_network("10.0.0.0/8"),
                ipaddress.ip_interface("1.2.3.4/24"), ipaddress.ip_network("fe80::/16"))


def classes_and_tuples():
    expect_back(classes.Color.RED, classes.Number.TWO, classes.Perm.R, classes.Perm.R | classes.Perm.W, classes.Perm(0),
                classes.Bits.A | classes.Bits.B, classes.Bits(64), classes.Text.A, classes.Odd.LIST, classes.Color.ALIAS)
    expect_back(re.I | re.S)
    expect_back(classes.Point(1, 2.5), classes.Frozen("a", [1]), classes.Slots(1), classes.FrozenSlots(1, 2),
                classes.Nested(classes.Point(1, 2), [classes.Slots(3)]), classes.Outer.Inner(5), classes.Generic([1]))
    late = classes.Late(3)
    assert same(back(late), late) and back(late).double == 6
    unset = classes.Unset(1)
    assert not hasattr(back(unset), "later") and back(unset).first == 1
    strict = classes.Strict.make(5)
    assert same(back(strict), strict)
    expect_back(classes.Pair(1, "x"), classes.Typed(1), classes.PairChild(1, 2), collections.namedtuple)
    assert type(back(classes.PairChild(1, 2))) is classes.PairChild
    assert back({classes.Color.RED: 1, classes.Pair(1, 2): 2}) == {classes.Color.RED: 1, classes.Pair(1, 2): 2}



def names():
    for thing in (len, math.sin, str, str.upper, int.__add__, dict.fromkeys, classes.Point, classes.function,
                  classes.Outer.Inner, classes.Outer.static, classes.Outer.class_method, classes.Outer.method,
                  operator.add, collections.OrderedDict, functools.partial, type, typing.NamedTuple):
        got = back(thing)
        assert got is thing or got == thing, thing
    partial = functools.partial(pow, 2, mod=7)
    assert back(partial)(5) == partial(5)
    with raises(TypeError, "value[0]: ", "lambda", "tenon.source"):
        encode([lambda: 1])
    def local():
        pass
    with raises(TypeError, "inside a function"):
        encode(local)
    with raises(TypeError, "bound to an object"):
        encode([1].append)
    with raises(TypeError, "bound to an object"):
        encode(classes.Outer().method)
    with raises(TypeError, "another object"):
        encode(classes.replaced_original)
    main = types.FunctionType(local.__code__, {}, "work")
    main.__module__, main.__qualname__ = "__main__", "work"
    with raises(TypeError, "__main__", "tenon.source(work)"):
        encode(main)
    ghost = types.FunctionType(local.__code__, {}, "work")
    ghost.__module__, ghost.__qualname__ = "no_such_module", "work"
    with raises(TypeError, "no_such_module"):
        encode(ghost)


def own_objects():
    expect_back(classes.Money(3, "EUR"), [classes.Money(1, "X")] * 2)
    with raises(TypeError, "value['a'][0]: ", "__from_tenon__"):
        encode({"a": [classes.OnlyThere()]})
    with raises(TypeError, "value[0]", "lock"):
        encode([classes.Holder({"x": __import__("threading").Lock()})])


def exceptions():
    def caught(function):
        try:
            function()
        except BaseException as error:
            return error

    def fail():
        raise classes.Custom(1, "two")

    error = caught(fail)
    error.add_note("a note")
    got = back(error)
    assert type(got) is classes.Custom and got.args == (1, "two") and got.__notes__ == ["a note"]
    assert got.code == 1 and "in fail" in got.remote_traceback and "in fail" in str(got.__cause__)

    def chained():
        try:
            {}["x"]
        except KeyError as error:
            raise ValueError("outer") from error

    got = back(caught(chained))
    assert type(got) is ValueError and type(got.__cause__) is KeyError and got.__cause__.args == ("x",)
    assert "KeyError" in str(got.__cause__.__cause__) and "outer" in str(got.__cause__.__cause__)

    def contextual():
        try:
            {}["x"]
        except KeyError:
            raise ValueError("during")

    got = back(caught(contextual))
    assert type(got.__context__) is KeyError

    got = back(classes.Refuses("a", "b", extra=1))
    assert type(got) is classes.Refuses and got.args == ("a",) and got.extra == 1
    got = back(classes.WithAttributes())
    assert got.items == [1, 2] and got.when == datetime.date(2024, 1, 2)
    # Arguments that are not data become their text; the exception still arrives.
    got = back(ValueError("lock", __import__("threading").Lock(), [lambda: 1]))
    assert type(got) is ValueError and "lock" in got.args[1] and "lambda" in got.args[2][0]
    cycle = []
    cycle.append(cycle)
    assert type(back(ValueError(cycle))) is ValueError
    class Local(Exception):
        pass
    got = back(Local("text"))
    assert type(got).__name__ == "RemoteError" and "Local: text" in str(got) and "top of a module" in got.__notes__[0]
    for error in (OSError(2, "No such file", "/x"), FileNotFoundError(2, "m", "a", None, "b"), KeyError("k"), StopIteration(3),
                  SystemExit(4), KeyboardInterrupt(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), MemoryError(),
                  ImportError("m", name="n", path="p"), AttributeError("a", name="n"), OSError("plain"), RecursionError("r"),
                  AssertionError(), SyntaxError("bad", ("f", 1, 2, "text")), ConnectionResetError(104, "reset"),
                  ZeroDivisionError("z"), asyncio_error()):
        got = back(error)
        assert type(got) is type(error) and got.args == error.args and str(got) == str(error), (error, got)
        for name in ("errno", "filename", "filename2", "value", "code", "name", "path", "lineno", "start"):
            assert getattr(got, name, None) == getattr(error, name, None), (error, name)
    group = ExceptionGroup("several", [ValueError(1), ExceptionGroup("inner", [KeyError(2)])])
    got = back(group)
    assert type(got) is ExceptionGroup and got.message == "several" and got.exceptions[0].args == (1,)
    assert type(got.exceptions[1].exceptions[0]) is KeyError
    bad = classes.BadText()
    assert type(back(bad)) is classes.BadText
    first, second = ValueError(1), KeyError(2)
    first.__context__ = second
    second.__context__ = first
    assert type(back(first)) is ValueError
    assert type(back([ValueError(1)])[0]) is ValueError
    with raises(TypeError, "value[1]: "):
        encode([ValueError(__import__("threading").Lock()), __import__("threading").Lock()])


def asyncio_error():
    import concurrent.futures
    return concurrent.futures.TimeoutError("t")


def buffers():
    for size in (0, 1, 4095, 4096, 4097, 100000):
        raw = random.Random(size).randbytes(size)
        for shared in (False, True):
            for value in (raw, bytearray(raw)):
                got = back(value, shared)
                assert type(got) is type(value) and got == value
            for code in "bBhHiIlLqQfd":
                value = array.array(code)
                value.frombytes(raw[: size // value.itemsize * value.itemsize])
                got = back(value, shared)
                assert type(got) is array.array and got.typecode == code and got.tobytes() == value.tobytes()
            view = memoryview(raw)
            got = back(view, shared)
            assert type(got) is memoryview and got == view and got.readonly
            got = back(memoryview(bytearray(raw)), False)
            assert got == view and not got.readonly
    expect_back(array.array("u", "aä"))
    view = memoryview(array.array("d", range(1200))).cast("B").cast("d", (30, 40))
    got = back(view)
    assert got.shape == (30, 40) and got.format == "d" and got.tolist() == view.tolist()
    assert back(memoryview(b"abcdefgh")[::2]).tobytes() == b"aceg"
    assert back(memoryview(b"12345678").cast("q", ())).shape == ()
    data, held = encode([b"x" * 4096, b"y" * 4095, bytearray(b"z" * 5000)])
    assert [len(one) for one in held] == [4096, 5000]
    with raises(TypeError, "format"):
        encode(classes.odd_view())
    view = memoryview(b"abc")
    view.release()
    with raises(ValueError, "released"):
        encode(view)
    # The memory does not change while it is held.
    kept = bytearray(b"x" * 5000)
    encode([kept])
    kept.append(1)


def arrays():
    if numpy is None:
        return
    np = numpy
    values = [np.arange(6).reshape(2, 3), np.array(5.0), np.zeros((0, 3)), np.zeros((3, 0, 2), "i2"), np.array([]),
              np.array([1 + 2j]), np.array([True, False]), np.array(["a", "bcd"]), np.array([b"x", b"yz"]),
              np.arange(3, dtype=">i4"), np.arange(3, dtype="<u2"), np.array(["2024-01-02", "NaT"], "M8[s]"),
              np.array([1, 2], "m8[ms]"), np.arange(10000.0), np.asfortranarray(np.arange(12).reshape(3, 4)),
              np.asfortranarray(np.arange(10000).reshape(100, 100)), np.arange(100)[::7], np.arange(12).reshape(3, 4)[:, 1:3],
              np.arange(4, dtype="f2"), np.arange(4, dtype=np.longdouble), np.ones((2, 3, 4)).transpose(2, 0, 1),
              np.zeros(3, [("a", "<i4"), ("b", ">f8", (2, 2)), ("c", "S5")]),
              np.zeros(2, np.dtype([("x", "i1"), ("y", "i8")], align=True)), np.zeros(3, "V7"),
              np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i2", "i2"], "offsets": [4, 0], "itemsize": 16})),
              np.zeros(2, [(("title", "n"), "i4")]), np.zeros((2, 2), [("in", [("deep", "f4")])]), np.arange(-5, 5)[::-1]]
    for value in values:
        for shared in (False, True):
            got = back(value, shared)
            assert type(got) is np.ndarray and got.dtype == value.dtype and got.shape == value.shape, (value, got)
            assert got.dtype.isalignedstruct == value.dtype.isalignedstruct and got.tobytes() == value.tobytes()
            if value.flags.f_contiguous and not value.flags.c_contiguous:
                assert got.flags.f_contiguous and not got.flags.c_contiguous
    got = back(np.arange(10000.0))
    got[0] = 5
    assert got.flags.owndata and got.flags.writeable
    got = back(np.arange(10000.0), shared=True)
    assert not got.flags.owndata and not got.flags.writeable and got.sum() == np.arange(10000.0).sum()
    for scalar in (np.float64(1.5), np.float32("nan"), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.str_("aä"),
                   np.bytes_(b"x"), np.datetime64("2024-01-02"), np.timedelta64(5, "ms"), np.complex64(1j), np.str_(""),
                   np.longdouble(1) / 3, np.zeros(1, [("a", "i4"), ("b", "f8")])[0], np.float16(2)):
        got = back(scalar)
        assert type(got) is type(scalar) and got.dtype == scalar.dtype and (got == scalar or scalar != scalar), scalar
    expect_back(np.dtype("f8"), np.dtype([("a", "i4")]))
    assert back(np.add) is np.add and back(np.float64) is np.float64
    with raises(TypeError, "value['x']: ", "tolist()"):
        encode({"x": np.array([object()])})
    with raises(TypeError, "numpy.asarray"):
        encode(np.ma.array([1]))
    with raises(TypeError, "numpy.asarray"):
        encode(np.matrix([[1]]))
    # Hostile descriptions of arrays.
    good, _ = encode(np.arange(3, dtype="<i4"))
    for bad in (b"|O8", b"<i8", b"<q9", b"xxx"):
        with contextlib.suppress(ValueError, TypeError):
            decode(good.replace(b"<i4", bad))
            raise AssertionError(bad)


def refusals():
    import threading
    with raises(TypeError, "argument 2['a'][3]: ", "_thread.lock", "needs no lock"):
        encode_arguments(1, 2, {"a": [0, 1, 2, threading.Lock()]})
    with raises(TypeError, "keyword argument 'k'[0]: "):
        encode_arguments(1, k=[threading.Lock()])
    with raises(TypeError, "result[(1, 2)]: "):
        encode({(1, 2): threading.Lock()}, name="result")
    with raises(TypeError, "a worker could import"):
        encode({lambda: 1: 2})
    with raises(TypeError, "(key "):
        encode({object(): 2})
    with raises(TypeError, "value{"):
        encode({object()})
    with raises(TypeError, "value.x[0]: "):
        encode(classes.Point([object()], 1))
    with raises(TypeError, "value[0].inner.x: "):
        encode([classes.Nested(classes.Point(object(), 1), [])])
    for thing, part in ((object(), "tenon.worker_state"), (sys, "import it in the task"), (iter([]), "list of its elements"),
                        ((i for i in ()), "list of its elements"), (sys.__stderr__, "path or address"),
                        (classes.Plain(), "codec_classes.Plain"), (weakref_proxy(), "not data")):
        with raises(TypeError, "value: ", part):
            encode(thing)
    with raises(TypeError, "dict(it)"):
        encode(collections.defaultdict(lambda: 0))


def weakref_proxy():
    import weakref
    return weakref.ref(classes.function)


def subclasses():
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset):
        made = type("Child", (kind,), {})
        with raises(TypeError, f"is a subclass of {kind.__name__}", f"{kind.__name__}(it)"):
            encode(made())
    with raises(TypeError, "subclass of dict"):
        encode(type("Child", (collections.OrderedDict,), {})())
    with raises(TypeError, "datetime"):
        encode(type("Child", (datetime.datetime,), {"__module__": "datetime"})(2024, 1, 1))
    with raises(TypeError):
        encode(classes.DataList([1]))
    child = classes.PairChild(1, 2)
    child.more = 1
    with raises(TypeError, "beside the fields"):
        encode(child)


def cycles_and_depth():
    cycle = {"a": [1, 2]}
    cycle["a"].append(cycle)
    with raises(ValueError, "argument 0['a'][2] refers back to argument 0:"):
        encode_arguments(cycle)
    inner = []
    inner.append(inner)
    with raises(ValueError, "value['x'][0] refers back to value['x']:"):
        encode({"x": inner})
    point = classes.Point(1, 2)
    point.x = [point]
    with raises(ValueError, "refers back to value"):
        encode(point)
    deep = None
    for _ in range(200):
        deep = [deep]
    assert back(deep) == deep
    with raises(ValueError, "nested deeper than 200"):
        encode([deep])
    many = None
    for _ in range(200):
        many = (many, 2**100, "\ud800")
    assert back(many) == many
    for _ in range(100000):
        deep = [deep]
    with raises(ValueError, "nested deeper"):
        encode(deep)
    while deep is not None:
        deep = deep[0]
    twice = [1]
    assert back([twice, twice]) == [[1], [1]]


def arguments():
    data, names = encode_arguments(1, "a", [2], k=3, a=None)
    assert decode_arguments(data) == (1, "a", [2]) and list(decode(names).items()) == [("k", 3), ("a", None)]
    assert decode_arguments(encode_arguments()[0]) == ()
    assert decode_arguments(encode_arguments(1, 2)[0]) == (1, 2)
    calls = [(i, str(i)) for i in range(1000)] + [(), (1.5, 2.5), ({"a": 1},)] * 3
    assert decode_calls(encode_many(calls)) == calls
    assert decode(encode_many([1, {"a": 1}, {"a": 2}, lambda: 1, "x", [1, [object()]], {"a": 3}])) == [
        1, {"a": 1}, {"a": 2}, "x", {"a": 3}]
    assert decode(encode_many([])) == [] and decode(encode_many([1, 2])) == [1, 2]
    with raises(ValueError):
        decode_calls(encode(5)[0])


def hostile_objects():
    class Boom(Exception):
        pass
    with contextlib.ExitStack() as stack:
        classes.Hook.action = None
        for wrapped in (lambda x: x, lambda x: [x], lambda x: {"k": x}, lambda x: (1, x), lambda x: {"k": {1: [x]}}):
            def boom():
                raise Boom("mine")
            classes.Hook.action = boom
            try:
                encode(wrapped(classes.Hook()))
                raise AssertionError("no error")
            except Boom as error:
                assert str(error) == "mine"
    # The container changes under the encoder.
    items = [classes.Hook(), 1, 2]
    classes.Hook.action = items.clear
    encode(items)
    table = {"a": classes.Hook(), "b": 1}
    classes.Hook.action = table.clear
    with raises(RuntimeError, "changed while it was sent"):
        encode(table)
    table = {"".join(["a", str(i)]): classes.Hook() for i in range(40)}
    def mutate():
        table.clear()
        gc.collect()
        raise ValueError("late")
    classes.Hook.action = mutate
    with raises(ValueError, "late"):
        encode([table])
    pairs = {1: classes.Hook(), 2: classes.Hook()}
    classes.Hook.action = pairs.clear
    encode(pairs)
    nested = [classes.Hook()]
    classes.Hook.action = lambda: encode([{"a": 1}, classes.Money(1, "x")])
    encode(nested)
    classes.Hook.action = lambda: (_ for _ in ()).throw(RecursionError("deep"))
    with raises(RecursionError):
        encode(nested)
    classes.Hook.action = None


def kinds():
    values = [None, 5, 2**70, 1.5, "text", "ä\ud800", b"x" * 10, b"y" * 5000, [1, 2, 3], [1, "a"], (1, (2,)),
              {"a": 1, "b": {"c": [1]}}, {1: 2}, {1, 2}, frozenset("ab"), 1j, bytearray(5), bytearray(5000),
              array.array("d", [1, 2]), memoryview(b"abc"), datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc),
              decimal.Decimal("1.5"), pathlib.Path("/x"), classes.Color.RED, classes.Point(1, 2), classes.Pair(1, 2),
              classes.Money(1, "E"), ValueError("x"), len, functools.partial(len), collections.OrderedDict(a=1)]
    if numpy is not None:
        values += [numpy.arange(10), numpy.arange(10000), numpy.float64(1)]
    return values


def leaks():
    values = kinds()
    bad = [object(), [{"a": object()}], {"x": (1, lambda: 1)}, {object(): 1}, classes.Point(object(), 1)]

    def once(values):
        for value in values:
            back(value)
            back(value, True)
        for value in bad:
            try:
                encode(value)
            except TypeError:
                pass
        for value in values:
            data, held = encode(value)
            for cut in range(0, len(data), 7):
                try:
                    decode(data[:cut], held)
                except Exception:
                    pass

    # Only this list holds these objects, so that their count cannot change for another reason.
    shared = (type(None), int, str, type(len), type(classes.Color.RED))
    own = [value for value in values if not isinstance(value, shared)]
    for _ in range(2):
        once(values)
    gc.collect()
    counts = [sys.getrefcount(value) for value in own]
    grown = []
    # The interpreter's own caches grow for a while; a leak grows in every round. With
    # PYTHONMALLOC=malloc there is no count.
    while not grown or grown[-1] >= 50 and len(grown) < 6:
        blocks = sys.getallocatedblocks()
        for _ in range(20):
            once(values)
        gc.collect()
        grown.append(sys.getallocatedblocks() - blocks)
    now = [sys.getrefcount(value) for value in own]
    assert now == counts, [(i, a, b) for i, (a, b) in enumerate(zip(counts, now)) if a != b]
    assert grown[-1] < 50, grown
    for value in (None, 5, "text", classes.Color.RED, len, True):
        count = sys.getrefcount(value)
        for _ in range(1000):
            back([value, {"k": value}])
        assert abs(sys.getrefcount(value) - count) < 50, value
    keys = [f"key{i}" for i in range(5)]
    table = {key: 1 for key in keys}
    counts = [sys.getrefcount(key) for key in keys]
    for _ in range(100):
        back([table] * 10)
        try:
            encode([table, object()])
        except TypeError:
            pass
    assert [sys.getrefcount(key) for key in keys] == counts
    many_of_each_kind(values, 500)


def many_of_each_kind(values, rounds):
    """Memory stays flat over many encodes and decodes of each kind."""
    tracemalloc.start()
    try:
        for value in values:
            grown = []
            # As above: the first rounds fill caches.
            while not grown or grown[-1] >= 24 * rounds and len(grown) < 5:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
                for _ in range(rounds):
                    back(value)
                gc.collect()
                grown.append(tracemalloc.get_traced_memory()[0] - before)
            assert grown[-1] < 24 * rounds, f"{value!r:.40}: {grown} bytes more after {rounds} rounds"
    finally:
        tracemalloc.stop()


def random_data():
    source = random.Random(20240229)

    def make(depth):
        kind = source.randrange(14 if depth else 9)
        if kind == 0: return None
        if kind == 1: return source.random() < 0.5
        if kind == 2: return source.randint(-2 ** source.randrange(1, 80), 2 ** source.randrange(1, 80))
        if kind == 3: return source.choice([source.random(), float(source.randrange(100)), math.inf, -0.0, 1e300])
        if kind == 4: return "".join(source.choices("abcä日\0\ud800😀", k=source.randrange(10)))
        if kind == 5: return source.randbytes(source.choice([0, 3, 300, 5000]))
        if kind == 6: return "x" * source.choice([0, 255, 256, 65536])
        if kind == 7: return datetime.timedelta(source.randrange(100))
        if kind == 8: return decimal.Decimal(source.randrange(1000)) / 7
        n = source.choice([0, 1, 2, 5, 40])
        if kind == 9: return [make(depth - 1) for _ in range(n)]
        if kind == 10: return tuple(make(depth - 1) for _ in range(n))
        if kind == 11: return {source.choice("abcdefghij") + str(source.randrange(4)): make(depth - 1) for _ in range(n)}
        if kind == 12: return {make(0) if source.random() < 0.5 else i: make(depth - 1) for i in range(n)}
        shape = [source.choice("abcdefghij") for _ in range(3)]
        return [{key: make(depth - 1) for key in shape} for _ in range(n)]

    for _ in range(400):
        value = make(source.randrange(4))
        got = back(value)
        assert same(value, got), (value, got)

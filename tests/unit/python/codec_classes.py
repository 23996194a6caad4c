"""Classes at the top of a module, for codec_cases.py."""

import collections
import ctypes
import dataclasses
import datetime
import enum
import typing


class Color(enum.Enum):
    RED = 1
    ALIAS = 1
    BLUE = "b"


class Number(enum.IntEnum):
    TWO = 2


class Perm(enum.Flag):
    R = 1
    W = 2


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(enum.StrEnum):
    A = "a"


class Odd(enum.Enum):
    LIST = [1, object]


@dataclasses.dataclass
class Point:
    x: object
    y: float


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str
    items: list


@dataclasses.dataclass(slots=True)
class Slots:
    x: int


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    x: int
    y: int


@dataclasses.dataclass
class Nested:
    inner: Point
    more: list


@dataclasses.dataclass
class Late:
    x: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.double = 2 * self.x


@dataclasses.dataclass
class Unset:
    first: int
    later: int = dataclasses.field(init=False)


@dataclasses.dataclass(init=False)
class Strict:
    value: int

    def __init__(self):
        raise RuntimeError("is made by make()")

    @classmethod
    def make(cls, value):
        made = cls.__new__(cls)
        made.value = value
        return made


T = typing.TypeVar("T")


@dataclasses.dataclass
class Generic(typing.Generic[T]):
    items: list[T]


@dataclasses.dataclass
class DataList(list):
    x: int


class Outer:
    @dataclasses.dataclass
    class Inner:
        x: int

    @staticmethod
    def static():
        return 1

    @classmethod
    def class_method(cls):
        return cls

    def method(self):
        return self


Pair = collections.namedtuple("Pair", "a b")


class PairChild(Pair):
    pass


class Typed(typing.NamedTuple):
    x: int
    y: str = "d"


class Plain:
    pass


class Money:
    def __init__(self, amount, currency):
        self.amount, self.currency = amount, currency

    def __eq__(self, other):
        return type(other) is Money and (self.amount, self.currency) == (other.amount, other.currency)

    def __tenon__(self):
        return self.amount, self.currency

    @classmethod
    def __from_tenon__(cls, data):
        return cls(*data)


class Holder:
    def __init__(self, data):
        self.data = data

    def __tenon__(self):
        return dict(self.data)

    @classmethod
    def __from_tenon__(cls, data):
        return cls(data)


class OnlyThere:
    def __tenon__(self):
        return 1


class Hook:
    action = None

    def __tenon__(self):
        if Hook.action is not None:
            Hook.action()
        return 1

    @classmethod
    def __from_tenon__(cls, data):
        return cls()


class Custom(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code


class Refuses(Exception):
    def __init__(self, a, b, *, extra):
        super().__init__(a)
        self.extra = extra


class WithAttributes(Exception):
    def __init__(self):
        super().__init__("fixed")
        self.items = [1, 2]
        self.when = datetime.date(2024, 1, 2)


class BadText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def function():
    return 1


def replaced_original():
    return 1


replaced_original.__qualname__ = "function"


def odd_view():
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]

    return memoryview((Pair * 2)())

"""The Python half of the codec: types that are rarer than those that the C++ half handles.

``encode`` turns an object into a tuple of a tag and its parts, which are encoded in turn; ``decode`` is the inverse.
This module is imported when such an object first occurs. It imports the modules of types only when needed, because an
object can exist only where the module of its type is loaded.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from . import _names

__all__ = ["Refused", "decode", "dtype_from_data", "dtype_to_data", "encode"]


class Refused(TypeError):
    """An object that is not data. The C++ half adds its location."""


# -- encode -----------------------------------------------------------------------------------------------------------

_Parts = tuple[Any, ...]
_BUILTIN_DATA = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)


def encode(thing: Any) -> _Parts:
    """Returns a tuple of the tag and the parts of ``thing``. Raises Refused."""
    kind = type(thing)
    encoder = _ENCODERS.get(f"{kind.__module__}.{kind.__qualname__}")
    # Another class could have the same names.
    if encoder is not None and encoder[0](kind):
        return encoder[1](thing)
    return _encode_by_base(thing, kind)


def _encode_by_base(thing: Any, kind: type) -> _Parts:
    if hasattr(kind, "__tenon__"):
        if not hasattr(kind, "__from_tenon__"):
            raise Refused(
                f"{_names.a(_type_name(kind))} has __tenon__ but no __from_tenon__; add a class method "
                f"__from_tenon__(cls, data) that makes the object again"
            )
        return "object", _name_of_class(kind), thing.__tenon__()
    if isinstance(thing, BaseException):
        return _encode_exception(thing)
    if isinstance(thing, enum.Enum):
        return _encode_enum(thing, kind)
    if isinstance(thing, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType,
                          types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)):
        return "name", _name_of(thing)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(thing, numpy.generic):
            return _encode_numpy_scalar(thing)
        if isinstance(thing, numpy.dtype):
            return "dtype", dtype_to_data(thing)
        if isinstance(thing, numpy.ufunc):
            return "name", _name_of(thing)
        if isinstance(thing, numpy.ndarray):
            raise Refused(
                f"{_names.a(_type_name(kind))} is a subclass of numpy.ndarray and would arrive as a plain array; send "
                f"numpy.asarray(it), and what the subclass adds (a mask, for example) as another argument"
            )
    if dataclasses.is_dataclass(kind):
        return _encode_dataclass(thing, kind)
    if isinstance(thing, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return _encode_namedtuple(thing, kind)
    raise Refused(_why_refused(thing, kind))


def _why_refused(thing: Any, kind: type) -> str:
    name = _type_name(kind)
    for base in _BUILTIN_DATA:
        if isinstance(thing, base):
            return (
                f"{_names.a(name)} is a subclass of {base.__name__}, and what the subclass adds would be lost; send "
                f"{base.__name__}(it), or give the class __tenon__ and __from_tenon__"
            )
    if isinstance(thing, types.ModuleType):
        return f"the module '{thing.__name__}' cannot be sent; send its name, and import it in the task"
    if isinstance(thing, (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)) or (
        hasattr(thing, "__next__") and hasattr(thing, "__iter__") and not hasattr(thing, "fileno")
    ):
        return f"{_names.a(name)} cannot be sent, since it runs in this process; send a list of its elements"
    if hasattr(thing, "fileno") and hasattr(thing, "close"):
        return f"{_names.a(name)} belongs to this process and cannot be sent; send its path or address, and open it in the task"
    if name in ("_thread.lock", "_thread.RLock") or kind.__module__ == "threading":
        return f"{_names.a(name)} belongs to this process and cannot be sent; a worker runs one call at a time and needs no lock"
    if kind.__module__.startswith("datetime"):
        return f"{_names.a(name)} cannot be sent; use datetime.timezone or zoneinfo.ZoneInfo"
    return (
        f"{_names.a(name)} is not data and cannot be sent; send the data that it is made of, make it in the worker "
        f"(tenon.worker_state), or give its class __tenon__ and __from_tenon__"
    )


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _name_of(thing: Any) -> str:
    try:
        return _names.name_of(thing)
    except TypeError as error:
        raise Refused(str(error)) from None


# Classes do not change, so their names are checked once; the cache is small because it keeps them alive.
@functools.lru_cache(maxsize=256)
def _name_of_class(kind: type) -> str:
    return _name_of(kind)


def _encode_enum(thing: enum.Enum, kind: type[enum.Enum]) -> _Parts:
    name = _name_of_class(kind)
    # A combination of flags has only a value, and so has a pseudo-member that `_missing_` created.
    if not isinstance(thing, enum.Flag) and kind.__members__.get(thing.name) is thing:
        return "enum", name, thing.name
    return "flag", name, thing.value


@functools.lru_cache(maxsize=256)
def _dataclass_fields(kind: type) -> tuple[str, tuple[str, ...]]:
    for base in _BUILTIN_DATA:
        if issubclass(kind, base):
            raise Refused(
                f"{_names.a(_type_name(kind))} is a dataclass and {_names.a(base.__name__)} at once; give it __tenon__ and "
                f"__from_tenon__"
            )
    return _name_of(kind), tuple(field.name for field in dataclasses.fields(kind))


def _encode_dataclass(thing: Any, kind: type) -> _Parts:
    name, fields = _dataclass_fields(kind)
    values = {}
    for field in fields:
        try:
            values[field] = getattr(thing, field)
        except AttributeError:
            pass  # A field with init=False that has not been set yet.
    return "dataclass", name, values


def _encode_namedtuple(thing: Any, kind: type) -> _Parts:
    if getattr(thing, "__dict__", None):
        raise Refused(
            f"{_names.a(_type_name(kind))} has attributes beside the fields of its named tuple, which would be lost; give the "
            f"class __tenon__ and __from_tenon__"
        )
    return "namedtuple", _name_of_class(kind), *thing


def _encode_datetime(thing: Any) -> _Parts:
    return "datetime", thing.replace(tzinfo=None).isoformat(), thing.fold, thing.tzinfo


def _encode_time(thing: Any) -> _Parts:
    return "time", thing.replace(tzinfo=None).isoformat(), thing.fold, thing.tzinfo


def _encode_timezone(thing: Any) -> _Parts:
    offset = thing.utcoffset(None)
    # The constructor's second argument is visible only in the state.
    arguments = thing.__getinitargs__()
    return "timezone", offset.days, offset.seconds, offset.microseconds, arguments[1] if len(arguments) > 1 else None


def _encode_zone(thing: Any) -> _Parts:
    if thing.key is None:
        raise Refused("a zoneinfo.ZoneInfo that was read from a file has no key by which another process could find "
                      "it; use zoneinfo.ZoneInfo(key)")
    return "zone", thing.key


def _encode_defaultdict(thing: Any) -> _Parts:
    factory = thing.default_factory
    if factory is not None:
        try:
            _names.name_of(factory)
        except TypeError:
            raise Refused("a collections.defaultdict whose default_factory has no name cannot be sent; send dict(it), or "
                          "use a factory that has one, such as list") from None
    return "defaultdict", factory, dict(thing)


def _encode_partial(thing: Any) -> _Parts:
    if thing.__dict__:
        raise Refused("a functools.partial with attributes of its own cannot be sent")
    return "partial", thing.func, thing.args, thing.keywords


_KIND_OF_PATH = {"PosixPath": "posix", "PurePosixPath": "pure_posix", "PureWindowsPath": "pure_windows",
                 "WindowsPath": "windows"}


def _encode_path(thing: Any) -> _Parts:
    return "path", _KIND_OF_PATH[type(thing).__name__], str(thing)


def _encode_ip(thing: Any) -> _Parts:
    return "ip", type(thing).__name__, str(thing)


def _from(module: str) -> Callable[[type], bool]:
    """Whether a class is the one that the module has under its name."""

    def check(kind: type) -> bool:
        loaded = sys.modules.get(module)
        return getattr(loaded, kind.__name__, None) is kind

    return check


def _always(kind: type) -> bool:
    return True


_Encoder = tuple[Callable[[type], bool], Callable[[Any], _Parts]]

_ENCODERS: dict[str, _Encoder] = {
    "datetime.datetime": (_from("datetime"), _encode_datetime),
    "datetime.date": (_from("datetime"), lambda thing: ("date", thing.isoformat())),
    "datetime.time": (_from("datetime"), _encode_time),
    "datetime.timedelta": (
        _from("datetime"),
        lambda thing: ("timedelta", thing.days, thing.seconds, thing.microseconds),
    ),
    "datetime.timezone": (_from("datetime"), _encode_timezone),
    "zoneinfo.ZoneInfo": (_from("zoneinfo"), _encode_zone),
    "decimal.Decimal": (_from("decimal"), lambda thing: ("decimal", str(thing))),
    "fractions.Fraction": (_from("fractions"), lambda thing: ("fraction", thing.numerator, thing.denominator)),
    "uuid.UUID": (_from("uuid"), lambda thing: ("uuid", thing.bytes)),
    **{f"pathlib.{name}": (_from("pathlib"), _encode_path) for name in _KIND_OF_PATH},
    # From 3.13 on, pathlib is a package.
    **{f"pathlib._local.{name}": (_from("pathlib"), _encode_path) for name in _KIND_OF_PATH},
    "builtins.range": (_always, lambda thing: ("range", thing.start, thing.stop, thing.step)),
    "builtins.slice": (_always, lambda thing: ("slice", thing.start, thing.stop, thing.step)),
    "builtins.ellipsis": (_always, lambda thing: ("constant", "Ellipsis")),
    "builtins.NotImplementedType": (_always, lambda thing: ("constant", "NotImplemented")),
    "collections.OrderedDict": (_from("collections"), lambda thing: ("OrderedDict", dict(thing))),
    "collections.defaultdict": (_from("collections"), _encode_defaultdict),
    "collections.Counter": (_from("collections"), lambda thing: ("Counter", dict(thing))),
    "collections.deque": (_from("collections"), lambda thing: ("deque", thing.maxlen, list(thing))),
    "types.SimpleNamespace": (_from("types"), lambda thing: ("namespace", dict(vars(thing)))),
    "re.Pattern": (_from("re"), lambda thing: ("pattern", thing.pattern, thing.flags)),
    "functools.partial": (_from("functools"), _encode_partial),
    **{
        f"ipaddress.IPv{version}{what}": (_from("ipaddress"), _encode_ip)
        for version in (4, 6)
        for what in ("Address", "Network", "Interface")
    },
}


# -- decode -----------------------------------------------------------------------------------------------------------


def decode(tag: str, parts: tuple[Any, ...]) -> Any:
    """Returns the object of a tag and its parts. Raises ValueError for parts that ``encode`` never returns."""
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise ValueError(f"the data are malformed: there is no type '{tag}'; the other side is of another version")
    return decoder(*parts)


def _class_of(name: str, base: type | None = None) -> type:
    kind = _names.resolve(name)
    if not isinstance(kind, type) or (base is not None and not issubclass(kind, base)):
        what = f"a subclass of {base.__name__}" if base is not None else "a class"
        raise ValueError(f"'{name}' is not {what} here, as it is on the other side; both must run one version of it")
    return kind


def _decode_object(name: str, data: Any) -> Any:
    kind = _class_of(name)
    make = getattr(kind, "__from_tenon__", None)
    if make is None:
        raise ValueError(f"'{name}' has no __from_tenon__ here; both sides must run one version of it")
    return make(data)


def _decode_enum(name: str, member: str) -> Any:
    kind = _class_of(name, enum.Enum)
    try:
        return kind[member]  # type: ignore[index]
    except KeyError:
        raise ValueError(f"'{name}' has no member '{member}' here; both sides must run one version of it") from None


def _decode_flag(name: str, value: Any) -> Any:
    return _class_of(name, enum.Enum)(value)


def _decode_dataclass(name: str, values: dict[str, Any]) -> Any:
    kind = _class_of(name)
    if not dataclasses.is_dataclass(kind):
        raise ValueError(f"'{name}' is not a dataclass here; both sides must run one version of it")
    made: Any = object.__new__(kind)
    rest = dict(values)
    for field in dataclasses.fields(kind):
        if field.name in rest:
            # Created without __init__, which has already run for the object, so that fields without init and frozen
            # classes work too.
            object.__setattr__(made, field.name, rest.pop(field.name))
        elif field.default is not dataclasses.MISSING:
            object.__setattr__(made, field.name, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            object.__setattr__(made, field.name, field.default_factory())
        elif field.init:
            raise ValueError(
                f"the data of a '{name}' have no field '{field.name}', which the class has here; both sides must run "
                f"one version of it (the module has changed, or there are two of its name)"
            )
    if rest:
        raise ValueError(
            f"'{name}' has no field {', '.join(map(repr, rest))} here; both sides must run one version of it (the "
            f"module has changed, or there are two of its name)"
        )
    return made


def _decode_namedtuple(name: str, *values: Any) -> Any:
    kind = _class_of(name, tuple)
    fields = getattr(kind, "_fields", None)
    if not isinstance(fields, tuple) or len(fields) != len(values):
        raise ValueError(f"'{name}' has other fields here; both sides must run one version of it")
    return tuple.__new__(kind, values)


def _decode_datetime(text: str, fold: int, zone: Any) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def _decode_date(text: str) -> Any:
    from datetime import date

    return date.fromisoformat(text)


def _decode_time(text: str, fold: int, zone: Any) -> Any:
    from datetime import time

    return time.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def _decode_timedelta(days: int, seconds: int, microseconds: int) -> Any:
    from datetime import timedelta

    return timedelta(days, seconds, microseconds)


def _decode_timezone(days: int, seconds: int, microseconds: int, name: str | None) -> Any:
    from datetime import timedelta, timezone

    offset = timedelta(days, seconds, microseconds)
    return timezone(offset) if name is None else timezone(offset, name)


def _decode_zone(key: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _decode_decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def _decode_fraction(numerator: int, denominator: int) -> Any:
    from fractions import Fraction

    return Fraction(numerator, denominator)


def _decode_uuid(data: bytes) -> Any:
    from uuid import UUID

    return UUID(bytes=data)


def _decode_path(kind: str, text: str) -> Any:
    import pathlib

    kinds: dict[str, type] = {"posix": pathlib.PosixPath, "pure_posix": pathlib.PurePosixPath,
                              "pure_windows": pathlib.PureWindowsPath, "windows": pathlib.WindowsPath}
    if kind not in kinds:
        raise ValueError(f"the data are malformed: there is no kind of path '{kind}'")
    return kinds[kind](text)


def _decode_constant(name: str) -> Any:
    constants = {"Ellipsis": ..., "NotImplemented": NotImplemented}
    if name not in constants:
        raise ValueError(f"the data are malformed: there is no constant '{name}'")
    return constants[name]


def _decode_ordered_dict(items: dict[Any, Any]) -> Any:
    from collections import OrderedDict

    return OrderedDict(items)


def _decode_defaultdict(factory: Any, items: dict[Any, Any]) -> Any:
    from collections import defaultdict

    return defaultdict(factory, items)


def _decode_counter(items: dict[Any, Any]) -> Any:
    from collections import Counter

    return Counter(items)


def _decode_deque(limit: int | None, items: list[Any]) -> Any:
    from collections import deque

    return deque(items, limit)


def _decode_namespace(items: dict[str, Any]) -> Any:
    return types.SimpleNamespace(**items)


def _decode_pattern(pattern: str | bytes, flags: int) -> Any:
    import re

    return re.compile(pattern, flags)


def _decode_partial(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return functools.partial(function, *arguments, **keywords)


def _decode_ip(kind: str, text: str) -> Any:
    import ipaddress

    if not kind.startswith("IPv") or kind not in ipaddress.__dict__:
        raise ValueError(f"the data are malformed: there is no kind of address '{kind}'")
    return getattr(ipaddress, kind)(text)


# -- numpy ------------------------------------------------------------------------------------------------------------


def dtype_to_data(dtype: Any) -> Any:
    """Converts a dtype to data: its short text if that is complete, otherwise a dict of its parts. Raises Refused."""
    if dtype.hasobject:
        raise Refused("an array of the dtype object holds Python objects and cannot be sent as memory; send its tolist()")
    if type(dtype).__module__.partition(".")[0] != "numpy":
        raise Refused(f"an array of the dtype {dtype} cannot be sent; convert it to a type of numpy with astype()")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": dtype_to_data(base), "shape": list(shape)}
    if dtype.names is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "formats": [dtype_to_data(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def dtype_from_data(data: Any) -> Any:
    """The inverse of ``dtype_to_data``."""
    import numpy

    if isinstance(data, str):
        return numpy.dtype(data)
    if not isinstance(data, dict):
        raise ValueError("the data are malformed: a dtype is a string or a dict")
    if "base" in data:
        return numpy.dtype((dtype_from_data(data["base"]), tuple(data["shape"])))
    form = {
        "names": data["names"],
        "formats": [dtype_from_data(one) for one in data["formats"]],
        "offsets": data["offsets"],
        "itemsize": data["itemsize"],
    }
    if any(title is not None for title in data["titles"]):
        form["titles"] = data["titles"]
    return numpy.dtype(form, align=data["aligned"])  # type: ignore[call-overload]


def _encode_numpy_scalar(thing: Any) -> _Parts:
    return "scalar", dtype_to_data(thing.dtype), thing.tobytes()


def _decode_numpy_scalar(description: Any, data: bytes) -> Any:
    import numpy

    dtype = dtype_from_data(description)
    if dtype.hasobject:
        raise ValueError("the data are malformed: a scalar of objects cannot be sent")
    if dtype.itemsize == 0:
        return dtype.type()
    if len(data) != dtype.itemsize:
        raise ValueError("the data are malformed: a scalar has another size than its type")
    return numpy.frombuffer(data, dtype).copy()[0]


def _decode_dtype(description: Any) -> Any:
    return dtype_from_data(description)


# -- exceptions -------------------------------------------------------------------------------------------------------

_MAX_TRACEBACK = 64 * 1024
_MAX_CHAIN = 16
# Attributes of built-in exceptions beside their arguments.
_BUILTIN_STATE = ((ImportError, ("name", "path")), (NameError, ("name",)), (AttributeError, ("name",)))


class RemoteTraceback(Exception):
    """The traceback of an exception in the process that raised it, as the cause of the exception here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def _remote_traceback(text: str) -> BaseException:
    """Uses the class of the standard library if that is loaded, because some programs access its `tb`."""
    process = sys.modules.get("concurrent.futures.process")
    if process is not None:
        made: BaseException = process._RemoteTraceback(text)
        return made
    return RemoteTraceback(text)


def _encode_exception(error: BaseException, chain: int = 0) -> _Parts:
    kind = type(error)
    try:
        name = _names.name_of(kind)
    except TypeError:
        name = None
    try:
        text = str(error)
    except Exception as failure:
        text = f"<its __str__ raised {type(failure).__name__}>"
    arguments = error.args
    if isinstance(error, OSError) and error.filename is not None and len(arguments) == 2:
        # Its constructor takes the file names, but its args do not contain them.
        more = (error.filename,) if error.filename2 is None else (error.filename, None, error.filename2)
        arguments = (*arguments, *more)
    state = dict(getattr(error, "__dict__", None) or {})
    notes = state.pop("__notes__", [])
    state.pop("remote_traceback", None)
    for base, attributes in _BUILTIN_STATE:
        if isinstance(error, base):
            state.update((one, getattr(error, one)) for one in attributes if getattr(error, one, None) is not None)
    cause, context = error.__cause__, error.__context__
    if isinstance(cause, RemoteTraceback):
        cause = None
    data: dict[str, Any] = {
        "type": name,
        "type_text": _type_name(kind),
        "text": text,
        "args": arguments,
        "state": state,
        "notes": notes,
        "traceback": _traceback_text(error) if chain == 0 else None,
    }
    # An exception that is indirectly its own cause is cut at the limit.
    if chain < _MAX_CHAIN:
        if cause is not None:
            data["cause"] = _Link(cause, chain + 1)
        elif context is not None and not error.__suppress_context__:
            data["context"] = _Link(context, chain + 1)
    return "exception", data


class _Link:
    """An exception of a chain; its traceback is part of that of the first one."""

    def __init__(self, error: BaseException, chain: int) -> None:
        self.error = error
        self.chain = chain


_ENCODERS[f"{__name__}._Link"] = (
    lambda kind: kind is _Link,
    lambda link: _encode_exception(link.error, link.chain),
)


def _traceback_text(error: BaseException) -> str:
    if getattr(error, "remote_traceback", None) is not None and error.__traceback__ is None:
        return str(error.remote_traceback)  # type: ignore[attr-defined]
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception as failure:
        text = f"the traceback could not be made: {type(failure).__name__}: {failure}\n"
    if len(text) > _MAX_TRACEBACK:
        half = _MAX_TRACEBACK // 2
        text = f"{text[:half]}\n... {len(text) - _MAX_TRACEBACK} characters left out ...\n{text[-half:]}"
    return text


def _decode_exception(data: dict[str, Any]) -> BaseException:
    if not isinstance(data, dict) or not isinstance(data.get("args"), (tuple, list)):
        raise ValueError("the data are malformed: an exception has no arguments")
    error = _make_exception(data)
    for note in data.get("notes") or ():
        if isinstance(note, str):
            error.add_note(note)
    text = data.get("traceback")
    if isinstance(text, str):
        try:
            error.remote_traceback = text  # type: ignore[attr-defined]
        except AttributeError:
            pass
    cause, context = data.get("cause"), data.get("context")
    if isinstance(context, BaseException):
        error.__context__ = context
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    if isinstance(text, str):
        # The text shows the whole chain, so it is attached to the last exception of the chain.
        last, steps = error, 0
        while last.__cause__ is not None and steps < 2 * _MAX_CHAIN:
            last, steps = last.__cause__, steps + 1
        last.__cause__ = _remote_traceback(text)
    return error


def _make_exception(data: dict[str, Any]) -> BaseException:
    """Creates the exception with its class, or a RemoteError that names the class and says why it cannot be used."""
    name = data.get("type")
    arguments = tuple(data["args"])
    state = data.get("state") or {}
    if name is None:
        return _remote_error(data, "its class is not at the top of a module")
    try:
        kind = _class_of(name, BaseException)
        error = _new_exception(kind, arguments)
        for key, value in state.items():
            # Attributes of the object, never those that define its class.
            if isinstance(key, str) and not key.startswith("__"):
                setattr(error, key, value)
        return error
    except Exception as failure:
        return _remote_error(data, f"its class cannot be used here: {type(failure).__name__}: {failure}")


def _new_exception(kind: type, arguments: tuple[Any, ...]) -> BaseException:
    """Recreates an exception without running a constructor of user code, which may require other arguments."""
    error: BaseException = kind.__new__(kind, *arguments)
    for base in kind.__mro__:
        if base.__module__ == "builtins" and "__init__" in base.__dict__:
            base.__init__(error, *arguments)  # type: ignore[misc]
            break
    if not isinstance(error, OSError):
        error.args = arguments
    return error


def _remote_error(data: dict[str, Any], why: str) -> BaseException:
    from .errors import RemoteError

    type_name = str(data.get("type_text"))
    error = RemoteError(f"{type_name}: {data.get('text')}", type_name)
    error.add_note(f"the other process raised {type_name}; {why}")
    return error


_DECODERS: dict[str, Callable[..., Any]] = {
    "object": _decode_object,
    "enum": _decode_enum,
    "flag": _decode_flag,
    "dataclass": _decode_dataclass,
    "namedtuple": _decode_namedtuple,
    "name": _names.resolve,
    "datetime": _decode_datetime,
    "date": _decode_date,
    "time": _decode_time,
    "timedelta": _decode_timedelta,
    "timezone": _decode_timezone,
    "zone": _decode_zone,
    "decimal": _decode_decimal,
    "fraction": _decode_fraction,
    "uuid": _decode_uuid,
    "path": _decode_path,
    "range": range,
    "slice": slice,
    "constant": _decode_constant,
    "OrderedDict": _decode_ordered_dict,
    "defaultdict": _decode_defaultdict,
    "Counter": _decode_counter,
    "deque": _decode_deque,
    "namespace": _decode_namespace,
    "pattern": _decode_pattern,
    "partial": _decode_partial,
    "ip": _decode_ip,
    "scalar": _decode_numpy_scalar,
    "dtype": _decode_dtype,
    "exception": _decode_exception,
}

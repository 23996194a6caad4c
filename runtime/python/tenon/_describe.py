"""Describes a module as a plugin: its schema as text, and how its functions are called.

pack runs this in a separate process, because importing a module runs its code: ``python3 -m tenon._describe
FILE_OR_DIRECTORY DESCRIPTOR`` writes JSON to the descriptor.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import json
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import _packed
from ._marks import MARK, Width

__all__ = ["Refused", "describe", "read_files"]

# Words that flatc does not accept as names.
_KEYWORDS = frozenset(
    "attribute bool byte double enum false float float32 float64 inf int int16 int32 int64 int8 include infinity long "
    "namespace nan null root_type rpc_service short string struct table true ubyte uint uint16 uint32 uint64 uint8 "
    "ulong union ushort file_extension file_identifier".split())
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_TASK_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_HINTS = "int, float, bool, str, bytes, list[...], an Enum, a dataclass, or one of these | None"
_ENVIRONMENT = "PythonEnvironment"
_MAX_FILE_BYTES = 16 << 20
_MAX_TASKS = 256


class Refused(Exception):
    """The module cannot become a plugin; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class _Type:
    """A hint as a type of the schema."""

    text: str
    scalar: bool = False
    optional: bool = False
    enum_type: type[enum.Enum] | None = None
    doc: str = ""


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    hint: Any
    default: Any = inspect.Parameter.empty
    made_default: bool = False
    """The default is made by a function, so that no schema can have it."""
    doc: str = ""


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _doc_lines(text: str | None, indent: str = "") -> str:
    lines = inspect.cleandoc(text or "").splitlines()
    return "".join(f"{indent}/// {line}".rstrip() + "\n" for line in lines)


def _same(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


class _Describer:
    def __init__(self, name: str, module: types.ModuleType, shown: str, sources: dict[str, bytes]) -> None:
        self.name = name
        self.module = module
        self.shown = shown
        self.declarations: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        self.tables: dict[str, Any] = {}
        self.enums: dict[str, Any] = {}
        self.tasks: dict[str, Any] = {}
        self.methods: list[str] = []
        self.settings: type | None = None
        self.attribute_docs = _attribute_docs(sources)

    # -- types ---------------------------------------------------------------------------------------------------------

    def type_of(self, hint: Any, where: str) -> _Type:
        """Returns the schema's type for a hint. `where` begins a message: "hello.py:3: parameter 'x' of greet()"."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            inner = self.type_of(arguments[0], where)
            for note in arguments[1:]:
                if isinstance(note, Width):
                    base = inner.text.removeprefix("[").removesuffix("]")
                    fits = {"int64": int, "float64": float}.get(base) if inner.enum_type is None else None
                    if fits is not note.python_type or inner.text.startswith("["):
                        raise Refused(f"{where} is Annotated with {note!r}, which is for {note.python_type.__name__}; "
                                      f"in a list write list[Annotated[{note.python_type.__name__}, {note!r}]]")
                    inner = dataclasses.replace(inner, text=note.name)
                elif isinstance(note, str):
                    inner = dataclasses.replace(inner, doc=note)
            return inner
        if origin in (typing.Union, types.UnionType):
            others = [one for one in arguments if one is not type(None)]
            if len(others) != 1 or len(others) == len(arguments):
                raise Refused(f"{where} is a union of several types, which a schema does not have; write one type, or "
                              f"a dataclass with a field for each, of which one is not None")
            return dataclasses.replace(self.type_of(others[0], where), optional=True)
        plain = {int: _Type("int64", scalar=True), float: _Type("float64", scalar=True),
                 bool: _Type("bool", scalar=True), str: _Type("string"), bytes: _Type("[ubyte]")}
        if isinstance(hint, type) and hint in plain:
            return plain[hint]
        if origin is list:
            return self._list_of(arguments[0], where)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _Type(self._enum(hint, where), scalar=True, enum_type=hint)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return _Type(self.dataclass(hint, where))
        advice = {
            dict: "write a list of a dataclass with a field for the key and one for the value",
            tuple: "write a dataclass with a field for each element, or a list",
            set: "write a list", frozenset: "write a list", list: "say of what, as in list[str]",
            bytearray: "write bytes", memoryview: "write bytes", type(None): "leave it out",
            object: f"write {_HINTS}",
        }.get(origin or hint)
        if isinstance(hint, (str, typing.ForwardRef)):
            advice = "define that name in the module"
        if advice is None:
            advice = f"write {_HINTS}"
            if isinstance(hint, type) and not dataclasses.is_dataclass(hint) and hint.__module__ == self.name:
                advice = f"make {hint.__name__} a dataclass (@dataclasses.dataclass)"
        raise Refused(f"{where} has the hint {_same(hint)}, which has no type in a schema; {advice}")

    def _list_of(self, hint: Any, where: str) -> _Type:
        item = self.type_of(hint, f"{where}: the items of the list: it")
        if item.optional:
            raise Refused(f"{where} is a list with None among its items; leave them out, or write a list of a "
                          f"dataclass whose field may be None")
        if item.text.startswith("["):
            what = "bytes" if item.text == "[ubyte]" else "lists"
            raise Refused(f"{where} is a list of {what}, and a schema has no vectors of vectors; write a list of a "
                          f"dataclass that has them as its field")
        if item.text == "uint8":
            raise Refused(f"{where} is a list of tenon.uint8; write bytes")
        return _Type(f"[{item.text}]", enum_type=item.enum_type)

    def _claim(self, name: str, origin: str, where: str) -> bool:
        """Whether `name` must be declared now; refuses a name that is used twice."""
        known = self.origins.get(name)
        if known is not None and known != origin:
            raise Refused(f"{where}: the schema would have two types '{name}': {known} and {origin}; "
                          f"rename one of them")
        if known is None:
            if not _NAME.match(name) or name in _KEYWORDS:
                raise Refused(f"{where}: '{name}' cannot name a type of a schema; use letters, digits and '_' (ASCII), "
                              f"a letter first")
            self.origins[name] = origin
        return known is None

    def _enum(self, kind: type[enum.Enum], where: str) -> str:
        shared = kind.__dict__.get("__tenon_table__")
        full = shared or f"{self.name}.{kind.__name__}"
        if issubclass(kind, enum.Flag):
            raise Refused(f"{where} is a Flag; write int and combine the flags of it in the function")
        members: list[enum.Enum] = list(kind)
        if not members:
            raise Refused(f"{where} is the enum {kind.__name__}, which has no members; give it some")
        numbered = all(isinstance(member.value, int) for member in members)
        numbers = [(member.name, int(member.value) if numbered else at) for at, member in enumerate(members)]
        for member, number in numbers:
            if not _NAME.match(member) or member in _KEYWORDS:
                raise Refused(f"{where}: the member '{member}' of {kind.__name__} cannot be a name in a schema; use "
                              f"letters, digits and '_'")
            if not -2**31 <= number < 2**31:
                raise Refused(f"{where}: {kind.__name__}.{member} is {number}, and an enum has 32 bits; use smaller "
                              f"numbers")
        self.enums[full] = ((kind.__module__, kind.__qualname__), tuple(numbers))
        if shared is None and self._claim(kind.__name__, f"{kind.__module__}.{kind.__qualname__}", where):
            values = ", ".join(f"{member} = {number}" for member, number in sorted(numbers, key=lambda pair: pair[1]))
            doc = kind.__doc__ if kind.__doc__ not in (None, "An enumeration.") else ""
            self.declarations[kind.__name__] = f"{_doc_lines(doc)}enum {kind.__name__}: int32 {{ {values} }}\n"
        return full

    # -- tables --------------------------------------------------------------------------------------------------------

    def dataclass(self, kind: type, where: str, hidden: str = "") -> str:
        """Declares the table of a dataclass, once. Returns its full name. `hidden` declares a field before others."""
        shared = kind.__dict__.get("__tenon_table__")
        full = shared or f"{self.name}.{kind.__name__}"
        if shared is None and not self._claim(kind.__name__, f"{kind.__module__}.{kind.__qualname__}", where):
            return full
        if full in self.tables and full != "tenon.Empty":
            return full
        if "<locals>" in kind.__qualname__:
            raise Refused(f"{where}: the dataclass {kind.__name__} is made inside a function, where a worker cannot "
                          f"find it; move it to the top level of the module")
        self.tables[full] = None  # A table may have itself as a field.
        hints = self._hints(kind, where)
        docs = self.attribute_docs.get(kind.__qualname__, {}) if kind.__module__.split(".")[0] == self.name else {}
        fields = []
        for one in dataclasses.fields(kind):
            if one.init:
                fields.append(_Field(
                    one.name, hints[one.name],
                    inspect.Parameter.empty if one.default is dataclasses.MISSING else one.default,
                    one.default_factory is not dataclasses.MISSING, docs.get(one.name, "")))
        made = (kind.__doc__ or "").startswith(kind.__name__ + "(")
        self._table(kind.__name__, full, fields, (kind.__module__, kind.__qualname__), "" if made else kind.__doc__,
                    lambda name: f"{where}: field '{name}' of {kind.__name__}", hidden, shared is None)
        return full

    def _hints(self, thing: Any, where: str) -> dict[str, Any]:
        try:
            return typing.get_type_hints(thing, include_extras=True)
        except NameError as error:
            raise Refused(f"{where}: a hint names '{error.name}', which the module does not have; import or define it "
                          f"(also where `if TYPE_CHECKING` hides it)") from None
        except (TypeError, SyntaxError) as error:
            raise Refused(f"{where}: its hints cannot be read: {error}") from None

    def _table(self, name: str, full: str, fields: list[_Field], where: tuple[str, str] | None, doc: str | None,
               located: Any, hidden: str = "", declare: bool = True) -> None:
        lines, absent = [], []
        if hidden:
            lines.append(hidden)
            absent.append(_packed.HIDDEN)
        for field in fields:
            place = located(field.name)
            if not _NAME.match(field.name) or field.name in _KEYWORDS:
                raise Refused(f"{place}: '{field.name}' cannot be a name in a schema; "
                              + ("it is a word of its language; rename it" if field.name in _KEYWORDS else
                                 "use letters, digits and '_' (ASCII), a letter first"))
            kind = self.type_of(field.hint, place)
            line, how = self._declare(field, kind, place)
            note = kind.doc or field.doc
            if how == _packed.ABSENT_OMIT and isinstance(field.default, (str, int, float)):
                note = f"{note}\nDefault: {field.default!r}".strip()
            lines.append(_doc_lines(note, "  ") + line)
            absent.append(how)
        self.tables[full] = (where, tuple(absent))
        if declare:
            self.declarations[name] = f"{_doc_lines(doc)}table {name} {{\n" + "".join(lines) + "}\n"

    def _declare(self, field: _Field, kind: _Type, place: str) -> tuple[str, int]:
        """Returns the declaration of the field in the schema, and the meaning of its absence."""
        has_default = field.made_default or field.default is not inspect.Parameter.empty
        head = f"  {field.name}: {kind.text}"
        if not kind.scalar:
            if has_default and field.default is not None:
                return f"{head};\n", _packed.ABSENT_OMIT
            if kind.optional:
                return f"{head};\n", _packed.ABSENT_NONE
            if has_default:
                raise Refused(f"{place} has the default None; write {_same(field.hint)} | None")
            return f"{head} (required);\n", _packed.ABSENT_SCHEMA
        if kind.optional or field.made_default:
            omit = has_default and field.default is not None
            return f"{head} = null;\n", _packed.ABSENT_OMIT if omit else _packed.ABSENT_NONE
        if field.default is None:
            raise Refused(f"{place} has the default None; write {_same(field.hint)} | None")
        if kind.enum_type is not None:
            members: list[enum.Enum] = list(kind.enum_type)
            default = field.default if has_default else members[0]
            if default not in members:
                raise Refused(f"{place} has the default {default!r}, which is not a member of "
                              f"{kind.enum_type.__name__}")
            return f"{head} = {default.name};\n", _packed.ABSENT_SCHEMA
        if not has_default:
            return f"{head};\n", _packed.ABSENT_SCHEMA
        wanted: Any = {"bool": bool, "float32": (int, float), "float64": (int, float)}.get(kind.text, int)
        if not isinstance(field.default, wanted) or (wanted is not bool and isinstance(field.default, bool)):
            raise Refused(f"{place} has the default {field.default!r}, which is not {_same(field.hint)}")
        if wanted is int and not _fits(kind.text, field.default):
            raise Refused(f"{place} has the default {field.default}, which is not in the range of {kind.text}")
        text = str(field.default).lower() if wanted is bool else repr(field.default)
        return f"{head} = {text};\n", _packed.ABSENT_SCHEMA

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def place_of(self, function: Any) -> str:
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            try:
                return f"{self.shown}:{_class_line(function)}"
            except (OSError, TypeError):
                return self.shown
        file = code.co_filename
        inner = Path(file).name if "/" in file else self.shown
        return f"{self.shown if inner == Path(self.shown).name else inner}:{code.co_firstlineno}"

    def add_tasks(self) -> None:
        found: list[tuple[str, Any, dict[str, Any]]] = []
        public: list[tuple[str, Any, dict[str, Any]]] = []
        for name, thing in vars(self.module).items():
            ours = str(getattr(thing, "__module__", "")).split(".")[0] == self.name
            mark = vars(thing).get(MARK) if hasattr(thing, "__dict__") else None
            if mark is not None and ours:
                found.append((name, thing, mark))
            elif (inspect.isfunction(thing) and ours and not name.startswith("_")
                  and thing.__module__ == self.module.__name__
                  and not getattr(thing, "__tenon_worker_state__", False)):
                public.append((name, thing, {"kind": "task", "idempotent": False}))
        chosen = found or public
        if not chosen:
            raise Refused(f"{self.shown}: there is no task in it; write a function with type hints, as in "
                          f"def greet(name: str) -> str, at the top level")
        if len(chosen) > _MAX_TASKS:
            raise Refused(f"{self.shown}: it has {len(chosen)} tasks, and a plugin in Python at most {_MAX_TASKS}; "
                          f"mark with @tenon.task what is one, or split it")
        self._find_settings()
        for name, thing, mark in chosen:
            self._add_task(name, thing, mark)

    def _find_settings(self) -> None:
        for thing in vars(self.module).values():
            if not getattr(thing, "__tenon_worker_state__", False) or not inspect.isfunction(thing):
                continue
            where = f"{self.place_of(thing)}: the worker state {thing.__name__}()"
            parameters = list(inspect.signature(thing).parameters.values())
            if not parameters:
                continue
            hint = self._hints(thing, where).get(parameters[0].name)
            if len(parameters) != 1 or not dataclasses.is_dataclass(hint) or not isinstance(hint, type):
                raise Refused(f"{where} takes nothing, or one parameter whose hint is the dataclass of the plugin's "
                              f"settings, as in def model(settings: Settings)")
            if self.settings not in (None, hint):
                raise Refused(f"{where} takes {hint.__name__}, and another one {_same(self.settings)}; a plugin has "
                              f"one dataclass of settings")
            self.settings = hint
        environment = self._claim(_ENVIRONMENT, "tenon's own", self.shown)
        assert environment
        # WIRE: runtime/python/plugin/settings.cpp reads these fields by their order.
        self.declarations[_ENVIRONMENT] = (
            f"/// The Python that runs the plugin.\ntable {_ENVIRONMENT} {{\n"
            "  /// The interpreter, or the directory of a virtual environment. Default: the system's.\n"
            "  executable: string;\n"
            "  /// Directories where modules are looked for first.\n"
            "  path: [string];\n"
            "  /// What logging passes on: debug, info, warning, error. Default: what the tasks set.\n"
            "  log_level: string;\n}\n")
        hidden = f"  /// The Python that runs the plugin.\n  python: {_ENVIRONMENT};\n"
        if self.settings is None:
            self._claim("Settings", "tenon's own", self.shown)
            self._table("Settings", f"{self.name}.Settings", [], None, "Settings of the plugin.", None, hidden)
        else:
            where = f"{self.shown}: the settings"
            if any(one.name == "python" for one in dataclasses.fields(self.settings)):
                raise Refused(f"{where} {self.settings.__name__} have a field 'python', which each plugin in Python "
                              f"has for its environment; rename it")
            self.dataclass(self.settings, where, hidden)

    def _add_task(self, name: str, thing: Any, mark: dict[str, Any]) -> None:
        where = f"{self.place_of(thing)}: {name}()"
        if not _TASK_NAME.match(name) and not (inspect.isclass(thing) and mark["kind"] == "reduce"):
            raise Refused(f"{where} cannot name a task; use small letters, digits and '_'")
        method = name if _TASK_NAME.match(name) else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        if method in self.tasks:
            raise Refused(f"{where} would be the task '{method}', which there is already; rename one of them")
        if inspect.iscoroutinefunction(thing) or inspect.isasyncgenfunction(thing):
            raise Refused(f"{where} is async, and a worker runs one call at a time; write it with def, and use "
                          f"asyncio.run() inside where you need it")
        documentation = thing.__doc__
        if inspect.isclass(thing):
            if mark["kind"] != "reduce":
                raise Refused(f"{where} is a class; only @tenon.reduce takes one")
            kind, argument, params, result, shapes = self._class_reduce(method, thing, where)
        elif mark["kind"] == "reduce":
            kind, argument, params, result, shapes = self._function_reduce(method, thing, where)
        else:
            kind, argument, params, result, shapes = self._function(method, thing, where)
        attributes = []
        if params[0]:
            attributes.append(f'params: "{params[0]}"')
        if kind != "plain":
            attributes.append('streaming: "%s"' % ("server" if kind == "source" else "client"))
        if not self.tasks:
            attributes.append(f'settings: "{self.name}.{self.settings.__name__ if self.settings else "Settings"}"')
        if mark["idempotent"]:
            attributes.append("idempotent")
        suffix = f" ({', '.join(attributes)})" if attributes else ""
        self.methods.append(f"{_doc_lines(documentation, '  ')}  {method}({argument}): {result}{suffix};\n")
        self.tasks[method] = (name, kind, shapes[0], params[1], shapes[1])

    def _parameters(self, function: Any, where: str, skip_self: bool = False
                    ) -> tuple[list[_Field], list[_Field], dict[str, Any]]:
        """Positional and keyword-only parameters with their hints."""
        hints = self._hints(function, where)
        positional: list[_Field] = []
        keyword: list[_Field] = []
        parameters = list(inspect.signature(function).parameters.values())
        for parameter in parameters[1:] if skip_self else parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise Refused(f"{where} takes {str(parameter).partition(':')[0]}, and a schema names each field; write "
                              f"the parameters one by one, or a list")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise Refused(f"{where} has parameters before '/', and a task's are fields with names; "
                              f"leave the '/' out")
            if parameter.name not in hints:
                raise Refused(f"{where} has no type hint for its parameter '{parameter.name}'; write "
                              f"{parameter.name}: {_guess(parameter.default)} (there are {_HINTS}). A function that is "
                              f"not a task gets a name that begins with '_'")
            field = _Field(parameter.name, hints[parameter.name], parameter.default)
            (keyword if parameter.kind is parameter.KEYWORD_ONLY else positional).append(field)
        return positional, keyword, hints

    def _result_hint(self, hints: dict[str, Any], where: str) -> Any:
        if "return" not in hints:
            raise Refused(f"{where} has no type hint for its result; write -> {_HINTS}, or -> None")
        return hints["return"]

    def _made(self, name: str, fields: list[_Field], where: str, doc: str) -> str:
        self._claim(name, f"what is made for {where.rpartition(': ')[2]}", where)
        self._table(name, f"{self.name}.{name}", fields, None, doc,
                    lambda field: f"{where}: parameter '{field}'" if field != "value" else f"{where}: its value")
        return f"{self.name}.{name}"

    def _argument(self, method: str, fields: list[_Field], where: str) -> tuple[str, int]:
        if not fields:
            self.tables.setdefault("tenon.Empty", (None, ()))
            return "tenon.Empty", _packed.PASS_FIELDS
        if len(fields) == 1 and dataclasses.is_dataclass(fields[0].hint) and isinstance(fields[0].hint, type):
            return self.dataclass(fields[0].hint, where), _packed.PASS_OBJECT
        return self._made(_camel(method) + "Argument", fields, where, f"What {method} takes."), _packed.PASS_FIELDS

    def _params(self, method: str, fields: list[_Field], where: str) -> tuple[str, str | None]:
        """Returns the params table, and the keyword with which its object is passed, or '' for a keyword for each
        field."""
        if not fields:
            return "", None
        if len(fields) == 1 and dataclasses.is_dataclass(fields[0].hint) and isinstance(fields[0].hint, type):
            return self.dataclass(fields[0].hint, where), fields[0].name
        return self._made(_camel(method) + "Params", fields, where, f"Params of {method}."), ""

    def _result(self, method: str, hint: Any, where: str) -> tuple[str, int]:
        if hint is None or hint is type(None):
            self.tables.setdefault("tenon.Empty", (None, ()))
            return "tenon.Empty", _packed.GIVE_NOTHING
        where = f"{where}: the result"
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self.dataclass(hint, where), _packed.GIVE_OBJECT
        name = _camel(method) + "Result"
        return self._made(name, [_Field("value", hint)], where, f"What {method} gives."), _packed.GIVE_VALUE

    def _item(self, method: str, hint: Any, where: str) -> tuple[str, int]:
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self.dataclass(hint, where), _packed.PASS_OBJECT
        name = _camel(method) + "Item"
        return self._made(name, [_Field("value", hint)], where, f"What {method} takes."), _packed.PASS_VALUE

    def _function(self, method: str, function: Any, where: str) -> Any:
        positional, keyword, hints = self._parameters(function, where)
        returned = self._result_hint(hints, where)
        kind = "plain"
        if typing.get_origin(returned) in (Iterator, Iterable, Generator):
            kind, returned = "source", typing.get_args(returned)[0]
            if returned is type(None):
                raise Refused(f"{where} yields None; a source gives results, as in Iterator[int]")
        elif inspect.isgeneratorfunction(function):
            raise Refused(f"{where} yields, and its hint says {_same(returned)}; write -> Iterator[{_same(returned)}]")
        argument, pass_argument = self._argument(method, positional, where)
        params = self._params(method, keyword, where)
        result, give = self._result(method, returned, where)
        return kind, argument, params, result, (pass_argument, give)

    def _function_reduce(self, method: str, function: Any, where: str) -> Any:
        positional, keyword, hints = self._parameters(function, where)
        returned = self._result_hint(hints, where)
        origin = typing.get_origin(positional[0].hint) if len(positional) == 1 else None
        if origin not in (Iterator, Iterable):
            raise Refused(f"{where} is a reduce, which takes its items as one parameter, as in "
                          f"{method}(items: Iterable[int]) -> int; what else it needs comes after a '*'")
        item, pass_item = self._item(method, typing.get_args(positional[0].hint)[0], where)
        result, give = self._result(method, returned, where)
        return "handed", item, self._params(method, keyword, where), result, (pass_item, give)

    def _class_reduce(self, method: str, kind: type, where: str) -> Any:
        for needed in ("add", "result"):
            if not inspect.isfunction(getattr(kind, needed, None)):
                raise Refused(f"{where} is a reduce, and has no method {needed}(); write add(self, item: T) -> None "
                              f"and result(self) -> R")
        add: Any = getattr(kind, "add")
        positional, keyword, _ = self._parameters(add, f"{where[:-2]}.add()", skip_self=True)
        if len(positional) != 1 or keyword:
            raise Refused(f"{where[:-2]}.add() takes one item, as in add(self, item: int) -> None")
        item, pass_item = self._item(method, positional[0].hint, where)
        _, _, hints = self._parameters(getattr(kind, "result"), f"{where[:-2]}.result()", skip_self=True)
        result, give = self._result(method, self._result_hint(hints, f"{where[:-2]}.result()"), where)
        options: list[_Field] = []
        constructor: Any = vars(kind).get("__init__", getattr(kind, "__init__"))
        if constructor is not object.__init__:
            positional, options, _ = self._parameters(constructor, f"{where[:-2]}.__init__()", skip_self=True)
            if positional:
                raise Refused(f"{where[:-2]}.__init__() takes its params after a '*', as in "
                              f"__init__(self, *, top: int)")
        return "class", item, self._params(method, options, where), result, (pass_item, give)

    def schema(self) -> str:
        service = _camel(self.name) + "Plugin"
        self._claim(service, "tenon's own", self.shown)
        return (f'include "tenon/types.fbs";\n\nnamespace {self.name};\n\n' + "\n".join(self.declarations.values())
                + f"\nrpc_service {service} {{\n" + "\n".join(self.methods) + "}\n")


def _fits(name: str, number: int) -> bool:
    bits = int(name.lstrip("uint"))
    low, high = (0, 1 << bits) if name.startswith("u") else (-(1 << (bits - 1)), 1 << (bits - 1))
    return low <= number < high


def _guess(default: Any) -> str:
    if isinstance(default, (bool, int, float, str, bytes)):
        return type(default).__name__
    return "str | None" if default is None else "str"


def _class_line(kind: Any) -> int:
    return inspect.getsourcelines(kind)[1]


def _attribute_docs(sources: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """The strings below the fields of classes, by the class's and the field's name."""
    found: dict[str, dict[str, str]] = {}
    for path, source in sources.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                docs = found.setdefault(node.name, {})
                for before, after in zip(node.body, node.body[1:]):
                    if (isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
                            and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                            and isinstance(after.value.value, str)):
                        docs[before.target.id] = after.value.value
    return found


def read_files(path: Path) -> tuple[str, dict[str, bytes]]:
    """Returns the plugin's name and its files. Raises Refused for a name or size that a plugin cannot have."""
    if path.is_dir():
        name = path.resolve().name
        if not (path / "__init__.py").is_file():
            raise Refused(f"{path}: a directory without __init__.py is not a package; add one, or name a .py file")
        files = {}
        for file in sorted(path.rglob("*")):
            inner = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
                files[f"{name}/{inner.as_posix()}"] = file.read_bytes()
    elif path.is_file():
        name = path.stem
        if path.suffix != ".py":
            raise Refused(f"{path}: not a .py file; name one, or the directory of a package")
        files = {f"{name}.py": path.read_bytes()}
    else:
        raise Refused(f"{path}: there is no such file; name a .py file, or the directory of a package")
    if not _TASK_NAME.match(name) or len(name) > 63:
        raise Refused(f"{path}: '{name}' cannot name a plugin; rename the file: small letters, digits and '_', a "
                      f"letter first, at most 63")
    if name in _KEYWORDS:
        raise Refused(f"{path}: '{name}' is a word of the schema's language; rename the file")
    if name in sys.stdlib_module_names or name in ("tenon", "py"):
        what = "is the module of tenon" if name == "tenon" else (
            "is a plugin of tenon" if name == "py" else "is a module of Python's library")
        raise Refused(f"{path}: '{name}' {what}, which the plugin would hide from what it imports; rename the file")
    total = sum(len(data) for data in files.values())
    if total > _MAX_FILE_BYTES:
        raise Refused(f"{path}: its files have {total >> 20} MiB, and a plugin at most {_MAX_FILE_BYTES >> 20}; keep "
                      f"data outside and name its path in the settings")
    return name, files


def _frame_in(error: BaseException, origin: str) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(origin)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else origin


def describe(path: Path) -> dict[str, Any]:
    """Imports the module and describes it. Raises Refused."""
    name, files = read_files(path)
    shown = str(path / "__init__.py" if path.is_dir() else path)
    origin = str(path.parent)
    try:
        module = _packed.import_plugin(name, files, origin)
    except SyntaxError as error:
        raise Refused(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        beside = (path.parent / f"{missing}.py").is_file() or (path.parent / missing / "__init__.py").is_file()
        advice = (f"it lies beside the plugin, which does not carry it; put both into a package, the directory "
                  f"{name} with __init__.py, or install it" if beside else
                  "install it for this Python, or run pack with the Python of your virtual environment")
        raise Refused(f"{_frame_in(error, origin)}: there is no module '{error.name}': {advice}") from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        raise Refused(f"{_frame_in(error, origin)}: importing the module failed: {text}") from None
    version = str(getattr(module, "__version__", "1.0.0"))
    if not re.fullmatch(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}", version):
        raise Refused(f"{shown}: __version__ is '{version}'; a plugin's has three numbers, as in 1.2.0")
    describer = _Describer(name, module, shown, files)
    describer.add_tasks()
    schema = describer.schema()
    glue = {"tables": describer.tables, "enums": describer.enums, "tasks": describer.tasks}
    return {"name": name, "version": version, "schema": schema, "glue": repr(glue)}


def _main() -> int:
    out = int(sys.argv[2])
    try:
        answer = describe(Path(sys.argv[1]))
    except Refused as error:
        answer = {"refused": str(error)}
    with os.fdopen(out, "w") as stream:
        json.dump(answer, stream)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the module has started must not keep this process alive.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(_main())

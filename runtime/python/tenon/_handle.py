"""Task: a handle for one task, with the help that its schema gives."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import _tenon
    from .future import Future
    from .runtime import Runtime
    from ._tenon import Table

_NUMBERS = {"bool": bool, "float32": float, "float64": float, "float": float, "double": float, "string": str}
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "byte", "ubyte", "short",
             "ushort", "int", "uint", "long", "ulong")


class Task:
    """One task of a runtime: thumbnail = rt.task('image.thumbnail'); thumbnail(path='a.jpg').

    help(task) shows the fields of its argument and of its result, as the schema documents them.
    """

    def __init__(self, runtime: Runtime, plan: _tenon.TaskPlan) -> None:
        self._runtime = runtime
        self._plan = plan
        self.__name__ = plan.name
        self.__qualname__ = plan.name
        self.__doc__ = _documentation(plan)
        self.__signature__ = _signature(plan)

    @property
    def name(self) -> str:
        """Full name, such as 'image.thumbnail'."""
        return self._plan.name

    @property
    def kind(self) -> str:
        """'plain', 'source' (one argument, many results) or 'reduce' (many arguments, one result)."""
        return self._plan.kind

    @property
    def idempotent(self) -> bool:
        """Whether the runtime may run a call again if its worker dies."""
        return self._plan.idempotent

    @property
    def plugin(self) -> str:
        """Name and version of the plugin that had the task when the handle was created."""
        return self._plan.plugin

    def __call__(self, argument: Any = None, /, **keywords: Any) -> Any:
        """Runs the task. A source returns an iterator over its results; a reduce takes an iterable of arguments."""
        if self.kind == "source":
            return self._runtime.source(self.name, argument, **keywords)
        if self.kind == "reduce":
            return self._runtime.reduce(self.name, argument, **keywords)
        return self._runtime.call(self.name, argument, **keywords)

    def submit(self, argument: Any = None, /, **keywords: Any) -> Future[Table]:
        """The same without waiting."""
        return self._runtime.submit(self.name, argument, **keywords)

    async def acall(self, argument: Any = None, /, **keywords: Any) -> Table:
        """The same for asyncio."""
        return await self._runtime.acall(self.name, argument, **keywords)

    def map(self, arguments: Iterable[Any], **options: Any) -> Iterator[Table]:
        """Runs the task on each argument; see Runtime.map."""
        return self._runtime.map(self.name, arguments, **options)

    def __repr__(self) -> str:
        return f"<tenon.Task {self.name} of {self.plugin}>"


def _annotation(kind: str, plan: _tenon.TaskPlan) -> Any:
    if kind in _INTEGERS:
        return int
    if kind == "[uint8]" or kind == "[ubyte]":
        return bytes
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if kind.startswith("["):
        return list
    return kind


def _signature(plan: _tenon.TaskPlan) -> inspect.Signature:
    described = plan.describe(plan.argument_type)
    parameters = []
    for name, kind, default, required, _ in described[1] if described else []:
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        parameters.append(inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=_annotation(kind, plan),
            default=inspect.Parameter.empty if required else _Default(default or "None")))
    return inspect.Signature(parameters, return_annotation=plan.result_type)


class _Default:
    """A default of the schema, shown as it is written there."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _fields(plan: _tenon.TaskPlan, title: str, kind: str, lines: list[str]) -> None:
    described = plan.describe(kind) if kind else None
    if described is None:
        return
    documentation, fields, _ = described
    lines += ["", f"{title}: {kind}"]
    lines += [f"    {line}".rstrip() for line in documentation.strip().splitlines()]
    for name, type_name, default, required, words in fields:
        extra = ", required" if required else f" = {default}" if default else ""
        lines.append(f"    {name}: {type_name}{extra}")
        lines += [f"        {line.strip()}" for line in words.strip().splitlines()]


def _documentation(plan: _tenon.TaskPlan) -> str:
    lines = [line.strip() for line in plan.documentation.strip().splitlines()] or [plan.name]
    _fields(plan, "Argument", plan.argument_type, lines)
    _fields(plan, "Params", plan.params_type, lines)
    _fields(plan, "Result", plan.result_type, lines)
    return "\n".join(lines)

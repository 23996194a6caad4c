"""Enums of schemas as Python classes, for the native module."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any


def make(name: str, values: list[tuple[str, int]], flags: bool) -> dict[int, int] | Callable[[int], int]:
    """Returns the object that maps numbers to members: a dict for an enum, an IntFlag class for flags.

    Two names may share a number; the first one is then its member, as in any enum.
    """
    short = name.rpartition(".")[2]
    try:
        if flags:
            # KEEP: a newer version of a plugin may have more flags.
            kind: Any = enum.IntFlag
            return kind(short, values, module=__name__, qualname=name, boundary=enum.KEEP)  # type: ignore[no-any-return]
        members = enum.IntEnum(short, values, module=__name__, qualname=name)  # type: ignore[misc]
    except (ValueError, TypeError):
        return {}  # For a name that a Python enum cannot have, such as "mro", the values stay numbers.
    return {member.value: member for member in members}

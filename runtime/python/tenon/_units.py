"""Converts durations and sizes as people write them to the integers that the runtime takes."""

from __future__ import annotations

import math
import re

from .errors import InvalidArgument, InvalidType

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)\s*", re.IGNORECASE)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
            "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_MAX_BYTES = 2**64 - 1
# Longer than any practical use, and small enough for the runtime's clock to add.
_MAX_SECONDS = 100 * 365 * 86400


def size_bytes(name: str, value: int | str) -> int:
    """A number of bytes, or text such as '64 MiB'."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        factor = _FACTORS.get(match[2].lower().removesuffix("b")) if match else None
        if match is None or factor is None:
            raise InvalidArgument(
                "invalid_argument", f"{name}: {value!r} is not a size; write bytes as a number, or as in '64 MiB'")
        result = int(float(match[1]) * factor) if "." in match[1] else int(match[1]) * factor
    elif isinstance(value, int) and not isinstance(value, bool):
        result = value
    else:
        raise InvalidType("invalid_argument",
                          f"{name}: a size is an int or a str such as '64 MiB', not {type(value).__name__}")
    if not 0 <= result <= _MAX_BYTES:
        raise InvalidArgument("invalid_argument", f"{name}: {value!r} is not between 0 and 2**64 - 1 bytes")
    return result


def milliseconds(name: str, seconds: float) -> int:
    """A duration in seconds; fractions are rounded up to whole milliseconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidType("invalid_argument",
                          f"{name}: a duration is a number of seconds, not {type(seconds).__name__}")
    if math.isnan(seconds) or seconds < 0:
        raise InvalidArgument("invalid_argument", f"{name}: {seconds!r} is not a duration; it is zero or more seconds")
    return math.ceil(min(seconds, _MAX_SECONDS) * 1000)


def count(name: str, value: int, *, at_most: int = 2**64 - 1) -> int:
    """A number of things."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidType("invalid_argument", f"{name}: expected an int, not {type(value).__name__}")
    if not 0 <= value <= at_most:
        raise InvalidArgument("invalid_argument", f"{name}: {value} is not between 0 and {at_most}")
    return value

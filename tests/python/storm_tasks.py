"""Functions that the storm of swaps sends to workers."""

from __future__ import annotations

import os
import struct

import tenon


@tenon.task(idempotent=True, retries=100)
def square(number: int) -> list[int]:
    return [number, number * number]


def once(number: int, ledger: str) -> list[int]:
    """Notes each run in a file: a call that may not run twice must not be there twice."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, struct.pack("=Q", number))
    os.close(descriptor)
    return [number, number * number]

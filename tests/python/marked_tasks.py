"""Functions with marks of @tenon.task that the tests send to workers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import tenon


def plain(value: int) -> int:
    return value


@tenon.task(run_timeout=0.3)
def limited(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def dies_plain(ledger: str, deaths: int) -> int:
    """Ends its worker until there have been so many deaths, and returns their number."""
    path = Path(ledger)
    died = len(path.read_bytes()) if path.exists() else 0
    if died < deaths:
        path.write_bytes(b"x" * (died + 1))
        os.abort()
    return died


@tenon.task(idempotent=True)
def dies(ledger: str, deaths: int) -> int:
    return dies_plain(ledger, deaths)


@tenon.task(idempotent=True, retries=4)
def dies_often(ledger: str, deaths: int) -> int:
    return dies_plain(ledger, deaths)


@tenon.task(idempotent=True, retries=0)
def dies_never_again(ledger: str, deaths: int) -> int:
    return dies_plain(ledger, deaths)

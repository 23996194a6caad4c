"""Where this installation keeps its plugins and its worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# In a build tree the package is build/python/tenon; its files are links, so that the path is not resolved.
_PACKAGE = Path(__file__).parent


def _prefixes() -> Iterator[Path]:
    """What bin/ and lib/ may be below: the build tree, and the prefix of lib/python3/dist-packages/tenon."""
    yield from list(_PACKAGE.parents)[1:5]


def _existing_plugin_dirs() -> Iterator[Path]:
    libraries = ("lib", "lib64", f"lib/{getattr(sys.implementation, '_multiarch', '')}")
    candidates = [_PACKAGE / "plugins", _PACKAGE.parent.parent / "plugins"]
    candidates += [prefix / library / "tenon" / "plugins" for prefix in _prefixes() for library in libraries]
    for place in candidates:
        if (place / "tenon.so").is_file():
            yield place


def plugin_dirs() -> list[str]:
    """The plugins that come with the package: inside it in a wheel, in the same prefix or build tree otherwise."""
    place = next(_existing_plugin_dirs(), None)
    return [] if place is None else [str(place)]


def worker_executable() -> str | None:
    """The tenon-worker of the package; None lets the runtime look where it was built or installed."""
    if "TENON_WORKER" in os.environ:
        return None
    for place in (_PACKAGE / "tenon-worker", *(prefix / "bin" / "tenon-worker" for prefix in _prefixes())):
        if place.is_file():
            return str(place)
    return None


def plugin_template() -> str:
    """What tenon.pack makes a plugin of."""
    return str(_PACKAGE / "plugin_template.so")


def schema_dir() -> str:
    """Where tenon/types.fbs is, which the schemas of plugins include."""
    return str(_PACKAGE / "schemas")

"""Where this installation keeps its plugins and its worker."""

from __future__ import annotations

import _imp
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# In a build tree, the package is build/python/tenon; its files are links, so the path is not resolved.
_PACKAGE = Path(__file__).parent


def _prefixes() -> Iterator[Path]:
    """The directories that may contain bin/ and lib/: the build tree, and the prefix of
    lib/python3/dist-packages/tenon."""
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
    """The tenon-worker of the package; None lets the runtime search where it was built or installed."""
    if "TENON_WORKER" in os.environ:
        return None
    for place in (_PACKAGE / "tenon-worker", *(prefix / "bin" / "tenon-worker" for prefix in _prefixes())):
        if place.is_file():
            return str(place)
    return None


def interpreter() -> str:
    """The interpreter that runs this program; empty if the program is frozen, because its executable then runs only
    the program itself."""
    # Programs that bundle Python set sys.frozen; those that freeze modules into the executable do not.
    frozen = getattr(sys, "frozen", False) or _imp.is_frozen("__main__")
    return "" if frozen else sys.executable or ""


def plugin_template() -> str:
    """The template from which tenon.pack makes plugins."""
    return str(_PACKAGE / "plugin_template.so")


def schema_dir() -> str:
    """The directory of tenon/types.fbs, which the schemas of plugins include."""
    return str(_PACKAGE / "schemas")

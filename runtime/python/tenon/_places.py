"""Where this installation keeps its plugins and its worker."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def plugin_dirs() -> list[str]:
    """The plugins that come with the package: inside it in a wheel, beside it in a build tree."""
    # In a build tree the package is build/python/tenon; its files are links, so that the path is not resolved.
    candidates = [_PACKAGE / "plugins", _PACKAGE.parent.parent / "plugins"]
    return [str(place) for place in candidates if (place / "tenon.so").is_file()][:1]


def worker_executable() -> str | None:
    """The tenon-worker of the package; None lets the runtime look where it was built or installed."""
    if "TENON_WORKER" in os.environ:
        return None
    for place in (_PACKAGE / "tenon-worker", _PACKAGE.parent.parent / "bin" / "tenon-worker"):
        if place.is_file():
            return str(place)
    return None


def plugin_template() -> str:
    """What tenon.pack makes a plugin of."""
    return str(_PACKAGE / "plugin_template.so")


def schema_dir() -> str:
    """Where tenon/types.fbs is, which the schemas of plugins include."""
    return str(_PACKAGE / "schemas")

"""Converts the keywords of Runtime to the dict of plain values that the native module reads."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import _places, _units
from .errors import InvalidArgument, InvalidType

PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on a plugin while it is loaded.

    start_timeout: seconds for loading and for each step of a swap.
    memory: address space of the process that inspects it, as a number of bytes or as in '64 GiB'; 0 for no limit.
    """

    start_timeout: float = 30
    memory: int | str = 64 << 30

    def _plain(self) -> dict[str, Any]:
        return {"start_timeout_ms": _units.milliseconds("start_timeout", self.start_timeout),
                "memory_bytes": _units.size_bytes("memory", self.memory)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwapOptions:
    """How a swap is made, and what causes a roll-back. Rates are shares of calls, from 0 to 1; times are in seconds.

    force: swaps even if the new schema breaks the old one, or the content is in quarantine.
    canary_share: share of the calls of idempotent tasks that run on the new version before it becomes current.
    shadow: runs calls of idempotent tasks on both versions and compares the results.
    canary_calls, canary_time: a canary or a shadow succeeds after this many calls or this time.
    probation: how long the new version is monitored after it becomes current.
    max_crash_rate, max_error_rate_increase, max_p99_ratio: limits beyond which it is rolled back.
    step_timeout: time limit for each of staging, inspection and warm-up; 0 uses the plugin's own limit.
    session_drain: how long sessions that cannot move stay on the old version.
    """

    force: bool = False
    canary_share: float = 0
    shadow: bool = False
    canary_calls: int = 200
    canary_time: float = 10
    probation: float = 30
    max_crash_rate: float = 0.01
    max_error_rate_increase: float = 0.05
    max_p99_ratio: float = 3.0
    step_timeout: float = 0
    session_drain: float = 60

    def _plain(self) -> dict[str, Any]:
        result: dict[str, Any] = {"force": self.force, "shadow": self.shadow,
                                  "canary_calls": _units.count("canary_calls", self.canary_calls)}
        for name in ("canary_share", "max_crash_rate", "max_error_rate_increase", "max_p99_ratio"):
            result[name] = float(getattr(self, name))
        for name in ("canary_time", "probation", "step_timeout", "session_drain"):
            result[name + "_ms"] = _units.milliseconds(name, getattr(self, name))
        return result


@dataclasses.dataclass(frozen=True, kw_only=True)
class HotSwap:
    """Makes the plugins of a runtime swappable while it runs.

    store_dir: directory for copies of plugin files; by default in the user's cache directory.
    instance: identifies the runtime in the store across restarts.
    max_store_bytes, max_store_files: limits of the store.
    watch: automatically swaps plugins that change in the plugin directories. This includes plugins in Python that are
        saved there; a directory without any when the runtime starts is not watched for them.
    debounce, rescan: seconds for which a changed file must have been quiet, and seconds between two scans of all files.
    swaps: options of the watch's swaps.
    """

    store_dir: PathLike | None = None
    instance: str = ""
    max_store_bytes: int | str = 4 << 30
    max_store_files: int = 256
    watch: bool = False
    debounce: float = 0.05
    rescan: float = 10
    swaps: SwapOptions = SwapOptions()

    def _plain(self) -> dict[str, Any]:
        return {
            "store_dir": _path("store_dir", self.store_dir),
            "instance": self.instance,
            "max_store_bytes": _units.size_bytes("max_store_bytes", self.max_store_bytes),
            "max_store_files": _units.count("max_store_files", self.max_store_files),
            "watch": self.watch,
            "debounce_ms": _units.milliseconds("debounce", self.debounce),
            "rescan_ms": _units.milliseconds("rescan", self.rescan),
            "swaps": self.swaps._plain(),
        }


def _path(name: str, value: PathLike | None) -> str | None:
    if value is None:
        return None
    try:
        path = os.fspath(value)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise InvalidType("invalid_argument", f"{name}: expected a path, not {type(value).__name__}")
    return path


def _paths(name: str, values: Sequence[PathLike] | PathLike) -> list[str]:
    if isinstance(values, (str, os.PathLike)):
        values = [values]
    if not isinstance(values, Iterable):
        raise InvalidType("invalid_argument", f"{name}: expected a list of paths, not {type(values).__name__}")
    return [path for value in values if (path := _path(name, value)) is not None]


def hot_swap(given: bool | HotSwap) -> HotSwap | None:
    """The options of hot swap; None if the plugins are not swappable."""
    return HotSwap() if given is True else given or None


def is_source(path: str) -> bool:
    """Whether a path looks like that of a plugin in Python: a .py file or a package."""
    return path.endswith(".py") or os.path.exists(os.path.join(path, "__init__.py"))


def source_dirs(given: Sequence[PathLike] | PathLike | None) -> list[str]:
    """The plugin directories that contain plugins in Python."""
    return [] if given is None else [path for path in _paths("plugin_dirs", given) if _may_hold_sources(path)]


def _plugin_dirs(given: Sequence[PathLike] | PathLike) -> list[str]:
    """The plugin directories, with those into which plugins in Python are packed."""
    directories = _paths("plugin_dirs", given)
    if not any(_may_hold_sources(directory) for directory in directories):
        return directories
    from . import _plugin_sources
    return _plugin_sources.with_packed(directories)


def _may_hold_sources(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(".py") or os.path.exists(os.path.join(entry.path, "__init__.py"))
                       for entry in entries)
    except OSError:
        return False


def _environments(workers: int,
                  environment: Callable[[int], Mapping[str, str]] | None) -> list[list[tuple[str, str]]] | None:
    """The variables of each worker. While workers are replaced, there are temporarily more of them."""
    if environment is None:
        return None
    count = 2 * (workers or os.cpu_count() or 1)
    return [[(str(name), str(value)) for name, value in environment(index).items()] for index in range(count)]


def runtime_options(*, workers: int, plugin_dirs: Sequence[PathLike] | PathLike | None,
                    worker_executable: PathLike | None, cache_dir: PathLike | None, settings: Mapping[str, Any],
                    limits: Limits | None, plugin_limits: Mapping[str, Limits], max_queued_calls: int,
                    max_queued_bytes: int | str, overflow: str, argument_arena: int | str, result_arena: int | str,
                    large_block_cache: int | str, worker_memory_limit: int | str, recycle_after_calls: int,
                    recycle_above: int | str, worker_environment: Callable[[int], Mapping[str, str]] | None,
                    copy_results: bool,
                    cancel_grace: float, drain_timeout: float, start_timeout: float, stall_timeout: float,
                    hot_swap: HotSwap | None) -> dict[str, Any]:
    """Checks the options of a Runtime. Raises tenon.InvalidArgument."""
    if overflow not in ("block", "reject"):
        raise InvalidArgument("invalid_argument", f"overflow: {overflow!r} is neither 'block' nor 'reject'")
    if not isinstance(settings, Mapping):
        raise InvalidType("invalid_argument",
                          "settings: expected a dict of the settings of plugins by name, as in "
                          f"{{'image': {{...}}}}, not {type(settings).__name__}")
    executable = _path("worker_executable", worker_executable)
    return {
        "workers": _units.count("workers", workers, at_most=4096),
        "plugin_dirs": _places.plugin_dirs() if plugin_dirs is None else _plugin_dirs(plugin_dirs),
        "worker_executable": executable or _places.worker_executable(),
        "cache_dir": _path("cache_dir", cache_dir),
        "settings": {name: bytes(value) if isinstance(value, (bytearray, memoryview)) else value
                     for name, value in settings.items()},
        "limits": (limits or Limits())._plain(),
        "limits_of_plugins": {name: own._plain() for name, own in plugin_limits.items()},
        "max_queued_calls": _units.count("max_queued_calls", max_queued_calls),
        "max_queued_bytes": _units.size_bytes("max_queued_bytes", max_queued_bytes),
        "rejects": overflow == "reject",
        "argument_arena_bytes": _units.size_bytes("argument_arena", argument_arena),
        "result_arena_bytes": _units.size_bytes("result_arena", result_arena),
        "large_block_cache_bytes": _units.size_bytes("large_block_cache", large_block_cache),
        "worker_memory_limit_bytes": _units.size_bytes("worker_memory_limit", worker_memory_limit),
        "recycle_after_calls": _units.count("recycle_after_calls", recycle_after_calls),
        "recycle_above_bytes": _units.size_bytes("recycle_above", recycle_above),
        "worker_environment": _environments(workers, worker_environment),
        "copy_results": bool(copy_results),
        "cancel_grace_ms": _units.milliseconds("cancel_grace", cancel_grace),
        "drain_timeout_ms": _units.milliseconds("drain_timeout", drain_timeout),
        "start_timeout_ms": _units.milliseconds("start_timeout", start_timeout),
        "stall_timeout_ms": _units.milliseconds("stall_timeout", stall_timeout),
        "hot_swap": hot_swap._plain() if hot_swap else None,
    }

"""Pipelines: TOML files of tasks, checked as a whole, then run."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _names, _options, _tenon
from ._logs import LogThread
from ._options import PathLike
from .errors import Error, InvalidArgument, InvalidType

# Interval of the reports while a pipeline runs, in seconds.
_REPORT_INTERVAL = 0.1


@dataclasses.dataclass(frozen=True)
class Diagnostic:
    """One message about a pipeline file. str() shows the location in the file."""

    severity: str
    file: str
    line: int
    column: int
    message: str
    hint: str
    text: str = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return self.text.rstrip()


class PipelineError(InvalidArgument):
    """A pipeline file has errors; all of them are in `diagnostics`."""

    def __init__(self, code: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, message, context)
        self.diagnostics: list[Diagnostic] = list(self.context.get("diagnostics", ()))


@dataclasses.dataclass(frozen=True)
class Stage:
    """Counts of one stage, source or sink."""

    name: str
    task: str
    kind: str
    items_in: int
    items_out: int
    grouped: int
    failed: int
    retried: int
    dropped: int
    in_flight: int
    queued: int
    expected_items: int
    ended: bool
    note: str
    busy_seconds: float


@dataclasses.dataclass(frozen=True)
class Failure:
    """One item that failed permanently."""

    stage: str
    item: str
    error: Error


@dataclasses.dataclass(frozen=True)
class Report:
    """The report of a run: `end` is 'done', 'interrupted', 'failed' or 'running'.

    outputs: results of collecting sinks, by the name of the sink, each a Table.
    """

    end: str
    stages: list[Stage]
    failures: list[Failure]
    failure_count: int
    error: Error | None
    seconds: float
    outputs: dict[str, _tenon.Table]

    def stage(self, name: str) -> Stage:
        """A stage by its name."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)


def _report(values: dict[str, Any]) -> Report:
    return Report(end=values["end"], stages=[Stage(**stage) for stage in values["stages"]],
                  failures=[Failure(**failure) for failure in values["failures"]],
                  failure_count=values["failure_count"], error=values["error"], seconds=values["seconds"],
                  outputs=values["outputs"])


def _toml(name: str, value: Any) -> str:
    """A value in TOML syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(name, item)}" for key, item in value.items()) + "}"
    if isinstance(value, collections.abc.Iterable):
        return "[" + ", ".join(_toml(name, item) for item in value) + "]"
    raise InvalidType("invalid_argument", f"{name}: TOML has no way to write {_names.a(type(value).__name__)}")


def _overrides(sets: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Converts nested mappings to dotted keys with TOML values."""
    result: list[tuple[str, str]] = []
    for key, value in sets.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            result += _overrides(value, name + ".")
        else:
            result.append((name, _toml(name, value)))
    return result


def _load(path: PathLike, sets: Mapping[str, Any], workers: int, plugin_dirs: Sequence[PathLike] | PathLike | None,
          logs: LogThread | None) -> tuple[_tenon.Pipeline | None, list[Diagnostic]]:
    options = _options.runtime_options(
        workers=workers, plugin_dirs=plugin_dirs, worker_executable=None, cache_dir=None, settings={}, limits=None,
        plugin_limits={}, max_queued_calls=1 << 24, max_queued_bytes=4 << 30, overflow="block",
        argument_arena=1 << 30, result_arena=1 << 30, large_block_cache=1 << 30, worker_memory_limit=0,
        recycle_after_calls=0, recycle_above=0, worker_environment=None, copy_results=False, cancel_grace=1, drain_timeout=3600, start_timeout=10, stall_timeout=3, hot_swap=None)
    options["log"] = logs.queue if logs else None
    pipeline, diagnostics = _tenon.load_pipeline(os.fspath(path), _overrides(sets), options)
    return pipeline, [Diagnostic(*values) for values in diagnostics]


def check_pipeline(path: PathLike, *, plugin_dirs: Sequence[PathLike] | PathLike | None = None,
                   **sets: Any) -> list[Diagnostic]:
    """Checks a pipeline file without running it, and returns a list of all errors and warnings."""
    return _load(path, sets, 1, plugin_dirs, None)[1]


def run_pipeline(path: PathLike, *, report: Callable[[Report], object] | bool | None = None, workers: int = 0,
                 plugin_dirs: Sequence[PathLike] | PathLike | None = None, log: bool = True, **sets: Any) -> Report:
    """Runs a pipeline file to its end and returns the report.

        report = tenon.run_pipeline('inventory.toml', report=True, sources={'tree': {'args': {'root': '/usr/include'}}})

    report: called with a Report about ten times a second; True shows a line on stderr instead.
    sets: values that replace those of the file, by key: nested dicts, or dotted keys as in **{'workers.count': 2}.

    Raises PipelineError with all errors of the file. Failed items do not raise; they are listed in Report.failures.
    Ctrl-C cancels the run, and so does an exception of `report`, which is then raised.
    """
    logs = LogThread() if log else None
    try:
        pipeline, diagnostics = _load(path, sets, workers, plugin_dirs, logs)
        if pipeline is None:
            text = "\n".join(str(diagnostic) for diagnostic in diagnostics)
            raise PipelineError("invalid_argument", f"the pipeline has errors:\n{text}",
                                {"diagnostics": diagnostics})
        show = _Line(pipeline.name) if report is True else report or None
        pipeline.start()
        try:
            while not pipeline.wait(_REPORT_INTERVAL):
                if show is not None:
                    show(_report(pipeline.report()))
        except BaseException:
            pipeline.steer("cancel")
            pipeline.wait(60)
            raise
        final = _report(pipeline.report())
        if show is not None:
            show(final)
        return final
    finally:
        if logs is not None:
            logs.close()


class _Line:
    """One line on stderr that shows the progress of a pipeline."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._width = 0

    def __call__(self, report: Report) -> None:
        stream = sys.stderr
        ended = report.end != "running"
        if stream is None or not (ended or stream.isatty()):
            return
        stages = ", ".join(f"{stage.name} {stage.items_out + (stage.grouped if stage.kind != 'expand' else 0)}" +
                           (f" ({stage.failed} failed)" if stage.failed else "") for stage in report.stages)
        line = f"{self._name}: {stages}; {report.seconds:.1f} s" + (f"; {report.end}" if ended else "")
        start = "\r" if stream.isatty() else ""
        stream.write(start + line.ljust(self._width) + ("\n" if ended else ""))
        stream.flush()
        self._width = len(line)

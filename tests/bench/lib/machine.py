"""Describes the machine and its other load during the measurements."""

import datetime
import os
import platform
import re
import resource
import subprocess


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _first(pattern, text, default="unknown"):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else default


def _output(*command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def describe(source_dir, build_dir):
    """Returns the properties that do not change during the measurements."""
    cpu = _read("/proc/cpuinfo")
    cache = _read(os.path.join(build_dir, "CMakeCache.txt"))
    compiler = _first(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, "c++")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _first(r"^(?:model name|Model)\s*:\s*(.*)$", cpu, platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in _first(r"^flags\s*:\s*(.*)$", cpu, ""),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+)", _read("/proc/meminfo"), "0")) / (1 << 20), 1),
        "system": _first(r'^PRETTY_NAME="?([^"\n]*)', _read("/etc/os-release")),
        "kernel": platform.release(),
        "compiler": _output(compiler, "--version").split("\n")[0] or "unknown",
        "build_type": _first(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache),
        "commit": _output("git", "describe", "--always", "--dirty", "--abbrev=12", cwd=source_dir) or "unknown",
    }


def _busy_and_stolen():
    """Returns for how many seconds since the start the machine's cores worked, and for how many its
    host took them."""
    fields = [int(field) for field in _read("/proc/stat").split("\n")[0].split()[1:]] or [0] * 8
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def _own():
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


class Watch:
    """Measures how busy the machine was with other work during a measurement."""

    def __init__(self, clock):
        self._clock = clock
        self._begin, self._own, (self._busy, self._stolen) = clock(), _own(), _busy_and_stolen()
        self._load = os.getloadavg()[0]

    def result(self):
        wall = max(self._clock() - self._begin, 1e-9) * (os.cpu_count() or 1)
        busy, stolen = _busy_and_stolen()
        others = max(0.0, (busy - self._busy) - (_own() - self._own))
        return {
            "seconds": round(self._clock() - self._begin),
            "load_average": [round(self._load, 2), round(os.getloadavg()[0], 2)],
            "busy_with_others": f"{100 * others / wall:.0f} %",
            "taken_by_hypervisor": f"{100 * (stolen - self._stolen) / wall:.1f} %",
        }

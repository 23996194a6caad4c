"""Builds a wheel of tenon offline: a PEP 517 backend that needs CMake and ninja, and nothing from a package index.

    pip wheel --no-index --no-build-isolation --no-deps runtime/python

Settings, each as --config-settings NAME=VALUE:

    build-dir   a build directory, which is configured if it is new; by default a temporary one, which takes minutes
    no-build    1 packs the content of build-dir without building it first cmake-args  further arguments for a new build
    directory, quoted as in a shell
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["build_sdist", "build_wheel", "get_requires_for_build_wheel"]

_SOURCE = Path(__file__).resolve().parents[3]
_SETTINGS = ("build-dir", "no-build", "cmake-args")
# The earliest time that a zip file can store, so that the same files give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)

Settings = Mapping[str, str] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Needs nothing from an index."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Not supported: the runtime is built from the whole source tree, which is not below this directory."""
    raise SystemExit("tenon has no source distribution: build a wheel from its source tree")


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Builds the module, worker, plugins and template, packs them, and returns the name of the wheel."""
    settings = _checked(config_settings or {})
    with tempfile.TemporaryDirectory(prefix="tenon-wheel-") as temporary:
        build = Path(os.path.abspath(settings["build-dir"])) if settings["build-dir"] else Path(temporary, "build")
        if not settings["no-build"]:
            _build(build, shlex.split(settings["cmake-args"]))
        elif not (build / "CMakeCache.txt").is_file():
            raise SystemExit(f"no-build: {build} is not a build directory; name one by build-dir")
        tree = Path(temporary, "tree")
        _run("cmake", "--install", str(build), "--strip", "--component", "wheel", "--prefix", str(tree))
        if not list((tree / "tenon").glob(f"_tenon{sysconfig.get_config_var('EXT_SUFFIX')}")):
            raise SystemExit(f"{build} has no module for this Python ({sys.executable}): build it with "
                             f"-DTENON_PYTHON=ON -DPython3_EXECUTABLE={_interpreter()}")
        return _pack(tree, Path(wheel_directory))


def _checked(given: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(given) - set(_SETTINGS))
    if unknown:
        raise SystemExit(f"unknown settings: {', '.join(unknown)}; there are {', '.join(_SETTINGS)}")
    settings = {name: given.get(name, "") for name in _SETTINGS}
    settings["no-build"] = settings["no-build"].removeprefix("0")
    return settings


def _interpreter() -> str:
    """The Python from which a virtual environment was created; its headers and library are available."""
    return getattr(sys, "_base_executable", "") or sys.executable


def _build(build: Path, arguments: list[str]) -> None:
    if not (build / "CMakeCache.txt").is_file():
        ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
        _run("cmake", "-S", str(_SOURCE), "-B", str(build), *ninja, "-DCMAKE_BUILD_TYPE=Release", "-DTENON_PYTHON=ON",
             "-DTENON_BUILD_TESTS=OFF", f"-DPython3_EXECUTABLE={_interpreter()}", *arguments)
    _run("cmake", "--build", str(build), "--parallel", os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count())),
         "--target", "tenon_wheel")


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not installed; tools/setup installs what tenon is built with") from None
    if done.returncode != 0:
        raise SystemExit(f"'{shlex.join(command)}' ended with {done.returncode}")


def _tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{python}-{python}-{platform}"


def _pack(tree: Path, directory: Path) -> str:
    (information,) = tree.glob("*.dist-info")
    stem = information.name.removesuffix(".dist-info")
    (information / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: tenon_wheel\nRoot-Is-Purelib: false\n"
                                       f"Tag: {_tag()}\n", encoding="utf-8")
    record = f"{information.name}/RECORD"
    rows = []
    name = f"{stem}-{_tag()}.whl"
    with zipfile.ZipFile(directory / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in _files(tree, information):
            data = path.read_bytes()
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _EPOCH)
            # The worker must stay executable.
            entry.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{entry.filename},sha256={digest},{len(data)}\n")
        entry = zipfile.ZipInfo(record, _EPOCH)
        entry.external_attr = 0o100644 << 16
        wheel.writestr(entry, "".join(rows) + f"{record},,\n", zipfile.ZIP_DEFLATED)
    return name


def _files(tree: Path, information: Path) -> Iterator[Path]:
    """All files; those of the .dist-info come last, as PEP 427 recommends."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    yield from (path for path in files if information not in path.parents)
    yield from (path for path in files if information in path.parents)

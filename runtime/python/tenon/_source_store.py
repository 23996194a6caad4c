"""Stores the texts of functions that are sent as source, and imports them in a worker.

Each text is a separate module, ``tenon_source_<hash>``, in a directory of the user. The hash of the text is checked
before the text runs, so only the text that was sent can run under this name.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.abc import InspectLoader, MetaPathFinder
from types import CodeType, ModuleType
from typing import Any

__all__ = ["PREFIX", "install_finder", "module_name", "path_of", "write"]

PREFIX = "tenon_source_"
# Texts are small, and each is kept while it is used: these limits keep a forgotten directory from growing.
_KEPT_FILES = 1000
_KEPT_SECONDS = 7 * 86400


def module_name(text: str) -> str:
    """The name of a text's module."""
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]


def write(text: str) -> str:
    """Stores a text and returns the name of its module."""
    name = module_name(text)
    path = path_of(name)
    if path is not None:
        os.utime(path)
        return name
    problems = []
    for directory in _directories():
        try:
            _write_into(directory, name, text)
            return name
        except OSError as error:
            problems.append(f"{directory}: {error.strerror or error}")
    raise OSError(f"there is no directory for the source of functions ({'; '.join(problems)}); set XDG_CACHE_HOME to a "
                  f"directory that this user can write")


def path_of(name: str) -> str | None:
    """The file of a module's text; None if there is no file with that hash."""
    for directory in _directories():
        path = os.path.join(directory, name + ".py")
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        if PREFIX + hashlib.sha256(data).hexdigest()[:32] == name:
            return path
    return None


def install_finder() -> None:
    """Makes the modules importable in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def _directories() -> Iterator[str]:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if os.path.isabs(cache):
        yield os.path.join(cache, "tenon", "python")
    yield os.path.join(tempfile.gettempdir(), f"tenon-python-{os.getuid()}")


def _write_into(directory: str, name: str, text: str) -> None:
    os.makedirs(directory, mode=0o700, exist_ok=True)
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise OSError("it belongs to another user")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.replace(temporary, os.path.join(directory, name + ".py"))
    except BaseException:
        os.unlink(temporary)
        raise
    _remove_old(directory)


def _remove_old(directory: str) -> None:
    with os.scandir(directory) as entries:
        files = [entry for entry in entries if entry.name.lstrip(".").startswith(PREFIX)]
    if len(files) <= _KEPT_FILES:
        return
    limit = time.time() - _KEPT_SECONDS
    for entry in files:
        try:
            if entry.stat(follow_symlinks=False).st_mtime < limit:
                os.unlink(entry.path)
        except FileNotFoundError:
            pass  # Another process was faster.


class _Loader(InspectLoader):
    """Runs a text without leaving byte code beside it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def get_source(self, fullname: str) -> str:
        with open(self._path, encoding="utf-8", newline="") as file:
            return file.read()

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_source(fullname)
        if module_name(text) != fullname:
            raise ImportError(f"{self._path} was changed after it had been written; submit the function again",
                              name=fullname, path=self._path)
        code: CodeType = compile(text, self._path, "exec", dont_inherit=True)
        return code

    def is_package(self, fullname: str) -> bool:
        return False


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None,
                  target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(PREFIX):
            return None
        found = path_of(fullname)
        if found is None:
            raise ModuleNotFoundError(
                f"the source '{fullname}' of a function is in none of {', '.join(_directories())}; worker and host "
                f"must have the same HOME and XDG_CACHE_HOME", name=fullname)
        spec = importlib.machinery.ModuleSpec(fullname, _Loader(found), origin=found)
        spec.has_location = True
        return spec

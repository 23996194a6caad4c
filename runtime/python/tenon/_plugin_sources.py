"""Plugins in Python whose sources lie in plugin directories: they are packed, by their content, when they are found.

A directory of plugins may contain `hello.py`, or a package `hello/`. It is packed into a directory of the user's cache
that belongs to the plugin directory, and packed again when its content or the template has changed. The command line
does the same: ``python3 -m tenon._plugin_sources DIR...`` prints where the packed plugins of the directories are.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from . import _describe, _places, pack
from .errors import Error, SystemFailed

__all__ = ["is_source", "pack_source", "with_packed"]

_log = logging.getLogger("tenon")
_NO_TASK = "there is no task in it"


def is_source(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a plugin in Python: a .py file or a package."""
    source = Path(path)
    return source.is_file() if source.suffix == ".py" else (source / "__init__.py").is_file()


def sources_in(directory: str | os.PathLike[str]) -> Iterator[Path]:
    """The paths in a directory that may be those of plugins. A .so file of the same name, packed by the author, takes
    precedence."""
    try:
        entries = sorted(Path(directory).iterdir())
    except OSError:
        return  # The runtime reports it.
    for entry in entries:
        is_other = entry.name.startswith(("_", ".", "test_")) or entry.name in ("conftest.py", "setup.py")
        if not is_other and is_source(entry) and not entry.with_suffix(".so").exists():
            yield entry


def _objection(source: Path) -> str | None:
    """Why a file in a plugin directory is not imported; empty if the user need not know, None if it may be a plugin.
    Importing a script would run it, so a module is imported only if a function at its top level has type hints or a
    decorator."""
    if source.suffix != ".py":
        return None
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        if main is not None and source.samefile(main):
            return ""  # The running program.
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None  # Packing it says what is wrong.
    if any(_may_be_task(node) for node in tree.body):
        return None
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return (f"{source}:{public[0].lineno}: {public[0].name}() has no type hints, so that this module is not taken for a "
            f"plugin; write them, as in def greet(name: str) -> str") if public else ""


def _may_be_task(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return bool(node.decorator_list)
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return bool(node.decorator_list) or node.returns is not None or any(one.annotation for one in every)


def pack_source(source: str | os.PathLike[str]) -> Path:
    """Packs a plugin into the cache, unless it is there, and returns its file. Raises tenon.Error like tenon.pack."""
    path = Path(source).absolute()
    directory = _cache_of(path.parent)
    target = directory / f"{path.stem}.so"
    mark = directory / f".{path.stem}.key"
    key = _key(path)
    if not (target.exists() and _text(mark) == key):
        packed = pack.pack(path, directory)
        assert packed == target
        mark.write_text(key, encoding="utf-8")
    return target


def with_packed(directories: Iterable[str], report: Callable[[str], None] = _log.warning, *,
                keep: bool = False) -> list[str]:
    """The directories, each followed by the one with its packed sources, if there are any. Sources that cannot be
    packed are reported and left out; keep: their previously packed files stay."""
    found = []
    for directory in directories:
        found.append(directory)
        names = set()
        for source in sources_in(directory):
            objection = _objection(source)
            if objection is not None:
                if objection:
                    report(objection)
                continue
            try:
                names.add(pack_source(source).name)
            except (Error, OSError) as error:
                if keep:
                    names.add(f"{source.stem}.so")
                if _NO_TASK not in str(error):
                    report(str(error) if str(source) in str(error) else f"{source}: {error}")
        if names:
            cache = _cache_of(Path(directory).absolute())
            found.append(str(cache))
            for file in cache.glob("*.so"):
                if file.name not in names:
                    file.unlink(missing_ok=True)  # Its source has been removed.
    return found


def _cache_of(directory: Path) -> Path:
    """Where the plugins of a directory are packed. Only this user can write there, because workers run its content."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
    cache = Path(base, "tenon", "python-plugins", name)
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = cache.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SystemFailed("io", f"{cache} can be written by others, who could put plugins there; remove it, or set "
                                 f"XDG_CACHE_HOME")
    return cache


def _key(source: Path) -> str:
    """The key of a packed plugin: a hash of everything on which it depends."""
    digest = hashlib.sha256(Path(_places.plugin_template()).read_bytes())
    for module in (_describe.__file__, pack.__file__):
        digest.update(Path(module).read_bytes())
    try:
        _, files = _describe.read_files(source)
    except _describe.Refused as error:
        from .errors import InvalidArgument
        raise InvalidArgument("invalid_argument", str(error)) from None
    for name, data in files.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tenon._plugin_sources", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--one", action="store_true", help="DIR is one plugin, whose packed file is printed")
    parser.add_argument("--keep", action="store_true", help="keep the packed file of a source that cannot be packed")
    parser.add_argument("directories", metavar="DIR", nargs="+")
    options = parser.parse_args(arguments)
    try:
        if options.one:
            print(pack_source(options.directories[0]))
            return 0
        for directory in with_packed(options.directories, lambda text: print(text, file=sys.stderr), keep=options.keep):
            if directory not in options.directories:
                print(directory)
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

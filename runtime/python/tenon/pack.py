"""Makes a plugin of a Python module: ``python3 -m tenon.pack hello.py`` writes hello.so, without a compiler.

The functions of the module are the tasks; their hints become the schema, their docstrings its documentation. The plugin
contains the module's source, so it is one file with one hash, like any other plugin.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import _describe, _places
from .errors import Error, InvalidArgument, NotFound, TooLarge

__all__ = ["pack"]

# tenon_manifest_t, as in plugin_api/include/tenon/plugin.h. The part before `schema_offset_bytes` is the ABI tag, which
# the template has from its own build.
_MANIFEST = struct.Struct("=20sII64s32s")
_ALIGNMENT = 16
# The largest page size of machines with such an ELF file.
_PAGE = 1 << 16
_IMPORT_SECONDS = 120.0
# In the environment of a process that imports a module to be packed: the module. It must not pack others, which could
# go on forever.
_PACKING = "TENON_PACKING"


def pack(path: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None, *,
         keep_schema: bool = False, import_timeout: float = _IMPORT_SECONDS) -> Path:
    """Packs a .py file, or the directory of a package, as a plugin. The same source gives the same bytes.

    directory: where the plugin is written; None for the current directory.
    import_timeout: how long the import of the module may take, in seconds.
    keep_schema: also writes the schema, NAME.fbs, for C++ hosts that call the tasks with generated types.

    Raises tenon.InvalidArgument for a module that cannot become a plugin, and tenon.NotFound if flatc or the template
    is missing.
    """
    source = Path(path)
    described = _describe_apart(source, import_timeout)
    name = described["name"]
    binary_schema = _compile_schema(name, described["schema"])
    try:
        read_name, files = _describe.read_files(source)
    except _describe.Refused as error:
        raise InvalidArgument("invalid_argument", str(error)) from None
    assert read_name == name
    plugin = _fill(_template(), name, described["version"], binary_schema,
                   {"": described["glue"].encode(), **files})
    target = Path(directory if directory is not None else ".") / f"{name}.so"
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, plugin, 0o755)
    if keep_schema:
        _write(target.with_suffix(".fbs"), described["schema"].encode(), 0o644)
    return target


def _write(target: Path, data: bytes, mode: int) -> None:
    """Replaces a file atomically, because a worker may have mapped the existing one."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    """The file mode mask of this process. os.umask would have to change it, which other threads would notice."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o077


def _describe_apart(source: Path, timeout: float) -> dict[str, str]:
    """Imports the module in a separate process, so that its effects stay there."""
    if os.environ.get(_PACKING):
        raise InvalidArgument("invalid_argument",
                              f"{source}: it would be packed while {os.environ[_PACKING]} is being imported to be packed; "
                              f"move what starts a runtime or packs plugins there into a function, or behind if "
                              f"__name__ == '__main__'")
    interpreter = _places.interpreter()
    if not interpreter:
        raise NotFound("not_found", f"{source}: packing needs a Python interpreter, and the executable of this program "
                                    f"is not one; pack the plugin beforehand, with python3 -m tenon.pack")
    reading, writing = os.pipe()
    package = str(Path(__file__).parent.parent)
    path = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1",
                   _PACKING: str(source)}
    try:
        # -P: workers do not search the current directory for modules either. The output of the module goes to stderr.
        process = subprocess.Popen([interpreter, "-P", "-m", "tenon._describe", str(source), str(writing)],
                                   pass_fds=[writing], env=environment, stdin=subprocess.DEVNULL, stdout=2)
    finally:
        os.close(writing)
    with process, os.fdopen(reading, "rb") as stream:
        if not select.select([stream], [], [], timeout)[0]:
            process.kill()
            raise InvalidArgument("invalid_argument",
                                  f"{source}: importing it takes longer than {timeout:g} s; move what takes so long "
                                  f"into a @tenon.worker_state function, or give more time by import_timeout")
        answer = stream.read()
        status = process.wait()
    if not answer:
        raise InvalidArgument("invalid_argument",
                              f"{source}: importing it ended its process (exit status {status}); a module must not "
                              f"exit or crash when it is imported")
    described: dict[str, str] = json.loads(answer)
    if "refused" in described:
        raise InvalidArgument("invalid_argument", described["refused"], {"file": str(source)})
    return described


def _compile_schema(name: str, schema: str) -> bytes:
    flatc = os.environ.get("TENON_FLATC") or shutil.which("flatc")
    if flatc is None or not shutil.which(flatc):
        raise NotFound("not_found", "flatc, which compiles the schema, is not there; install it (Debian: "
                                    "flatbuffers-compiler), or set TENON_FLATC to its path")
    includes = _places.schema_dir()
    with tempfile.TemporaryDirectory(prefix="tenon-pack-") as temporary:
        file = Path(temporary) / f"{name}.fbs"
        file.write_text(schema, encoding="utf-8")
        # The same options as in tenon_add_plugin().
        done = subprocess.run([flatc, "--schema", "-b", "--bfbs-comments", "--bfbs-builtins", "-I", includes, "-o",
                               temporary, str(file)], capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            raise InvalidArgument("invalid_argument",
                                  f"flatc refuses the schema of {name}: {(done.stdout + done.stderr).strip()}\n"
                                  f"{schema}")
        return file.with_suffix(".bfbs").read_bytes()


def _template() -> bytes:
    path = _places.plugin_template()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFound("not_found", f"the template of plugins in Python cannot be read: {error}; build or install "
                                    f"tenon with its Python package") from None


# -- The file ---------------------------------------------------------------------------------------------------------
# The template is a shared library for this machine (ELF, 64 bit). Manifest, schema and source follow after its end; a
# program header maps them, and the section .tenon names the part that hosts read.

_PT_LOAD, _PT_NOTE = 1, 4
_READABLE = 4


def _fill(template: bytes, name: str, version: str, schema: bytes, files: dict[str, bytes]) -> bytes:
    image = bytearray(template)
    broken = InvalidArgument("invalid_argument", f"the template {_places.plugin_template()} is not what this package "
                                                 f"was made with; install tenon again")
    if image[:5] != b"\x7fELF\x02" or (image[5] == 1) != (sys.byteorder == "little"):
        raise broken
    segments = list(_segments(image))
    notes = [at for at, kind, *_ in segments if kind == _PT_NOTE]
    sections = {section: (header, offset, size) for section, header, offset, size in _sections(image)}
    if not notes or b".tenon" not in sections or b".tenon_at" not in sections:
        raise broken
    end = max(address + size for _, kind, address, size in segments if kind == _PT_LOAD)
    address = -(-end // _PAGE) * _PAGE
    # A segment's offset and its address must agree modulo the page size.
    image.extend(bytes(-len(image) % _PAGE))
    offset = len(image)

    manifest_at = sections[b".tenon"][1]
    tag = bytes(image[manifest_at:manifest_at + 20])
    schema_at = -(-_MANIFEST.size // _ALIGNMENT) * _ALIGNMENT
    named = _MANIFEST.pack(tag, schema_at, len(schema), name.encode(), version.encode())
    described = named.ljust(schema_at, b"\0") + schema
    payload = struct.pack("=I", len(files))
    for path, data in files.items():
        payload += struct.pack("=II", len(path.encode()), len(data)) + path.encode() + data
    content = described + bytes(-len(described) % _ALIGNMENT) + struct.pack("=Q", len(payload)) + payload
    if len(schema) > 16 << 20:
        raise TooLarge("too_large", f"the binary schema of {name} has {len(schema)} bytes, and hosts read 16 MiB")
    image += content

    struct.pack_into("=IIQQQQQQ", image, notes[0], _PT_LOAD, _READABLE, offset, address, address, len(content),
                     len(content), _PAGE)
    header = sections[b".tenon"][0]
    struct.pack_into("=QQQ", image, header + 16, address, offset, len(described))
    # The template finds the image by its distance.
    distance_header, distance_at, _ = sections[b".tenon_at"]
    own_address, = struct.unpack_from("=Q", image, distance_header + 16)
    struct.pack_into("=q", image, distance_at, address - own_address)
    return bytes(image)


def _segments(image: bytearray) -> Iterator[tuple[int, int, int, int]]:
    """Yields each program header: its position in the file, its kind, its address, its size in memory."""
    table, = struct.unpack_from("=Q", image, 0x20)
    size, count = struct.unpack_from("=HH", image, 0x36)
    for at in range(table, table + size * count, size):
        kind, _, _, address, _, _, memory, _ = struct.unpack_from("=IIQQQQQQ", image, at)
        yield at, kind, address, memory


def _sections(image: bytearray) -> Iterator[tuple[bytes, int, int, int]]:
    """Yields each section: its name, the position of its header in the file, the position of its content, its size."""
    table, = struct.unpack_from("=Q", image, 0x28)
    size, count, names = struct.unpack_from("=HHH", image, 0x3A)
    names_at, = struct.unpack_from("=Q", image, table + names * size + 24)
    for at in range(table, table + size * count, size):
        name, _, _, _, offset, length = struct.unpack_from("=IIQQQQ", image, at)
        yield bytes(image[names_at + name:image.index(0, names_at + name)]), at, offset, length


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tenon.pack", description=(__doc__ or "").partition("\n")[0],
                                     epilog="Then: tenon list --plugin-dir DIR; "
                                            "tenon call NAME.TASK JSON --plugin-dir DIR")
    parser.add_argument("source", help="a .py file, or the directory of a package")
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="where NAME.so is written; here without it")
    parser.add_argument("--schema", action="store_true", help="write NAME.fbs too")
    options = parser.parse_args()
    try:
        print(pack(options.source, options.output, keep_schema=options.schema))
    except (Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())

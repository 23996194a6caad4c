"""The tables that plugins share, as dataclasses: the items on the edges of a pipeline (schemas/tenon/types.fbs)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ._marks import uint32, uint64

__all__ = ["Bytes", "Digest", "Empty", "File", "FileKind", "Line", "Number"]


class FileKind(enum.IntEnum):
    """The kind of a file system entry."""

    Regular = 0
    Directory = 1
    Link = 2
    Other = 3


FileKind.__tenon_table__ = "tenon.FileKind"  # type: ignore[attr-defined]


@dataclass
class File:
    """A file, with or without its content."""

    __tenon_table__: ClassVar[str] = "tenon.File"
    path: str
    relative_path: str = ""
    size_bytes: Annotated[int, uint64] = 0
    mtime_ns: int = 0
    mode: Annotated[int, uint32] = 0
    kind: FileKind = FileKind.Regular
    extension: str = ""
    data: bytes | None = None


@dataclass
class Bytes:
    """Any bytes."""

    __tenon_table__: ClassVar[str] = "tenon.Bytes"
    data: bytes = b""
    origin: str = ""


@dataclass
class Line:
    """One line of a text, without its line end."""

    __tenon_table__: ClassVar[str] = "tenon.Line"
    text: str
    origin: str = ""
    number: Annotated[int, uint64] = 0


@dataclass
class Digest:
    """The digest of a file."""

    __tenon_table__: ClassVar[str] = "tenon.Digest"
    file: File
    algorithm: str
    value: bytes
    hex: str


@dataclass
class Number:
    """A number, for sources that count."""

    __tenon_table__: ClassVar[str] = "tenon.Number"
    value: int = 0


@dataclass
class Empty:
    """Nothing."""

    __tenon_table__: ClassVar[str] = "tenon.Empty"

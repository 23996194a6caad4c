"""Writes the code of a program as a C array: usage: freeze.py PROGRAM HEADER"""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

program, header = map(Path, sys.argv[1:])
# The file's name is not that of a file: a frozen program does not bring its text along.
code = marshal.dumps(compile(program.read_text(encoding="utf-8"), f"<frozen {program.name}>", "exec"))
header.parent.mkdir(parents=True, exist_ok=True)
header.write_text("static const unsigned char kFrozenMain[] = {" + ",".join(map(str, code)) + "};\n")

"""The paths that the benchmarks use."""

from pathlib import Path

BENCH_DIR = Path(__file__).resolve().parent.parent
SOURCE_DIR = BENCH_DIR.parent.parent
BUILD_DIR = SOURCE_DIR / "build-bench"
PROGRAMS_DIR = BUILD_DIR / "tests" / "bench"
